// The thread pool runs every iteration once, and the program cache trusts no file.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "runtimes/cache.h"
#include "runtimes/pool.h"
#include "support/own.h"

namespace niwaki::test {
namespace {

namespace fs = std::filesystem;

}  // namespace

TEST_CASE("every iteration runs once") {
  for (int64_t threads : {1, 2, 3, 7}) {
    Pool pool(threads);
    CHECK(pool.threads() == threads);
    for (bool shared : {true, false}) {
      for (int64_t n : {0, 1, 2, 5, 64, 1000}) {
        for (int repeat = 0; repeat < 20; ++repeat) {
          std::vector<std::atomic<int>> runs(static_cast<size_t>(n));
          std::vector<Pool::Loop> loops = {{n, shared}};
          pool.run(loops, [&](size_t, int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) ++runs[size_t(i)];
          });
          for (const std::atomic<int>& r : runs) CHECK(r == 1);
        }
      }
    }
  }
}

TEST_CASE("a loop starts when all of the one before is done") {
  std::vector<Pool::Loop> loops;
  for (int64_t n : {40, 1, 0, 33, 7, 2, 40, 40, 5, 1, 1, 64}) {
    loops.push_back({n, true});
    loops.push_back({n, n % 2 == 0});
  }
  for (int64_t threads : {1, 2, 3, 7}) {
    Pool pool(threads);
    for (int repeat = 0; repeat < 50; ++repeat) {
      // No atomics: the thread sanitizer sees whether it is the pool that makes the order.
      std::vector<std::vector<char>> written;
      for (const Pool::Loop& loop : loops) written.emplace_back(size_t(loop.n), char(0));
      std::atomic<int64_t> early = 0;
      pool.run(loops, [&](size_t loop, int64_t begin, int64_t end) {
        if (loop > 0) {
          for (char w : written[loop - 1]) early += w == 0;
        }
        for (int64_t i = begin; i < end; ++i) ++written[loop][size_t(i)];
      });
      CHECK(early == 0);
      for (const std::vector<char>& of_loop : written) {
        for (char w : of_loop) CHECK(w == 1);
      }
    }
  }
}

TEST_CASE("threads that went to sleep are woken") {
  Pool pool(3);
  std::vector<Pool::Loop> loops(4, {3, true});
  std::thread::id caller = std::this_thread::get_id();
  std::atomic<int64_t> elsewhere = 0;
  // Iterations that wait for one another: they end only if threads come for them.
  for (int repeat = 0; repeat < 3; ++repeat) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::atomic<int64_t> here = 0;
    pool.run(loops, [&](size_t loop, int64_t, int64_t) {
      ++here;
      while (here < 3 * int64_t(loop + 1)) std::this_thread::yield();
      elsewhere += std::this_thread::get_id() != caller;
    });
    CHECK(here == 12);
  }
  CHECK(elsewhere == 3 * 4 * 2);
}

TEST_CASE("a pool can go at any time") {
  std::vector<Pool::Loop> loops(3, {8, true});
  for (int repeat = 0; repeat < 300; ++repeat) {
    Pool never(3);
    Pool once(3);
    once.run(loops, [](size_t, int64_t, int64_t) {});
  }
}

TEST_CASE("programs are found by content") {
  OwnDirectory directory("cache_test");
  ProgramCache cache(directory.path.string());
  std::string key = ProgramCache::key("text");
  CHECK(key.size() == 32);
  CHECK(key != ProgramCache::key("texT"));
  CHECK(!cache.find(key));
  std::vector<char> program = {'a', 0, 'b'};
  cache.keep(key, program);
  CHECK(cache.find(key) == program);
}

TEST_CASE("a damaged file counts as absent") {
  OwnDirectory directory("cache_test");
  ProgramCache cache(directory.path.string());
  std::string key = ProgramCache::key("text");
  cache.keep(key, std::vector<char>(100, 'x'));
  fs::path file = directory.path / (key + ".o");
  std::ifstream in(file, std::ios::binary);
  std::string good{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  for (size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = char(bad[at] ^ 1);
    std::ofstream(file, std::ios::binary) << bad;
    CHECK(!cache.find(key));
    std::ofstream(file, std::ios::binary) << good.substr(0, at);
    CHECK(!cache.find(key));
  }
  cache.keep(key, {'o', 'k'});
  CHECK(cache.find(key) == std::vector<char>{'o', 'k'});
}

TEST_CASE("a cache without a place keeps nothing and fails nothing") {
  ProgramCache nowhere("");
  nowhere.keep("key", {'x'});
  CHECK(!nowhere.find("key"));
  ProgramCache unwritable("/proc/niwaki");
  unwritable.keep("key", {'x'});
  CHECK(!unwritable.find("key"));
}

}  // namespace niwaki::test
