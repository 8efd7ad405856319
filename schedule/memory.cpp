// One arena for the buffers that live between kernels. A buffer is alive from the kernel that first
// writes it to the last that reads it; two whose lives overlap may not share bytes. First fit over
// the lives in order of birth: not optimal, but within a few percent on transformers, whose lives
// are short, and it is ten lines.
#include <algorithm>
#include <unordered_map>

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
  int64_t n_kernels = int64_t(schedule.kernels.size());
  std::vector<Life> lives;
  std::unordered_map<const Buffer*, size_t> life_of;
  for (size_t t = 0; t < schedule.temporaries.size(); ++t) {
    const BufferRef& b = schedule.temporaries[t].buffer;
    life_of[b.get()] = t;
    lives.push_back({t, n_kernels, -1, (b->bytes() + alignment) / alignment * alignment});
  }
  for (int64_t k = 0; k < n_kernels; ++k) {
    for (const BufferRef& b : schedule.kernels[size_t(k)].args) {
      auto found = life_of.find(b.get());
      if (found == life_of.end()) continue;
      Life& life = lives[found->second];
      life.first = std::min(life.first, k);
      life.last = k;
    }
  }
  std::sort(lives.begin(), lives.end(),
            [](const Life& a, const Life& b) { return a.first < b.first; });
  std::vector<Life> placed;
  for (const Life& life : lives) {
    std::vector<std::pair<int64_t, int64_t>> taken;
    std::erase_if(placed, [&](const Life& other) { return other.last < life.first; });
    for (const Life& other : placed) {
      if (life.last < other.first) continue;
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
