// The machine that a measurement is told with: its processor, and the limit that decoding is
// measured against. A token reads every weight once, so no program makes more tokens a second than
// the bandwidth of memory divided by the model's bytes.
#pragma once

#include <cstdint>
#include <string>

namespace niwaki {

/// The processor's name as the system has it; "unknown" where it has none.
std::string cpu_name();

/// The bytes a second that `threads` threads together read from memory, measured now: about a
/// second.
double read_bandwidth(int64_t threads);

}  // namespace niwaki
