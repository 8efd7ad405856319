// When the buffers of a schedule are needed, and how much memory that takes: what the plan of the
// arena is made from, and what is reported of it.
#pragma once

#include "schedule/schedule.h"

namespace niwaki {

/// The kernels that have a buffer among their arguments: the numbers of the first and the last, -1
/// where there is none. The first writes it, unless it existed before.
struct Life {
  int64_t first = -1;
  int64_t last = -1;
};

/// The life of each of the buffers.
std::vector<Life> lives(const std::vector<Kernel>& kernels, const std::vector<BufferRef>& buffers);

/// Bytes of the arena that a buffer takes: its own, a vector's slack, and what aligns the next.
int64_t arena_bytes_of(const Buffer& buffer);

/// The most bytes of temporaries that are alive at once, and the first kernel at which they are. No
/// arena can be smaller.
struct Peak {
  int64_t bytes = 0;
  int64_t kernel = -1;
};
Peak peak(const Schedule& schedule);

}  // namespace niwaki
