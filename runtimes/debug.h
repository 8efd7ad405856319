// What NIWAKI_DEBUG shows, on stderr: the one place where the library prints, and only when it is
// asked to.
#pragma once

#include "runtimes/device.h"
#include "schedule/schedule.h"

namespace niwaki {

/// Level 1: the device that a computation is made for, and its kernels' number.
void report_device(const Device& device, size_t n_kernels);

/// Levels 3 to 7, once a kernel: chosen axes, source, rules fired, graph after each pass, assembly.
void report_kernel(const Kernel& kernel, Device& device);

/// Level 2, a line a launch: its number, time, arguments, and why its value is stored.
void report_launch(size_t number, const Kernel& kernel, double seconds);

}  // namespace niwaki
