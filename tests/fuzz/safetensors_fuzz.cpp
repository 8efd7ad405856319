// Feeds the reader bytes of any kind. It must refuse them with an Error or return tensors all of
// whose bytes can be touched.
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/error.h"
#include "models/safetensors.h"

namespace {

size_t touch(const niwaki::Safetensors& file) {
  size_t sum = 0;
  for (const auto& [key, value] : file.metadata) sum += key.size() + value.size();
  for (const auto& [name, tensor] : file.tensors) {
    const niwaki::Buffer& buffer = *tensor.uop()->get<niwaki::BufferRef>();
    const uint8_t* data = static_cast<const uint8_t*>(buffer.data);
    for (int64_t i = 0; i < buffer.bytes(); ++i) sum += data[i];
    sum += name.size();
  }
  return sum;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const std::span<const uint8_t> input(data, size);
    volatile size_t sum = touch(niwaki::parse_safetensors(std::as_bytes(input), "fuzz"));
    static_cast<void>(sum);
  } catch (const niwaki::Error&) {
  }
  return 0;
}
