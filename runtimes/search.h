// The choice of a kernel's moves by measurement: NIWAKI_SEARCH=n tries n lists on this machine.
#pragma once

#include <vector>

#include "codegen/lower.h"
#include "runtimes/cache.h"
#include "runtimes/device.h"
#include "schedule/schedule.h"

namespace niwaki {

/// What chooses a kernel's moves on a device: the heuristic, or where NIWAKI_SEARCH says so and the
/// device can be measured, a search, its result kept in the cache that NIWAKI_CACHE names.
MoveChoice choice_for(const Kernel& kernel, Device& device);

/// The fastest of at most `tries` lists of moves, the heuristic's among them: what `cache` has of
/// an earlier search for the same kernel on the same machine with as many threads, or measured.
std::vector<Move> search(const Kernel& kernel, Device& device, int64_t tries,
                         const ProgramCache& cache);

}  // namespace niwaki
