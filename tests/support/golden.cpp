#include "support/golden.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace niwaki::test {
namespace {

// The first line in which two texts differ, for a message that can be read.
std::string first_difference(const std::string& golden, const std::string& now) {
  size_t line = 1;
  size_t start = 0;
  size_t i = 0;
  for (; i < golden.size() && i < now.size() && golden[i] == now[i]; ++i) {
    if (golden[i] == '\n') {
      ++line;
      start = i + 1;
    }
  }
  std::string was = golden.substr(start, golden.find('\n', i) - start);
  std::string is = now.substr(start, now.find('\n', i) - start);
  return "line " + std::to_string(line) + "\n  golden: " + was + "\n  now:    " + is;
}

}  // namespace

void check_golden(const std::string& stage, const std::string& name, const std::string& text) {
  namespace fs = std::filesystem;
  fs::path path = fs::path(NIWAKI_SOURCE_DIR) / "tests" / "golden" / stage / (name + ".txt");
  if (const char* bless = std::getenv("BLESS"); bless && *bless == '1') {
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return;
  }
  std::ifstream file(path, std::ios::binary);
  INFO("golden file ", path.string(), "; BLESS=1 rewrites it");
  REQUIRE_MESSAGE(bool(file), "is missing");
  std::string golden{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (golden != text) FAIL_CHECK("differs at ", first_difference(golden, text));
}

}  // namespace niwaki::test
