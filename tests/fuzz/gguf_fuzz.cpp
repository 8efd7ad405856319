// Feeds the reader bytes of any kind. It must refuse them with an Error or return a file all of
// which can be touched: every item of the metadata, the first and the last byte of every tensor.
#include "core/error.h"
#include "models/gguf.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace {

niwaki::TypeGeometry geometry(uint32_t id, const std::string& tensor) {
  if (id == 0) return {"F32", 1, 4};
  if (id == 1) return {"F16", 1, 2};
  if (id == 41) return {"Q1_0", 128, 18};
  niwaki::fail("{} has the unknown type {}", tensor, id);
}

size_t touch(const niwaki::Gguf& file) {
  size_t sum = 0;
  for (const niwaki::Gguf::Entry& entry : file.metadata()) {
    for (int64_t i = 0; i < entry.value.size(); ++i) {
      const niwaki::GgufValue::Item item = entry.value.item(i);
      sum += item.index();
      const std::string_view* const text = std::get_if<std::string_view>(&item);
      if (text && !text->empty()) sum += text->front() + text->back();
    }
  }
  for (const niwaki::GgufTensor& tensor : file.tensors()) {
    sum += std::to_integer<size_t>(tensor.bytes.front());
    sum += std::to_integer<size_t>(tensor.bytes.back());
  }
  return sum;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const std::span<const uint8_t> input(data, size);
    volatile size_t sum = touch(niwaki::Gguf::parse(std::as_bytes(input), "fuzz", geometry));
    static_cast<void>(sum);
  } catch (const niwaki::Error&) {
  }
  return 0;
}
