// What NIWAKI_DEBUG shows, on stderr: the one place where the library prints, and only when it is
// asked to. Each level shows what those below it do, and
//
//   1  a line a computation: its device, kernels and memory
//   2  a line a launch: its time, beside what the machine could at most do, and a line for them all
//   3  a kernel's loops and the moves made on them, when it is compiled
//   4  its linear code and its source
//   5  the rules that fired, and how often: in the schedule, and in each pass of a kernel
//   6  the graph after each pass
//   7  its assembly
#pragma once

#include <optional>
#include <span>

#include "core/rewrite.h"
#include "runtimes/device.h"
#include "runtimes/roofline.h"
#include "schedule/estimate.h"
#include "schedule/schedule.h"

namespace niwaki {

/// Made before a graph is scheduled, so that it sees the rules that fire.
class ScheduleReport {
 public:
  ScheduleReport();
  /// Levels 1, 2, 5 and 6: what the schedule of `roots` is.
  void show(const std::vector<UOp>& roots, const Schedule& schedule, const Device& device);

 private:
  std::optional<RewriteTrace> trace_;
};

/// Levels 3 to 7, once a kernel.
void report_kernel(const Kernel& kernel, Device& device, const MoveChoice& choose);

/// Level 3, while a search measures: a list of moves and the seconds of a launch with it.
void report_candidate(const std::vector<Move>& moves, double seconds);

/// Level 2, for the launches of one run.
class LaunchReport {
 public:
  explicit LaunchReport(const Device& device);

  /// Whether launches are to be timed.
  bool on() const { return on_; }
  /// A line: the launch's number, time, speed, arguments, and why its value is stored. The
  /// variables had these values.
  void add(size_t number, const Kernel& kernel, std::span<const UOp> variables,
           std::span<const int64_t> values, double seconds);
  /// A line for all of them.
  void total() const;

 private:
  bool on_;
  std::optional<Roofline> limits_;
  size_t launches_ = 0;
  KernelCost cost_;
  double seconds_ = 0;
  double least_seconds_ = 0;
};

}  // namespace niwaki
