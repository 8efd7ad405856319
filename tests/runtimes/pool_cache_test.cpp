// The thread pool runs every iteration once, and the program cache trusts no file.
#include <doctest/doctest.h>

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <vector>

#include "runtimes/cache.h"
#include "runtimes/pool.h"

namespace niwaki::test {
namespace {

namespace fs = std::filesystem;

struct Directory {
  fs::path path = fs::temp_directory_path() / ("niwaki_cache_test_" + std::to_string(getpid()));
  Directory() { fs::create_directories(path); }
  ~Directory() { fs::remove_all(path); }
};

}  // namespace

TEST_CASE("every iteration runs once, loop after loop") {
  for (int64_t threads : {1, 2, 3, 7}) {
    Pool pool(threads);
    CHECK(pool.threads() == threads);
    for (int64_t n : {0, 1, 2, 5, 64, 1000}) {
      for (int repeat = 0; repeat < 20; ++repeat) {
        std::vector<std::atomic<int>> runs(static_cast<size_t>(n));
        pool.run(n, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) ++runs[size_t(i)];
        });
        for (const std::atomic<int>& r : runs) CHECK(r == 1);
      }
    }
  }
}

TEST_CASE("a pool that never ran can go") { Pool pool(4); }

TEST_CASE("programs are found by content") {
  Directory directory;
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
  Directory directory;
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
