#include "runtimes/debug.h"

#include <fmt/ranges.h>

#include "codegen/render.h"
#include "core/env.h"
#include "core/rewrite.h"
#include "core/text.h"

namespace niwaki {
namespace {

void show(const std::string& head, const std::string& text) {
  fmt::print(stderr, "--- {}\n{}\n", head, text);
}

}  // namespace

void report_device(const Device& device, size_t n_kernels) {
  if (env_int("NIWAKI_DEBUG") < 1) return;
  fmt::print(stderr, "{}: {} kernels, {} threads, {} lanes\n", device.name(), n_kernels,
             device.threads(), device.target().lanes);
}

void report_kernel(const Kernel& kernel, Device& device) {
  int64_t level = env_int("NIWAKI_DEBUG");
  if (level < 3) return;
  const Target& target = device.target();
  std::string moves;
  for (const Move& move : choose_axes(kernel.ast, target)) moves += to_string(move) + "; ";
  show("axes", moves);
  RewriteTrace trace;
  UOp before = kernel.ast;
  if (level >= 6) show("schedule", print(before));
  LinearCode linear = lower(kernel.ast, target, [&](const std::string& pass, const UOp& ast) {
    if (level >= 6) show(pass, ast == before ? "unchanged" : print(ast));
    before = ast;
  });
  if (level >= 5) {
    for (const RewriteStep& step : trace.steps) {
      show(fmt::format("rule {} in {:.1f} us", step.rule, step.seconds * 1e6),
           step.before + "=>\n" + step.after);
    }
  }
  if (level >= 4) show("linear", print(linear));
  if (level >= 4 && !target.interpreted) show("source", render(linear, target, "kernel"));
  if (level >= 7) show("assembly", device.assembly(linear));
}

void report_launch(size_t number, const Kernel& kernel, double seconds) {
  std::string args;
  for (const BufferRef& b : kernel.args) {
    args += fmt::format(" {}[{}]", name(b->dtype), fmt::join(b->shape, ", "));
  }
  fmt::print(stderr, "kernel {:4} {:10.1f} us {} | {}\n", number, seconds * 1e6, args,
             kernel.reason);
}

}  // namespace niwaki
