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

// Waits for a condition that another thread is about to make true; gives its processor away when it
// takes long, because that thread may be waiting for it.
template <class Condition>
void spin_until(const Condition& condition) {
  for (int i = 0; !condition(); ++i) {
    if (i < spins) pause();
    else std::this_thread::yield();
  }
}

}  // namespace

// A loop is published as a ticket: its number in the upper half, chunks left to take in the lower.
// Whoever lowers the count by one owns that chunk, and a loop is over when all its chunks are, not
// when all threads have come by: a thread that gets no processor holds up nobody, unless it loses
// it in the middle of a chunk.
struct Pool::State {
  alignas(64) std::atomic<uint64_t> ticket = 0;
  alignas(64) std::atomic<int64_t> done = 0;
  alignas(64) std::atomic<bool> stopping = false;
  // Those of the current loop: they do not change while one of its chunks is owned.
  const std::function<void(int64_t, int64_t)>* body = nullptr;
  int64_t n = 0;
  int64_t n_chunks = 0;
  std::vector<std::thread> workers;

  void take_chunks() {
    uint64_t seen = ticket.load(std::memory_order_acquire);
    while (uint32_t(seen) > 0) {
      if (!ticket.compare_exchange_weak(seen, seen - 1, std::memory_order_acq_rel)) continue;
      int64_t chunk = int64_t(uint32_t(seen)) - 1;
      (*body)(n * chunk / n_chunks, n * (chunk + 1) / n_chunks);
      done.fetch_add(1, std::memory_order_release);
      seen = ticket.load(std::memory_order_acquire);
    }
  }

  void work() {
    while (!stopping.load(std::memory_order_acquire)) {
      take_chunks();
      uint64_t seen = ticket.load(std::memory_order_acquire);
      for (int i = 0; i < spins && ticket.load(std::memory_order_acquire) == seen; ++i) pause();
      if (uint32_t(seen) == 0) ticket.wait(seen, std::memory_order_acquire);
    }
  }
};

Pool::Pool(int64_t threads) : state_(std::make_unique<State>()) {
  for (int64_t i = 1; i < threads; ++i) {
    state_->workers.emplace_back([state = state_.get()] { state->work(); });
  }
}

Pool::~Pool() {
  State& s = *state_;
  s.stopping.store(true, std::memory_order_release);
  s.ticket.fetch_add(uint64_t(1) << 32, std::memory_order_release);
  s.ticket.notify_all();
  for (std::thread& worker : s.workers) worker.join();
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
  s.done.store(0, std::memory_order_relaxed);
  uint64_t number = (s.ticket.load(std::memory_order_relaxed) >> 32) + 1;
  s.ticket.store(number << 32 | uint64_t(s.n_chunks), std::memory_order_release);
  s.ticket.notify_all();
  s.take_chunks();
  spin_until([&] { return s.done.load(std::memory_order_acquire) == s.n_chunks; });
}

}  // namespace niwaki
