// The roofline of a machine: the two limits that a kernel's speed is told beside (Williams,
// Waterman and Patterson 2009, "Roofline"). A kernel takes at least as long as its bytes take to be
// read from memory, and at least as long as its operations take in the vector units; which of the
// two is longer says what it is bound by, and how near its time comes to that says whether there is
// anything left to gain.
//
// Both are measured on the machine itself, by as many threads as the kernel has, when they are
// first asked for, which takes about a second; then they are kept beside the compiled programs. So
// shares told on different days are shares of the same thing, and a printed line does not cost a
// second. Data that lies in a cache is read faster than memory, so a share may exceed 100 %.
#pragma once

#include <cstdint>
#include <string>

namespace niwaki {

/// What some threads of this machine together do at most in a second.
struct Roofline {
  /// Bytes read from memory.
  double bytes = 0;
  /// Operations on f32; a multiply-add is two.
  double operations = 0;
};

/// The least time that something can take, and which of the limits says so.
struct LeastTime {
  double seconds = 0;
  /// The bandwidth of memory; else the vector units.
  bool of_memory = true;
};

/// The least time that this machine needs for so many bytes and operations.
LeastTime least_time(const Roofline& limits, double bytes, double operations);

/// Measured now: about a second.
Roofline measure_roofline(int64_t threads);

/// As it was measured before on this machine, by any program that keeps its files in the same
/// directory; measured now if it never was.
const Roofline& roofline(int64_t threads);

/// Measured now, and each limit the higher of this time and before: what disturbed one measurement
/// need not disturb the next.
const Roofline& remeasured_roofline(int64_t threads);

/// The processor's name as the system has it; "unknown" where it has none.
std::string cpu_name();

}  // namespace niwaki
