// One arena for the buffers that live between kernels. A buffer is alive from the kernel that first
// writes it to the last that reads it; two whose lives overlap may not share bytes. First fit over
// the lives in order of birth: not optimal, but within a few percent on transformers, whose lives
// are short, and it is ten lines.
#include "schedule/memory.h"

#include <algorithm>
#include <unordered_map>

namespace niwaki {
namespace {

constexpr int64_t alignment = 64;

std::vector<Life> lives_of_temporaries(const Schedule& schedule) {
  std::vector<BufferRef> buffers;
  for (const Temporary& t : schedule.temporaries) buffers.push_back(t.buffer);
  return lives(schedule.kernels, buffers);
}

}  // namespace

std::vector<Life> lives(const std::vector<Kernel>& kernels, const std::vector<BufferRef>& buffers) {
  std::unordered_map<const Buffer*, Life> found;
  for (size_t k = 0; k < kernels.size(); ++k) {
    for (const BufferRef& b : kernels[k].args) {
      Life& life = found[b.get()];
      if (life.first < 0) life.first = int64_t(k);
      life.last = int64_t(k);
    }
  }
  std::vector<Life> result;
  for (const BufferRef& b : buffers) result.push_back(found[b.get()]);
  return result;
}

int64_t arena_bytes_of(const Buffer& buffer) {
  return (buffer.bytes() + alignment) / alignment * alignment;
}

Peak peak(const Schedule& schedule) {
  std::vector<int64_t> alive(schedule.kernels.size());
  const std::vector<Life> found = lives_of_temporaries(schedule);
  for (size_t t = 0; t < found.size(); ++t) {
    const int64_t bytes = arena_bytes_of(*schedule.temporaries[t].buffer);
    for (int64_t k = std::max<int64_t>(found[t].first, 0); k <= found[t].last; ++k) {
      alive[size_t(k)] += bytes;
    }
  }
  Peak most;
  for (size_t k = 0; k < alive.size(); ++k) {
    if (alive[k] > most.bytes) most = {alive[k], int64_t(k)};
  }
  return most;
}

void plan_memory(Schedule& schedule) {
  const std::vector<Life> found = lives_of_temporaries(schedule);
  std::vector<size_t> by_birth(found.size());
  for (size_t t = 0; t < found.size(); ++t) by_birth[t] = t;
  std::stable_sort(by_birth.begin(), by_birth.end(),
                   [&](size_t a, size_t b) { return found[a].first < found[b].first; });
  std::vector<size_t> placed;
  for (const size_t t : by_birth) {
    std::vector<std::pair<int64_t, int64_t>> taken;
    std::erase_if(placed, [&](size_t other) { return found[other].last < found[t].first; });
    for (const size_t other : placed) {
      const Temporary& there = schedule.temporaries[other];
      taken.emplace_back(there.offset, there.offset + arena_bytes_of(*there.buffer));
    }
    std::sort(taken.begin(), taken.end());
    const int64_t bytes = arena_bytes_of(*schedule.temporaries[t].buffer);
    int64_t offset = 0;
    for (const auto& [begin, end] : taken) {
      if (offset + bytes <= begin) break;
      offset = std::max(offset, end);
    }
    schedule.temporaries[t].offset = offset;
    schedule.arena_bytes = std::max(schedule.arena_bytes, offset + bytes);
    placed.push_back(t);
  }
}

}  // namespace niwaki
