#include "core/buffer.h"

#include <cstdlib>

#include "core/error.h"

namespace niwaki {

std::shared_ptr<void> allocate(int64_t bytes) {
  constexpr size_t alignment = 64;
  // calloc, because it takes large blocks from the system, whose pages are zero until they are
  // written.
  void* memory = bytes < 0 ? nullptr : std::calloc(size_t(bytes) + 2 * alignment, 1);
  check(memory != nullptr, "memory: {} bytes are not to be had", bytes);
  uintptr_t aligned = (uintptr_t(memory) + alignment - 1) / alignment * alignment;
  return std::shared_ptr<void>(std::shared_ptr<void>(memory, std::free),
                               reinterpret_cast<void*>(aligned));
}

}  // namespace niwaki
