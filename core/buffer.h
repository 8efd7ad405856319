// A buffer: memory that somebody owns. The core sees neither the device it lies on nor how it was
// allocated; it only keeps it alive. A buffer whose memory is null is a promise, filled in when the
// schedule that writes it runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/dtype.h"

namespace niwaki {

struct Buffer {
  DType dtype;
  std::vector<int64_t> shape;
  void* data = nullptr;
  std::shared_ptr<const void> owner;
  /// Never written after it was made: weights, tables, literals.
  bool constant = false;

  int64_t size() const {
    int64_t n = 1;
    for (int64_t dim : shape) n *= dim;
    return n;
  }
  int64_t bytes() const { return storage_bytes(dtype, size()); }
};

using BufferRef = std::shared_ptr<Buffer>;

/// Zeroed memory of the host, aligned for the widest vector and with a vector's slack behind its
/// end; pages that nobody writes cost nothing. Error where there is not enough.
std::shared_ptr<void> allocate(int64_t bytes);

}  // namespace niwaki
