// A schedule as a device runs it: tables before the kernels that look values up, constants in the
// layout that their reader wants (codegen/prepare.h).
#pragma once

#include "runtimes/device.h"
#include "schedule/schedule.h"

namespace niwaki {

/// The kernels of a schedule as they are to be lowered for the device. Tables become temporaries.
/// Copies of constants are made here, the first time that a kernel asks for them, and kept as long
/// as one is used.
void prepare(Schedule& schedule, Device& device);

}  // namespace niwaki
