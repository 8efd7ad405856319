#include "runtimes/debug.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "codegen/render.h"
#include "codegen/search.h"
#include "core/env.h"
#include "core/text.h"
#include "runtimes/describe.h"
#include "schedule/memory.h"

namespace niwaki {
namespace {

int64_t level() { return env_int("NIWAKI_DEBUG"); }

void show(const std::string& head, const std::string& text) {
  fmt::print(stderr, "--- {}\n{}\n", head, text);
}

// "f32[4, 1] <- f32[4, 64]": what a kernel writes, a store each, and what it reads.
std::string signature(const Kernel& kernel) {
  std::vector<std::string> texts;
  for (const BufferRef& b : kernel.args) texts.push_back(buffer_text(*b));
  const auto reads = texts.begin() + std::ssize(kernel.ast->src);
  return fmt::format("{} <- {}", fmt::join(texts.begin(), reads, ", "),
                     fmt::join(reads, texts.end(), ", "));
}

// A line a rule that fired in these steps, the most frequent first.
std::string rules_text(std::span<const RewriteStep> steps) {
  struct Fired {
    int64_t times = 0;
    double seconds = 0;
  };
  std::map<std::string, Fired> fired;
  for (const RewriteStep& step : steps) {
    Fired& rule = fired[step.rule];
    ++rule.times;
    rule.seconds += step.seconds;
  }
  std::vector<std::pair<std::string, Fired>> rows(fired.begin(), fired.end());
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.second.times > b.second.times; });
  std::string text;
  for (const auto& [rule, counts] : rows) {
    text += fmt::format("{:6} x {:9.1f} us  {}\n", counts.times, counts.seconds * 1e6, rule);
  }
  return text;
}

// "      26.1 us    13.20 GFLOP/s    1.40 GB/s".
std::string speed(const KernelCost& cost, double seconds) {
  return fmt::format("{:10.1f} us {:8.2f} GFLOP/s {:7.2f} GB/s", seconds * 1e6,
                     cost.operations / seconds / 1e9, cost.bytes() / seconds / 1e9);
}

}  // namespace

ScheduleReport::ScheduleReport() {
  if (level() >= 5) trace_.emplace();
}

void ScheduleReport::show(const std::vector<UOp>& roots, const Schedule& schedule,
                          const Device& device) {
  if (level() < 1) return;
  // No launch is to wait for it.
  if (level() >= 2 && !device.target().interpreted) roofline(device.threads());
  if (level() >= 6) niwaki::show("tensor graph", print(make(Op::Sink, roots)));
  if (trace_) niwaki::show("rules of the schedule", rules_text(trace_->steps));
  trace_.reset();
  int64_t bytes = 0;
  for (const Temporary& t : schedule.temporaries) bytes += t.buffer->bytes();
  std::string memory = "no temporaries";
  if (bytes > 0) {
    const Peak most = peak(schedule);
    memory = fmt::format("{} temporaries of {} in an arena of {}, at most {} at once, in kernel {}",
                         schedule.temporaries.size(), bytes_text(double(bytes)),
                         bytes_text(double(schedule.arena_bytes)), bytes_text(double(most.bytes)),
                         most.kernel);
  }
  fmt::print(stderr, "{}: {} kernels, {} threads, {} lanes; {}\n", device.name(),
             schedule.kernels.size(), device.threads(), device.target().lanes, memory);
}

void report_kernel(const Kernel& kernel, Device& device, const MoveChoice& choose) {
  if (level() < 3) return;
  const Target& target = device.target();
  const std::vector<Move> moves = moves_of(kernel.ast, target, choose);
  fmt::print(stderr, "=== {} | {}\n", signature(kernel), kernel.reason);
  fmt::print(stderr, "loops: {}\nmoves: {}\n\n", fmt::join(loop_texts(kernel.ast), ", "),
             fmt::join(move_texts(moves), ", "));
  std::optional<RewriteTrace> trace;
  if (level() >= 5) trace.emplace();
  if (level() >= 6) show("schedule", print(kernel.ast));
  UOp before = kernel.ast;
  auto show_pass = [&](const std::string& pass, const UOp& ast) {
    if (trace && !trace->steps.empty()) show("rules of " + pass, rules_text(trace->steps));
    if (trace) trace->steps.clear();
    if (level() >= 6) show(pass, ast == before ? "unchanged\n" : print(ast));
    before = ast;
  };
  const LinearCode linear = lower(kernel.ast, target, show_pass, choose);
  if (level() >= 4) show("linear", print(linear));
  if (level() >= 4 && !target.interpreted) show("source", render(linear, target, "kernel"));
  if (level() >= 7) show("assembly", device.assembly(linear));
}

void report_candidate(const std::vector<Move>& moves, double seconds) {
  if (level() < 3) return;
  fmt::print(stderr, "search {:10.1f} us  {}\n", seconds * 1e6, to_string(moves));
}

LaunchReport::LaunchReport(const Device& device) : on_(level() >= 2) {
  // The oracle is not meant to be fast.
  if (on_ && !device.target().interpreted) limits_ = roofline(device.threads());
}

void LaunchReport::add(size_t number, const Kernel& kernel, std::span<const UOp> variables,
                       std::span<const int64_t> values, double seconds) {
  const KernelCost cost = kernel_cost(with_values(kernel.ast, variables, values));
  std::string share;
  if (limits_) {
    const LeastTime least = least_time(*limits_, cost.bytes(), cost.operations);
    share = fmt::format(" {:4.0f} % of {}", least.seconds / seconds * 100,
                        least.of_memory ? "memory" : "peak  ");
    least_seconds_ += least.seconds;
  }
  fmt::print(stderr, "kernel {:4} {}{} | {} | {}\n", number, speed(cost, seconds), share,
             signature(kernel), kernel.reason);
  ++launches_;
  cost_.operations += cost.operations;
  cost_.bytes_read += cost.bytes_read;
  cost_.bytes_written += cost.bytes_written;
  seconds_ += seconds;
}

void LaunchReport::total() const {
  if (!on_ || launches_ == 0) return;
  std::string limits;
  if (limits_) {
    limits = fmt::format(" {:4.0f} % of both   | memory {:.1f} GB/s, peak {:.0f} GFLOP/s",
                         least_seconds_ / seconds_ * 100, limits_->bytes / 1e9,
                         limits_->operations / 1e9);
  }
  fmt::print(stderr, "all    {:4} {}{}\n", launches_, speed(cost_, seconds_), limits);
}

}  // namespace niwaki
