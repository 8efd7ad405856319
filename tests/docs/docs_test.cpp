// What the documentation shows is what is.
//
//  - A block after `<!-- golden: STAGE/CASE -->` holds that golden file, or the lines named behind
//  it.
//  - A block after `<!-- source: FILE FUNCTION -->` holds that function as it stands in the file.
//  - docs/language.md is the op table; docs/debugging.md begins with the environment table.
//  - Every line of a `sh` block that runs the program is run, and must succeed.
//  - The blocks of docs/adding-an-op.md are put where they say; what that changes is compiled,
//  linked before the libraries, and run.
//
// BLESS=1 rewrites what is generated.
#include <doctest/doctest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "core/env.h"
#include "core/op.h"

#include <fmt/format.h>

namespace niwaki::test {
namespace {

namespace fs = std::filesystem;

const fs::path root = NIWAKI_SOURCE_DIR;
const std::string program = std::string(NIWAKI_BINARY_DIR) + "/niwaki";

bool blessing() {
  const char* bless = std::getenv("BLESS");
  return bless && *bless == '1';
}

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// A document, or what it should be: rewritten when blessing, compared otherwise.
void settle(const fs::path& path, const std::string& wanted) {
  if (read(path) == wanted) return;
  if (blessing()) {
    std::ofstream(path, std::ios::binary) << wanted;
    return;
  }
  FAIL_CHECK(path.string(), " is not what it is generated from; BLESS=1 rewrites it");
}

std::vector<fs::path> documents() {
  std::vector<fs::path> found = {root / "README.md"};
  for (const fs::directory_entry& entry : fs::directory_iterator(root / "docs")) {
    if (entry.path().extension() == ".md") found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::string lines_of(const std::string& text, int64_t first, int64_t last) {
  std::istringstream in(text);
  std::string line;
  std::string chosen;
  for (int64_t n = 1; std::getline(in, line); ++n) {
    if (n >= first && n <= last) chosen += line + "\n";
  }
  return chosen;
}

// A function as it stands in a source file, from the line that names it to its closing brace.
std::string source_block(const std::string& which) {
  size_t space = which.find(' ');
  std::string text = read(root / which.substr(0, space));
  size_t at = text.find(" " + which.substr(space + 1) + "(");
  REQUIRE_MESSAGE(at != std::string::npos, "no source ", which);
  size_t begin = text.rfind('\n', at) + 1;
  size_t end = text.find("\n}\n", at);
  return text.substr(begin, end + 3 - begin);
}

std::string golden_block(const std::string& which) {
  static const std::regex form(R"((\S+)( lines (\d+)-(\d+))?)");
  std::smatch m;
  REQUIRE(std::regex_match(which, m, form));
  std::string text = read(root / "tests" / "golden" / (m[1].str() + ".txt"));
  REQUIRE_MESSAGE(!text.empty(), "no golden ", m[1].str());
  if (m[2].matched) return lines_of(text, std::stoll(m[3]), std::stoll(m[4]));
  return text.substr(0, text.find_last_not_of('\n') + 1) + "\n";
}

// A fenced block: where its content is, and the line before the fence.
struct Block {
  std::string before;
  std::string language;
  size_t begin;
  size_t end;
};

std::vector<Block> blocks_of(const std::string& text) {
  std::vector<Block> found;
  for (size_t at = 0; (at = text.find("\n```", at)) != std::string::npos;) {
    size_t line = text.find('\n', at + 1);
    size_t close = text.find("\n```", line - 1);
    REQUIRE_MESSAGE(close != std::string::npos, "a block is not closed");
    size_t before = text.rfind('\n', at - 1) + 1;
    found.push_back({text.substr(before, at - before), text.substr(at + 4, line - at - 4), line + 1,
                     close + 1});
    at = close + 4;
  }
  return found;
}

struct Run {
  int status;
  std::string output;
};

Run run(const std::string& command) {
  std::FILE* pipe = popen((command + " 2>&1 < /dev/null").c_str(), "r");
  REQUIRE(pipe != nullptr);
  Run result{0, {}};
  std::array<char, 4096> buffer;
  for (size_t n; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    result.output.append(buffer.data(), n);
  }
  result.status = pclose(pipe);
  return result;
}

// The program as it was built beside these tests, on the repository's own small model.
std::string as_run_here(std::string line) {
  auto replace = [&](const std::string& from, const std::string& to) {
    for (size_t at = 0; (at = line.find(from, at)) != std::string::npos; at += to.size()) {
      line.replace(at, from.size(), to);
    }
  };
  replace("build/release/niwaki", program);
  replace("MODEL.gguf", (root / "tests/golden/models/tiny-q1_0.gguf").string());
  return line;
}

}  // namespace

TEST_CASE("blocks that show goldens and sources hold them") {
  const std::string golden = "<!-- golden: ";
  const std::string source = "<!-- source: ";
  int64_t shown = 0;
  for (const fs::path& path : documents()) {
    std::string text = read(path);
    std::string wanted;
    size_t at = 0;
    for (const Block& block : blocks_of(text)) {
      bool is_golden = block.before.starts_with(golden);
      if (!is_golden && !block.before.starts_with(source)) continue;
      std::string which = block.before.substr(golden.size());
      which = which.substr(0, which.find(" -->"));
      wanted += text.substr(at, block.begin - at);
      wanted += is_golden ? golden_block(which) : source_block(which);
      at = block.end;
      ++shown;
    }
    settle(path, wanted + text.substr(at));
  }
  CHECK(shown >= 6);
}

TEST_CASE("docs/language.md is the op table") {
  std::string text =
      "# The language\n\nEvery op, from the tensor graph to the last instruction, as `core/op.def` "
      "has "
      "it. T: legal in tensor\ngraphs; K: in kernels, where ranges stand for shapes; L: in linear "
      "code. What an op computes on scalars,\nits corner cases included, is said at the head of "
      "`core/scalar.h`,\nand how near functions come to the true value. Functions that are no op "
      "(exp, cos, erf) are compositions in\n`ops/functions.cpp`.\n\n";
  int64_t primitives = 0;
  for (int i = 0; i < n_ops; ++i) primitives += is_tensor_primitive(Op(i));
  text += fmt::format(
      "{} ops in all, {} of them tensor primitives: those that make a tensor from "
      "tensors.\n\n| op | primitive | stages | sources | meaning |\n"
      "|---|---|---|---|---|\n",
      n_ops, primitives);
  for (int i = 0; i < n_ops; ++i) {
    const OpInfo& op = info(Op(i));
    std::string stages;
    if (op.stages & uint8_t(Stage::Tensor)) stages += "T";
    if (op.stages & uint8_t(Stage::Kernel)) stages += "K";
    if (op.stages & uint8_t(Stage::Linear)) stages += "L";
    text += fmt::format("| {} | {} | {} | {} | {} |\n", op.name,
                        is_tensor_primitive(Op(i)) ? "yes" : "", stages,
                        op.sources < 0 ? "any" : std::to_string(op.sources), op.meaning);
  }
  settle(root / "docs/language.md", text);
}

TEST_CASE("docs/debugging.md begins with the environment table") {
  std::string text =
      "# Debugging\n\nEverything the program reads from the environment; `niwaki env` prints it "
      "with "
      "the values in force.\n\n| variable | default | meaning |\n|---|---|---|\n";
  for (const EnvVariable& row : env_table()) {
    text += fmt::format("| {} | {} | {} |\n", row.name, row.fallback.empty() ? "" : row.fallback,
                        row.meaning);
  }
  const std::string page = read(root / "docs/debugging.md");
  const size_t rest = page.find("\n## ");
  if (rest != std::string::npos) text += page.substr(rest);
  settle(root / "docs/debugging.md", text);
}

TEST_CASE("the commands in the documentation run") {
  int64_t commands = 0;
  for (const fs::path& path : documents()) {
    std::string text = read(path);
    for (const Block& block : blocks_of(text)) {
      if (block.language != "sh") continue;
      std::istringstream lines(text.substr(block.begin, block.end - block.begin));
      for (std::string line; std::getline(lines, line);) {
        // What builds is run by continuous integration; here the part behind it, if any.
        size_t start = line.find("build/release/niwaki");
        if (start == std::string::npos) continue;
        Run result = run(as_run_here(line.substr(start)));
        INFO(line, "\n", result.output);
        CHECK(result.status == 0);
        ++commands;
      }
    }
  }
  CHECK(commands >= 5);
}

TEST_CASE("docs/adding-an-op.md adds an op") {
  static const std::regex form(R"re(<!-- insert: (\S+) before "(.*)" -->)re");
  const fs::path there = fs::path(NIWAKI_BINARY_DIR) / "added_op";
  std::string page = read(root / "docs/adding-an-op.md");
  std::vector<std::string> sources;
  for (const Block& block : blocks_of(page)) {
    std::smatch m;
    if (!std::regex_match(block.before, m, form)) continue;
    std::string text = read(root / m[1].str());
    size_t at = text.find("\n" + m[2].str());
    REQUIRE_MESSAGE(at != std::string::npos, m[1].str(), " has no line ", m[2].str());
    text.insert(at + 1, page.substr(block.begin, block.end - block.begin));
    fs::create_directories((there / m[1].str()).parent_path());
    std::ofstream(there / m[1].str(), std::ios::binary) << text;
    if (m[1].str().ends_with(".cpp")) sources.push_back((there / m[1].str()).string());
  }
  REQUIRE(sources.size() == 2);

  std::string objects;
  for (const std::string& source : sources) {
    Run compiled = run(fmt::format("{} -I{} -I{} -c {} -o {}.o", NIWAKI_COMPILE, there.string(),
                                   root.string(), source, source));
    INFO(compiled.output);
    REQUIRE(compiled.status == 0);
    objects += source + ".o ";
  }
  std::string test = (there / "test").string();
  Run linked = run(fmt::format("{} {}{} -o {}", NIWAKI_COMPILE, objects, NIWAKI_LINK, test));
  INFO(linked.output);
  REQUIRE(linked.status == 0);
  Run result = run(test);
  INFO(result.output);
  CHECK(result.status == 0);
}

}  // namespace niwaki::test
