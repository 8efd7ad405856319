// One arena for the buffers that live between kernels. A buffer is alive from the kernel that first
// writes it to the last that reads it; two whose lives overlap may not share bytes. First fit over
// the lives in order of birth: not optimal, but within a few percent on transformers, whose lives
// are short, and it is ten lines.
#include <algorithm>

#include "schedule/schedule.h"

namespace niwaki {
namespace {

struct Life {
  size_t temporary;
  int64_t first;
  int64_t last;
  int64_t bytes;
};

constexpr int64_t alignment = 64;

}  // namespace

void plan_memory(Schedule& schedule) {
  std::vector<Life> lives;
  for (size_t t = 0; t < schedule.temporaries.size(); ++t) {
    const BufferRef& b = schedule.temporaries[t].buffer;
    Life life{t, int64_t(schedule.kernels.size()), -1, 0};
    life.bytes = (b->bytes() + alignment) / alignment * alignment;
    for (size_t k = 0; k < schedule.kernels.size(); ++k) {
      const std::vector<BufferRef>& args = schedule.kernels[k].args;
      if (std::find(args.begin(), args.end(), b) == args.end()) continue;
      life.first = std::min(life.first, int64_t(k));
      life.last = int64_t(k);
    }
    lives.push_back(life);
  }
  std::sort(lives.begin(), lives.end(),
            [](const Life& a, const Life& b) { return a.first < b.first; });
  std::vector<Life> placed;
  for (const Life& life : lives) {
    std::vector<std::pair<int64_t, int64_t>> taken;
    for (const Life& other : placed) {
      if (other.last < life.first || life.last < other.first) continue;
      int64_t offset = schedule.temporaries[other.temporary].offset;
      taken.emplace_back(offset, offset + other.bytes);
    }
    std::sort(taken.begin(), taken.end());
    int64_t offset = 0;
    for (const auto& [begin, end] : taken) {
      if (offset + life.bytes <= begin) break;
      offset = std::max(offset, end);
    }
    schedule.temporaries[life.temporary].offset = offset;
    schedule.arena_bytes = std::max(schedule.arena_bytes, offset + life.bytes);
    placed.push_back(life);
  }
}

}  // namespace niwaki
