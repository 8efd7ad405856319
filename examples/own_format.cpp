// A weight format of one's own: 3 bits a weight in blocks of 40, written down as tensor ops, used
// as a dtype, and the C source of the kernel that multiplies by it.
#include <fmt/format.h>

#include "codegen/render.h"
#include "runtimes/realize.h"

using namespace niwaki;

// 40 weights in 16 bytes: a scale in sixteenths, then codes of three bits, low bits first, eight of
// them in three bytes; the code c stands for (c - 4) * scale.
static Tensor decode(const Tensor& block) {                            // u8[n, 16]
  Tensor scale = block.slice(1, 0, 1).cast(f32) / 16.0;                // f32[n, 1]
  Tensor bytes = block.slice(1, 1, 16).reshape({-1, 5, 3}).cast(u32);  // u32[n, 5, 3]
  Tensor words = (bytes << (Tensor::arange(3) * 8)).sum({2}, true);    // u32[n, 5, 1]
  Tensor codes = (words >> (Tensor::arange(8) * 3)) & 7;               // u32[n, 5, 8]
  return scale * (codes.reshape({-1, 40}).cast(f32) - 4);              // f32[n, 40]
}

int main() {
  static const PackedType three_bit = {
      "three_bit", 40, 16, [](const UOp& blocks) { return decode(Tensor(blocks)).uop(); }};
  auto bytes = std::make_shared<std::vector<uint8_t>>(64 * 2 * 16);
  for (size_t i = 0; i < bytes->size(); ++i) (*bytes)[i] = uint8_t(i * 37);
  Tensor weights = Tensor::view(bytes->data(), DType{Kind::Packed, 1, &three_bit}, {64, 80}, bytes);
  Tensor x = Tensor::ones({1, 80});
  Tensor y = x.linear(weights);
  std::string shape = to_string(weights.shape());
  fmt::print("{} {} -> {}\n", name(weights.dtype()), shape, item<float>(y.sum()));

  Schedule plan = schedule({y.uop()});
  Target c = target_of("c");
  fmt::print("{}", render(lower(plan.kernels[0].ast, c), c, "three_bit_product"));
}
