// What this machine can do at most, measured: loops that do nothing but multiply and add, read, or
// copy. A kernel's speed is a share of one of them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtimes/pool.h"

namespace niwaki::bench {

/// About that many operations of f32, two a multiply-add, shared by the threads.
void multiply_adds(double flops, Pool& threads);

/// Reads `bytes` at `from`, shared by the threads.
void read_memory(const void* from, size_t bytes, Pool& threads);

/// Copies `bytes`, shared by the threads, past the caches where the machine has stores for that;
/// both sides stand at multiples of 64.
void copy_memory(void* to, const void* from, size_t bytes, Pool& threads);

}  // namespace niwaki::bench
