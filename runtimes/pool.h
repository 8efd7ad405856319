// A pool of threads for a series of loops, each of independent iterations, each to be started when
// the one before is done. Threads come together once for the whole series.
//
// A loop is cut into chunks. Every thread has a share of them, the same part of the loop each time,
// so that what it wrote in one loop is in its own cache when the next one reads it; when its share
// is used up, it takes from others'. There is no barrier that threads meet at. Whoever ends the
// last chunk of a loop starts the next, and runs by itself, at once, the loops that are not worth
// sharing. So nobody is waited for but who is in the middle of a chunk: a thread that gets no
// processor, or still sleeps, is done without, and joins in where the others are by then.
//
// A thread that finds nothing to take spins for some time, because in a series the next loop comes
// at once, then lets others have its processor between looks, then sleeps. Only the caller does
// not, as it waits for no more than a chunk.
//
// Chunks are few, two a thread: a kernel may compute values once a chunk that all of its iterations
// need, and a chunk costs two atomic operations. One a thread would leave nothing to take from a
// thread that is late or slow. Rejected: chunks that all threads take from one counter. It is a
// line that all of them write, and data wander: loops over 64 K floats, each reading what the
// one before wrote, took two threads 14 to 18 us, with shares of their own 12, one thread 22.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

namespace niwaki {

class Pool {
 public:
  /// Iterations, and whether they are worth sharing.
  struct Loop {
    int64_t n;
    bool shared;
  };
  /// Runs iterations [begin, end) of a loop, named by its place; must not throw.
  using Body = std::function<void(size_t loop, int64_t begin, int64_t end)>;

  explicit Pool(int64_t threads);
  ~Pool();
  Pool(const Pool&) = delete;

  int64_t threads() const;

  /// Runs the loops one after another on all threads, this one among them; returns when all are
  /// done. Not to be called from two threads at once or from a body.
  void run(std::span<const Loop> loops, const Body& body);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace niwaki
