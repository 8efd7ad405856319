#include "runtimes/pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace niwaki {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t chunks_per_thread = 2;
// Longer than the loops that are not shared, and than what a program does between two tokens.
constexpr std::chrono::microseconds spinning(50);
constexpr std::chrono::microseconds awake(200);
// What two threads write is kept so far apart: a line, and the one that is fetched along with it.
constexpr size_t apart = 128;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

// The chunks of one thread. Whoever lowers the number of those left owns that chunk, and while one
// is owned the loop does not end, so that the rest stays as it is.
struct alignas(apart) Share {
  std::atomic<int64_t> left = 0;
  size_t loop = 0;
  int64_t n = 0;
  int64_t first_chunk = 0;
  int64_t chunks = 0;
};

}  // namespace

struct Pool::State {
  explicit State(int64_t threads) : shares(size_t(threads)) {}

  // Counts loops, and the ends of series: what a thread waits for a change of.
  alignas(apart) std::atomic<uint32_t> news = 0;
  alignas(apart) std::atomic<int64_t> unfinished = 0;
  alignas(apart) std::atomic<int32_t> sleepers = 0;
  alignas(apart) std::atomic<bool> running = false;
  std::atomic<bool> stopping = false;
  // Of the series; `next` is written by who starts loops only.
  std::span<const Loop> loops;
  const Body* body = nullptr;
  size_t next = 0;
  std::vector<Share> shares;
  std::vector<std::thread> workers;

  // A sleeper counts itself before it looks at the news for the last time, and the news come before
  // the sleepers are looked at: one of the two sees the other.
  void wake_all() {
    news.fetch_add(1, std::memory_order_seq_cst);
    if (sleepers.load(std::memory_order_seq_cst) > 0) news.notify_all();
  }

  // The caller does not sleep: the end of a series, for which it waits no longer than a chunk
  // takes, is told to nobody else, so that a series of small loops wakes nobody.
  void wait_for_news(uint32_t known, bool caller) {
    Clock::time_point start = Clock::now();
    Clock::duration waited(0);
    while (caller || waited < awake) {
      for (int i = 0; i < 32; ++i) {
        if (news.load(std::memory_order_acquire) != known) return;
        pause();
      }
      waited = Clock::now() - start;
      if (waited > spinning) std::this_thread::yield();
    }
    sleepers.fetch_add(1, std::memory_order_seq_cst);
    news.wait(known, std::memory_order_seq_cst);
    sleepers.fetch_sub(1, std::memory_order_relaxed);
  }

  // Runs loops until there is one to share, and hands out its chunks. Called by one thread at a
  // time: the one that calls for the series, then whoever ended the last chunk. The last share of a
  // loop has a chunk, so that no thread can end the loop before all shares are written; but then at
  // once, so that nothing of the loop is touched after it.
  void start_next(bool caller) {
    int64_t threads = int64_t(shares.size());
    while (next < loops.size()) {
      size_t number = next++;
      const Loop& loop = loops[number];
      int64_t chunks = std::min(loop.n, loop.shared ? threads * chunks_per_thread : int64_t(1));
      if (chunks == 1) (*body)(number, 0, loop.n);
      if (chunks <= 1) continue;
      unfinished.store(chunks, std::memory_order_relaxed);
      for (int64_t i = 0; i < threads; ++i) {
        Share& share = shares[size_t(i)];
        int64_t end = chunks * (i + 1) / threads;
        share.loop = number;
        share.n = loop.n;
        share.first_chunk = chunks * i / threads;
        share.chunks = chunks;
        share.left.store(end - share.first_chunk, std::memory_order_release);
      }
      return wake_all();
    }
    running.store(false, std::memory_order_release);
    if (!caller) news.fetch_add(1, std::memory_order_release);
  }

  // Runs a chunk of the share, if there is one.
  bool take(Share& share, bool caller) {
    int64_t left = share.left.load(std::memory_order_relaxed);
    do {
      if (left == 0) return false;
    } while (!share.left.compare_exchange_weak(left, left - 1, std::memory_order_acquire,
                                               std::memory_order_relaxed));
    int64_t chunk = share.first_chunk + left - 1;
    (*body)(share.loop, share.n * chunk / share.chunks, share.n * (chunk + 1) / share.chunks);
    if (unfinished.fetch_sub(1, std::memory_order_acq_rel) == 1) start_next(caller);
    return true;
  }

  // A chunk of one's own, or else of the next thread that has some.
  bool take_from_any(size_t own) {
    for (size_t i = 0; i < shares.size(); ++i) {
      if (take(shares[(own + i) % shares.size()], own == 0)) return true;
    }
    return false;
  }

  // Takes part until `over`. The news are looked at before the shares are, so that chunks handed
  // out while they were searched are no news that is missed.
  template <class Over>
  void take_part(size_t own, const Over& over) {
    for (;;) {
      uint32_t known = news.load(std::memory_order_acquire);
      while (take_from_any(own)) {
      }
      if (over()) return;
      wait_for_news(known, own == 0);
    }
  }
};

Pool::Pool(int64_t threads) : state_(std::make_unique<State>(threads)) {
  for (size_t i = 1; i < size_t(threads); ++i) {
    state_->workers.emplace_back([s = state_.get(), i] {
      s->take_part(i, [s] { return s->stopping.load(std::memory_order_acquire); });
    });
  }
}

Pool::~Pool() {
  state_->stopping.store(true, std::memory_order_release);
  state_->wake_all();
  for (std::thread& worker : state_->workers) worker.join();
}

int64_t Pool::threads() const { return int64_t(state_->shares.size()); }

void Pool::run(std::span<const Loop> loops, const Body& body) {
  State& s = *state_;
  if (s.workers.empty()) {
    for (size_t i = 0; i < loops.size(); ++i) {
      if (loops[i].n > 0) body(i, 0, loops[i].n);
    }
    return;
  }
  s.loops = loops;
  s.body = &body;
  s.next = 0;
  s.running.store(true, std::memory_order_relaxed);
  s.start_next(true);
  s.take_part(0, [&s] { return !s.running.load(std::memory_order_acquire); });
}

}  // namespace niwaki
