// The limits of the machine are measured once and kept, the higher of two measurements counts, and
// the nearer limit is the one that says how long something takes.
#include "runtimes/roofline.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "support/own.h"

namespace niwaki::test {
namespace {

namespace fs = std::filesystem;

// NIWAKI_CACHE is a directory of this test's own while it lives.
class OwnCache {
 public:
  size_t files() const {
    return size_t(std::distance(fs::directory_iterator(directory_.path), fs::directory_iterator()));
  }

 private:
  OwnDirectory directory_{"roofline_test"};
  OwnSetting setting_{"NIWAKI_CACHE", directory_.path.c_str()};
};

}  // namespace

TEST_CASE("the least time is that of the nearer limit") {
  const Roofline limits = {.bytes = 10e9, .operations = 100e9};
  const LeastTime reading = least_time(limits, 5e9, 10e9);
  CHECK(reading.of_memory);
  CHECK(reading.seconds == doctest::Approx(0.5));
  const LeastTime computing = least_time(limits, 1e9, 50e9);
  CHECK(!computing.of_memory);
  CHECK(computing.seconds == doctest::Approx(0.5));
}

TEST_CASE("the limits are measured once and kept; another measurement only raises them") {
  const OwnCache cache;
  const Roofline first = roofline(1);
  CHECK(first.bytes > 1e8);
  CHECK(first.operations > 1e8);
  CHECK(cache.files() == 1);
  CHECK(roofline(1).bytes == first.bytes);
  CHECK(roofline(1).operations == first.operations);
  const Roofline again = remeasured_roofline(1);
  CHECK(again.bytes >= first.bytes);
  CHECK(again.operations >= first.operations);
  CHECK(roofline(1).bytes == again.bytes);
  CHECK(cache.files() == 1);
  roofline(2);
  CHECK(cache.files() == 2);
}

TEST_CASE("the processor has a name") { CHECK(!cpu_name().empty()); }

}  // namespace niwaki::test
