// docs/tensor.md: every public function of the tensor language with its signature and what its
// header says of it, and beside it a line of tests/language/examples_test.cpp with its value, which
// is run there. A function without a line fails here. BLESS=1 writes what follows the page's head.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace niwaki::test {
namespace {

namespace fs = std::filesystem;
const fs::path root = NIWAKI_SOURCE_DIR;

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

struct Declaration {
  std::string section;
  std::string scope;  // the class, if it is a member
  std::string name;
  std::string signature;
  std::string meaning;
};

struct Header {
  std::vector<Declaration> declarations;
  std::map<std::string, std::string> remarks;  // what is said under the title of a section
  std::string choices;                         // enums and structs of options, as they stand
};

std::string one_line(const std::string& text) {
  static const std::regex spaces(R"(\s+)");
  std::string line = std::regex_replace(text, spaces, " ");
  line.erase(0, line.find_first_not_of(' '));
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

// Where the parentheses before `stop`, a character that `stops`, are closed; or the end.
size_t top_level(const std::string& text, std::string_view stops) {
  int64_t depth = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    if (depth == 0 && stops.find(text[at]) != stops.npos) return at;
    depth += text[at] == '(' ? 1 : text[at] == ')' ? -1 : 0;
  }
  return text.size();
}

// Whether a declaration, or a function with its body, ends here.
bool is_whole(const std::string& text) {
  size_t body = top_level(text, ";{");
  if (body == text.size()) return false;
  return text[body] == ';' ||
         std::count(text.begin(), text.end(), '{') == std::count(text.begin(), text.end(), '}');
}

// A declaration as the page shows it: without body, requirements, initializers and Here.
std::string signature_of(std::string text) {
  static const std::regex noise(R"(,? ?Here = \{\}|^\[\[nodiscard\]\] |^template <[^>]*> |)"
                                R"(^requires [\w:]+<T> |^explicit | const$)");
  static const std::regex initializers(R"(\) : .*)");
  text = one_line(text.substr(0, top_level(text, ";{")));
  if (text.starts_with("requires(")) text = one_line(text.substr(top_level(text, " ")));
  return std::regex_replace(std::regex_replace(text, noise, ""), initializers, ")");
}

// The public functions of a header in the project's style: `///` above a declaration, `// --- title
// ---` above a group, what is private at the end of a class.
Header header_of(const std::string& path, const std::string& name) {
  static const std::regex title(R"(\s*// --- (.*) ---)");
  static const std::regex opens(R"(( *)(class|struct) (\w+)( :.*)? \{)");
  static const std::regex choice(R"((enum class|struct) (\w+Options)?.*\{.*)");
  static const std::regex function(R"((operator\S+?|\w+)\()");
  struct Scope {
    std::string end;
    std::string name;
    std::string meaning;
    bool hidden = false;
  };
  Header found;
  std::vector<Scope> scopes = {{"", "", ""}};
  std::set<std::string> seen;
  std::string section = name;
  std::string meaning;
  std::string comment;  // the lines of `meaning`
  bool under_title = false;
  std::istringstream lines(read(root / path));
  for (std::string line; std::getline(lines, line);) {
    std::smatch m;
    size_t text = line.find_first_not_of(' ');
    bool is_remark = text != line.npos && line.compare(text, 2, "//") == 0;
    if (is_remark && line.compare(text, 3, "///") == 0) {
      meaning += line.substr(text + 3);
      comment += line + "\n";
      under_title = false;
      continue;
    }
    if (std::regex_match(line, m, title)) {
      section = m[1];
      under_title = true;
    } else if (is_remark && under_title) {
      found.remarks[section] += line.substr(text + 2);
    } else if (scopes.size() == 1 && std::regex_match(line, m, choice) &&
               (m[1] != "struct" || m[2].matched)) {
      found.choices += comment + line + "\n";
      while (line != "};" && line.find(" };") == line.npos && std::getline(lines, line)) {
        found.choices += line + "\n";
      }
    } else if (std::regex_match(line, m, opens)) {
      scopes.push_back({m[1].str() + "};", m[3], meaning});
    } else if (scopes.size() > 1 && line == scopes.back().end) {
      scopes.pop_back();
      if (scopes.size() == 1) section = name;
    } else if (line.find("private:") != line.npos) {
      scopes.back().hidden = true;
    } else if (line.find('(') != line.npos && !is_remark && !line.starts_with("using ")) {
      under_title = false;
      std::string all = line;
      while (!is_whole(all) && std::getline(lines, line)) all += " " + line;
      const Scope& scope = scopes.back();
      std::string signature = signature_of(all);
      if (!scope.hidden && std::regex_search(signature, m, function) &&
          seen.insert(scope.name + signature).second) {
        bool constructor = m[1] == scope.name;
        const std::string& said = constructor && meaning.empty() ? scope.meaning : meaning;
        std::string full = scope.name.empty() || scope.name == "Tensor" || constructor
                               ? signature
                               : std::regex_replace(signature, function, scope.name + "::$1(",
                                                    std::regex_constants::format_first_only);
        found.declarations.push_back({section, scope.name, m[1], full, one_line(said)});
      }
    } else if (line.find("template <") != line.npos || line.find("requires") != line.npos) {
      continue;
    }
    meaning.clear();
    comment.clear();
  }
  return found;
}

struct Example {
  std::string expression;
  std::string value;
};

// The rows {"name", SHOWN(expression), "value"} of the table of examples.
std::multimap<std::string, Example> examples() {
  static const std::regex row(R"re(\{"(\S+)", SHOWN\((.*)\), ((?:"[^"]*" ?)+)\},?)re");
  static const std::regex seam(R"(" ?")");
  static const std::regex broken(R"((\() | (?=\.\w+\())");
  std::string text = one_line(read(root / "tests/language/examples_test.cpp"));
  std::multimap<std::string, Example> found;
  size_t at = text.find("{\"", text.find("> examples = {"));
  while (at != text.npos) {
    size_t next = text.find(" {\"", at);
    std::string line = text.substr(at, next == text.npos ? text.find(" };", at) - at : next - at);
    std::smatch m;
    REQUIRE_MESSAGE(std::regex_match(line, m, row), "no row of examples: ", line);
    std::string value = one_line(m[3]);
    value = std::regex_replace(value.substr(1, value.size() - 2), seam, "");
    found.emplace(m[1].str(), Example{std::regex_replace(m[2].str(), broken, "$1"), value});
    at = next == text.npos ? next : next + 1;
  }
  return found;
}

// In a cell of a table a bar would end it.
std::string cell(const std::string& text) {
  static const std::regex bar(R"(\|)");
  return std::regex_replace(text, bar, "\\|");
}

}  // namespace

TEST_CASE("docs/tensor.md is what the headers declare") {
  struct Source {
    std::string header;
    std::string name;
    bool examples;  // or the programs of examples/ show it
  };
  const std::vector<Source> sources = {
      {"ops/tensor.h", "operators and free functions", true},
      {"ops/gradient.h", "gradients", true},
      {"ops/random.h", "random numbers", true},
      {"ops/optim.h", "optimisers", true},
      {"ops/state.h", "state by name", false},
      {"runtimes/realize.h", "values", true},
      {"runtimes/capture.h", "captured functions", true},
      {"runtimes/dynamic.h", "sizes that depend on values", true},
      {"models/layers.h", "layers", false},
      {"models/safetensors.h", "files of tensors", false},
  };
  // Not shown: what makes arguments of numbers, what every layer has, what others stand on.
  const std::set<std::string> hidden = {"Tensor",   "Dim",       "Operand",    "Bound",
                                        "Index",    "dims_of",   "operator()", "visit",
                                        "add_part", "copy_state"};
  // Members of other classes, and constructors, are not single expressions.
  const std::set<std::string> with_lines = {"", "Tensor", "Random"};

  const fs::path path = root / "docs/tensor.md";
  const std::string marker = "<!-- generated from the headers -->\n";
  std::string page = read(path);
  size_t head = page.find(marker);
  REQUIRE(head != std::string::npos);
  std::string text = page.substr(0, head) + marker;

  std::multimap<std::string, Example> lines = examples();
  std::vector<std::pair<Source, Header>> headers;
  std::map<std::string, int64_t> declared;
  auto has_line = [&](const Source& source, const Declaration& d) {
    return source.examples && d.name != d.scope && with_lines.count(d.scope);
  };
  for (const Source& source : sources) {
    Header header = header_of(source.header, source.name);
    std::erase_if(header.declarations, [&](const Declaration& d) { return hidden.count(d.name); });
    // A free function behind a class goes to those before it.
    if (source.header != "ops/tensor.h") {
      std::stable_partition(header.declarations.begin(), header.declarations.end(),
                            [&](const Declaration& d) { return d.section == source.name; });
    }
    for (const Declaration& d : header.declarations) declared[d.name] += has_line(source, d);
    headers.push_back({source, header});
  }
  std::string choices;
  for (const auto& [source, header] : headers) {
    std::string section;
    choices += header.choices;
    for (const Declaration& d : header.declarations) {
      if (d.section != section) {
        section = d.section;
        text += fmt::format("\n## {}{}\n", char(std::toupper(section[0])), section.substr(1));
        auto remark = header.remarks.find(section);
        if (remark != header.remarks.end()) text += "\n" + one_line(remark->second) + "\n";
        text += source.examples ? "\n| | | for example |\n|---|---|---|\n" : "\n| | |\n|---|---|\n";
      }
      std::string shown;
      if (has_line(source, d)) {
        // The first line of the name that is left, and all of them for the last declaration.
        bool last = --declared[d.name] == 0;
        do {
          auto [line, end] = lines.equal_range(d.name);
          if (line == end) {
            if (shown.empty()) FAIL_CHECK(d.signature, " of ", source.header, " has no example");
            break;
          }
          const Example& example = line->second;
          shown += fmt::format("{}`{}` gives `{}`", shown.empty() ? "" : "<br>", example.expression,
                               example.value);
          lines.erase(line);
        } while (last);
      }
      text += fmt::format("| `{}` | {} |", cell(d.signature), cell(d.meaning));
      text += source.examples ? fmt::format(" {} |\n", cell(shown)) : "\n";
    }
  }
  for (const auto& [name, example] : lines) FAIL_CHECK("no header declares ", name);
  text += "\n## Options\n\n```cpp\n" + choices + "```\n";
  if (page == text) return;
  const char* bless = std::getenv("BLESS");
  if (bless && *bless == '1') std::ofstream(path, std::ios::binary) << text;
  else FAIL_CHECK("docs/tensor.md is not what it is generated from; BLESS=1 rewrites it");
}

}  // namespace niwaki::test
