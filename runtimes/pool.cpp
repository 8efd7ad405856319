#include "runtimes/pool.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

namespace niwaki {
namespace {

// Some tens of microseconds: longer than the gap between two kernels of a replay.
constexpr int spins = 20000;
constexpr int64_t chunks_per_thread = 4;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

}  // namespace

// What threads share, each hot counter on a cache line of its own.
struct Pool::State {
  alignas(64) std::atomic<uint64_t> generation = 0;
  alignas(64) std::atomic<int64_t> next_chunk = 0;
  alignas(64) std::atomic<int64_t> running = 0;
  alignas(64) std::atomic<bool> stopping = false;
  const std::function<void(int64_t, int64_t)>* body = nullptr;
  int64_t n = 0;
  int64_t n_chunks = 0;
  std::vector<std::thread> workers;

  void take_chunks() {
    for (;;) {
      int64_t chunk = next_chunk.fetch_add(1, std::memory_order_relaxed);
      if (chunk >= n_chunks) return;
      int64_t begin = n * chunk / n_chunks;
      int64_t end = n * (chunk + 1) / n_chunks;
      if (begin < end) (*body)(begin, end);
    }
  }

  void work() {
    uint64_t seen = 0;
    for (;;) {
      for (int i = 0; i < spins && generation.load(std::memory_order_acquire) == seen; ++i) pause();
      generation.wait(seen, std::memory_order_acquire);
      if (stopping.load(std::memory_order_acquire)) return;
      seen = generation.load(std::memory_order_acquire);
      take_chunks();
      running.fetch_sub(1, std::memory_order_release);
    }
  }
};

Pool::Pool(int64_t threads) : state_(std::make_unique<State>()) {
  for (int64_t i = 1; i < threads; ++i) {
    state_->workers.emplace_back([state = state_.get()] { state->work(); });
  }
}

Pool::~Pool() {
  state_->stopping.store(true, std::memory_order_release);
  state_->generation.fetch_add(1, std::memory_order_release);
  state_->generation.notify_all();
  for (std::thread& worker : state_->workers) worker.join();
}

int64_t Pool::threads() const { return int64_t(state_->workers.size()) + 1; }

void Pool::run(int64_t n, const std::function<void(int64_t, int64_t)>& body) {
  State& s = *state_;
  if (s.workers.empty() || n < 2) {
    if (n > 0) body(0, n);
    return;
  }
  s.body = &body;
  s.n = n;
  s.n_chunks = std::min(n, threads() * chunks_per_thread);
  s.next_chunk.store(0, std::memory_order_relaxed);
  s.running.store(int64_t(s.workers.size()), std::memory_order_relaxed);
  s.generation.fetch_add(1, std::memory_order_release);
  s.generation.notify_all();
  s.take_chunks();
  while (s.running.load(std::memory_order_acquire) > 0) pause();
}

}  // namespace niwaki
