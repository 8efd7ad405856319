#include "runtimes/known_kernels.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "core/error.h"
#include "core/text.h"
#include "runtimes/build_id.h"

namespace niwaki {
namespace {

constexpr std::string_view version = "kernel 1";

bool is_key(std::string_view text) {
  return text.size() == 32 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

// The Parallel loop and the variables as one graph.
std::string print_launch(const LinearCode& launch) {
  std::vector<UOp> src = {launch.parallel ? launch.parallel : index(0)};
  src.insert(src.end(), launch.variables.begin(), launch.variables.end());
  return print(make(Op::Sink, std::move(src)));
}

LinearCode parse_launch(const std::string& text, double work) {
  UOp sink = parse(text);
  LinearCode launch;
  launch.work = work;
  check(sink->op == Op::Sink && !sink->src.empty(), "a launch without a loop");
  if (!is_const(sink[0], 0)) launch.parallel = sink[0];
  launch.variables.assign(sink->src.begin() + 1, sink->src.end());
  for (const UOp& u : toposort(sink[0])) {
    const std::vector<UOp>& all = launch.variables;
    bool known = u->op != Op::Variable || std::find(all.begin(), all.end(), u) != all.end();
    check(known, "a loop over a variable that is not there");
  }
  return launch;
}

}  // namespace

std::string KnownKernels::key_of(const UOp& ast) const {
  return ProgramCache::key(fmt::format("{} {} {}\n{}", version, build_id(), machine_, print(ast)));
}

std::optional<KnownKernel> KnownKernels::find(const UOp& ast) const {
  if (build_id().empty()) return std::nullopt;
  std::optional<std::vector<char>> file = cache_->find(key_of(ast));
  if (!file) return std::nullopt;
  std::string text(file->begin(), file->end());
  size_t first = text.find('\n');
  size_t second = first == text.npos ? first : text.find('\n', first + 1);
  if (second == text.npos || !is_key(text.substr(0, first))) return std::nullopt;
  double work = std::strtod(text.c_str() + first + 1, nullptr);
  try {
    return KnownKernel{text.substr(0, first), parse_launch(text.substr(second + 1), work)};
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

void KnownKernels::keep(const UOp& ast, const KnownKernel& kernel) const {
  if (build_id().empty()) return;
  std::string text =
      fmt::format("{}\n{:a}\n{}", kernel.key, kernel.launch.work, print_launch(kernel.launch));
  cache_->keep(key_of(ast), {text.begin(), text.end()});
}

}  // namespace niwaki
