// The list of what a tensor library is asked for, tests/language/entries.txt, each line the name of
// a test here ("suite/name" in a suite). An entry may be left out where docs/tensor.md says why, in
// a table row that begins with its name; ten at most.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

namespace niwaki::test {
namespace {

namespace fs = std::filesystem;
const fs::path root = NIWAKI_SOURCE_DIR;

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// The names of the tests of a file; a TEST_SUITE goes to the end of its file.
std::set<std::string> tests_of(const std::string& text) {
  static const std::regex form(R"re((TEST_SUITE|TEST_CASE)\("([^"]*)"\))re");
  std::set<std::string> names;
  std::string suite;
  for (std::sregex_iterator m(text.begin(), text.end(), form), end; m != end; ++m) {
    if ((*m)[1] == "TEST_SUITE") suite = (*m)[2].str() + "/";
    else names.insert(suite + (*m)[2].str());
  }
  return names;
}

}  // namespace

TEST_CASE("every entry is a test or is left out with a reason") {
  std::set<std::string> tests;
  for (const fs::directory_entry& entry : fs::directory_iterator(root / "tests/language")) {
    if (entry.path().extension() == ".cpp") tests.merge(tests_of(read(entry.path())));
  }
  std::string page = read(root / "docs/tensor.md");
  std::istringstream lines(read(root / "tests/language/entries.txt"));
  int64_t entries = 0;
  int64_t left_out = 0;
  for (std::string name; std::getline(lines, name); ++entries) {
    bool excused = page.find("\n| " + name + " | left out: ") != std::string::npos;
    left_out += excused;
    if (tests.count(name) + excused != 1) FAIL_CHECK(name, " is neither a test nor left out");
  }
  CHECK(entries == 427);
  CHECK(left_out <= 10);
}

}  // namespace niwaki::test
