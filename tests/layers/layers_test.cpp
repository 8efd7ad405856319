// The house rules that can be read off the text of the sources: the order of the layers, where
// foreign headers may occur, that no weight format or model is named below models/, and the look of
// a file. Plain scanning, nothing linked: a rule that is broken is named with file and line.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <regex>
#include <string>
#include <vector>

namespace fs = std::filesystem;

namespace {

const std::vector<std::string> layers = {"core",     "ops",    "schedule", "codegen",
                                         "runtimes", "models", "cli"};

struct Source {
  std::string path;
  std::vector<std::string> lines;

  std::string directory() const { return path.substr(0, path.find('/')); }
  std::string at(size_t line) const { return path + ":" + std::to_string(line + 1); }
};

bool is_source(const fs::path& path) {
  std::string end = path.extension().string();
  return end == ".h" || end == ".cpp" || end == ".def";
}

std::vector<Source> read_sources(const std::vector<std::string>& directories) {
  std::vector<Source> found;
  fs::path root = NIWAKI_SOURCE_DIR;
  for (const std::string& directory : directories) {
    if (!fs::exists(root / directory)) continue;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root / directory)) {
      if (!entry.is_regular_file() || !is_source(entry.path())) continue;
      Source source = {fs::relative(entry.path(), root).generic_string(), {}};
      std::ifstream in(entry.path());
      for (std::string line; std::getline(in, line);) source.lines.push_back(line);
      found.push_back(std::move(source));
    }
  }
  std::sort(found.begin(), found.end(),
            [](const Source& a, const Source& b) { return a.path < b.path; });
  return found;
}

// Layers, then what stands beside them: what is shipped.
const std::vector<Source>& product() {
  static const std::vector<Source> sources = [] {
    std::vector<std::string> directories = layers;
    for (const char* more : {"cases", "examples"}) directories.push_back(more);
    return read_sources(directories);
  }();
  return sources;
}

// The header that a line includes, or nothing.
std::string included(const std::string& line) {
  static const std::regex include(R"(^\s*#\s*include\s*[<"]([^>"]+)[>"])");
  std::smatch match;
  return std::regex_search(line, match, include) ? match[1].str() : "";
}

int64_t place(const std::string& directory) {
  return std::find(layers.begin(), layers.end(), directory) - layers.begin();
}

// Characters, not bytes: the continuation bytes of UTF-8 do not count.
size_t columns(const std::string& line) {
  return size_t(std::count_if(line.begin(), line.end(),
                              [](char c) { return (uint8_t(c) & 0xc0) != 0x80; }));
}

}  // namespace

TEST_CASE("the scan sees the sources") {
  for (const std::string& layer : layers) {
    bool seen = false;
    for (const Source& source : product()) seen |= source.directory() == layer;
    CAPTURE(layer);
    CHECK(seen);
  }
}

TEST_CASE("an include runs with the order of the layers, never against it") {
  int64_t ours = 0;
  for (const Source& source : product()) {
    for (size_t i = 0; i < source.lines.size(); ++i) {
      std::string header = included(source.lines[i]);
      std::string directory = header.substr(0, header.find('/'));
      bool ranked = place(directory) < int64_t(layers.size());
      if (header.find('/') == std::string::npos || !ranked) continue;
      ++ours;
      INFO(source.at(i), " includes ", header);
      CHECK(place(directory) <= place(source.directory()));
    }
    for (size_t i = 0; i < source.lines.size(); ++i) {
      std::string header = included(source.lines[i]);
      INFO(source.at(i), " includes ", header);
      CHECK_FALSE(header.starts_with("tests/"));
      bool has_cases = source.directory() == "cases" || source.directory() == "cli";
      CHECK((!header.starts_with("cases/") || has_cases));
      CHECK(header.find("..") == std::string::npos);
    }
  }
  CHECK(ours > 50);
}

TEST_CASE("foreign headers stay where they belong") {
  std::vector<std::string> directories = layers;
  for (const char* more : {"cases", "examples", "tests"}) directories.push_back(more);
  for (const Source& source : read_sources(directories)) {
    for (size_t i = 0; i < source.lines.size(); ++i) {
      std::string header = included(source.lines[i]);
      INFO(source.at(i), " includes ", header);
      bool llvm = header.starts_with("llvm") || header.starts_with("lld/") ||
                  header.starts_with("clang");
      CHECK((!llvm || source.path == "runtimes/jit.cpp"));
      std::string from = source.directory();
      bool may_read_json = from == "models" || from == "cli" || from == "tests";
      CHECK((header.find("nlohmann") == std::string::npos || may_read_json));
      CHECK((!header.starts_with("doctest/") || from == "tests"));
    }
  }
}

TEST_CASE("below models/ nothing knows of a weight format or a model") {
  static const std::regex names("q1_0|q2_0|q4_0|q8_0|tq[12]_0|mxfp4|gguf|bonsai|qwen|llama",
                                std::regex::icase);
  for (const Source& source : product()) {
    if (place(source.directory()) >= place("models")) continue;
    for (size_t i = 0; i < source.lines.size(); ++i) {
      std::smatch match;
      if (!std::regex_search(source.lines[i], match, names)) continue;
      FAIL_CHECK(source.at(i), " mentions ", match[0].str(), ": ", source.lines[i]);
    }
  }
}

TEST_CASE("the look of a file: 100 columns, no tabs, a comment at its head") {
  for (const Source& source : product()) {
    for (size_t i = 0; i < source.lines.size(); ++i) {
      const std::string& line = source.lines[i];
      if (columns(line) > 100) FAIL_CHECK(source.at(i), " has ", columns(line), " columns");
      if (line.find('\t') != std::string::npos) FAIL_CHECK(source.at(i), " has a tab");
      if (line.ends_with(' ')) FAIL_CHECK(source.at(i), " ends in a space");
    }
    // A source whose essay stands in its header needs none of its own.
    bool commented = !source.lines.empty() && source.lines[0].starts_with("//");
    std::string header = source.path.substr(0, source.path.rfind('.')) + ".h";
    bool has_header = source.path.ends_with(".cpp") &&
                      fs::exists(fs::path(NIWAKI_SOURCE_DIR) / header);
    bool first_is_header = !source.lines.empty() && included(source.lines[0]) == header;
    INFO(source.path, " begins with: ", source.lines.empty() ? "" : source.lines[0]);
    CHECK((commented || (has_header && first_is_header)));
  }
}
