// A pool of threads for loops of independent iterations.
//
// Workers wait for the next loop by spinning for some microseconds, because in a replay it comes at
// once, and then sleep. A loop is cut into chunks that threads take as they become free; which
// thread runs a chunk does not change what it computes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace niwaki {

class Pool {
 public:
  explicit Pool(int64_t threads);
  ~Pool();
  Pool(const Pool&) = delete;

  int64_t threads() const;

  /// Calls body(begin, end) for chunks that together are [0, n), on all threads, this one among
  /// them; returns when all are done. Not to be called from two threads at once or from a body.
  void run(int64_t n, const std::function<void(int64_t begin, int64_t end)>& body);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace niwaki
