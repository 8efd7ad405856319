// What a decode function gets is u8[n, bytes], a block a row, and what it gives is f32[n, values].
// It says what a format means, not how to compute it: the compiler fuses it into whatever reads the
// weights. Its floats are those of ggml to the last bit (tests/golden/dequantize.json).
//
// To add a format, write its function and its row in formats().
#include "models/formats.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "core/error.h"

namespace niwaki {
namespace {

// 1, 2 or 4 bits at a time, low bits first: the shifts that bring each field of a byte down.
Tensor shifts(int64_t bits) { return Tensor::arange(8 / bits) * bits; }

// Q8_0: an f16 scale, then 32 signed bytes.
Tensor decode_q8_0(const Tensor& block) {                      // n 34
  Tensor scale = block.slice(1, 0, 2).bitcast(f16).cast(f32);  // n 1
  Tensor codes = block.slice(1, 2, 34).bitcast(i8);            // n 32
  return scale * codes.cast(f32);                              // n 32
}

// Q4_0: an f16 scale, then 16 bytes of two nibbles, of which 8 is zero: first all low nibbles, then
// all high ones.
Tensor decode_q4_0(const Tensor& block) {                      // n 18
  Tensor scale = block.slice(1, 0, 2).bitcast(f16).cast(f32);  // n 1
  Tensor bytes = block.slice(1, 2, 18).unsqueeze(1);           // n 1 16
  Tensor codes = (bytes >> shifts(4).unsqueeze(-1)) & 15;      // n 2 16
  return scale * (codes.reshape({-1, 32}).cast(f32) - 8);      // n 32
}

// Q1_0: an f16 scale, then 128 bits: 1 is +scale, 0 is -scale.
Tensor decode_q1_0(const Tensor& block) {                                // n 18
  Tensor scale = block.slice(1, 0, 2).bitcast(f16).cast(f32);            // n 1
  Tensor bits = (block.slice(1, 2, 18).unsqueeze(-1) >> shifts(1)) & 1;  // n 16 8
  return scale * (bits.reshape({-1, 128}).cast(f32) * 2 - 1);            // n 128
}

// Q2_0: an f16 scale, then 64 fields of two bits: -1, 0, +1, +2.
Tensor decode_q2_0(const Tensor& block) {                                 // n 18
  Tensor scale = block.slice(1, 0, 2).bitcast(f16).cast(f32);             // n 1
  Tensor codes = (block.slice(1, 2, 18).unsqueeze(-1) >> shifts(2)) & 3;  // n 16 4
  return scale * (codes.reshape({-1, 64}).cast(f32) - 1);                 // n 64
}

// TQ2_0: two runs of 32 bytes of four fields of two bits (-1, 0, +1), in a run all lowest fields
// first; then an f16 scale.
Tensor decode_tq2_0(const Tensor& block) {                       // n 66
  Tensor bytes = block.slice(1, 0, 64).reshape({-1, 2, 1, 32});  // n 2 1 32
  Tensor codes = (bytes >> shifts(2).unsqueeze(-1)) & 3;         // n 2 4 32
  Tensor scale = block.slice(1, 64, 66).bitcast(f16).cast(f32);  // n 1
  return scale * (codes.reshape({-1, 256}).cast(f32) - 1);       // n 256
}

// The digits of bytes that are fractions of 256 in base 3, the first digit first: what stands
// before the point of thrice the byte, whose rest has the others.
Tensor trits(const Tensor& bytes) {                                               // n m
  Tensor rest = stack({bytes, bytes * 3, bytes * 9, bytes * 27, bytes * 81}, 1);  // n 5 m
  return (rest.cast(u16) * 3) >> 8;                                               // n 5 m
}

// TQ1_0: 32 bytes of five trits (-1, 0, +1), then 16, then 4 of which four trits count, in each run
// all first trits first; then an f16 scale.
Tensor decode_tq1_0(const Tensor& block) {  // n 54
  Tensor first = trits(block.slice(1, 0, 32)).reshape({-1, 160});
  Tensor second = trits(block.slice(1, 32, 48)).reshape({-1, 80});
  Tensor last = trits(block.slice(1, 48, 52)).slice(1, 0, 4).reshape({-1, 16});
  Tensor scale = block.slice(1, 52, 54).bitcast(f16).cast(f32);  // n 1
  return scale * (cat({first, second, last}, 1).cast(f32) - 1);  // n 256
}

// MXFP4 (OCP Microscaling Formats 1.0): an exponent of 2, then nibbles as in Q4_0, of a sign, an
// exponent and one bit behind the point: 0, 1, 2, 3, 4, 6, 8, 12 halves.
Tensor decode_mxfp4(const Tensor& block) {        // n 17
  Tensor power = block.slice(1, 0, 1).cast(u32);  // n 1
  Tensor bits = where(power < 2, Tensor(0x200000).cast(u32) << power, (power - 1) << 23);
  Tensor bytes = block.slice(1, 1, 17).unsqueeze(1);       // n 1 16
  Tensor codes = (bytes >> shifts(4).unsqueeze(-1)) & 15;  // n 2 16
  Tensor size = codes & 7;
  Tensor halves = where(size < 2, size, (((size & 1) + 2) << (size >> 1)) >> 1).cast(i8);
  Tensor values = where(codes < 8, halves, -halves).cast(f32);  // n 2 16
  return bits.bitcast(f32) * values.reshape({-1, 32});          // n 32
}

Format plain(uint32_t id, std::string name, DType t) {
  return {id, std::move(name), t, 1, byte_size(t)};
}

// The dtype's name is the format's in lower case.
Format packed(uint32_t id, std::string name, int64_t values, int64_t bytes,
              Tensor (*decode)(const Tensor& blocks)) {
  static std::deque<PackedType> types;  // dtypes point to them: they stay where they are
  std::string lower = name;
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
  }
  const auto decode_node = [decode](const UOp& blocks) { return decode(Tensor(blocks)).uop(); };
  const PackedType& type = types.emplace_back(PackedType{lower, values, bytes, decode_node});
  register_packed(&type);
  return {id, std::move(name), {Kind::Packed, 1, &type}, values, bytes};
}

constexpr uint32_t q2_0_id = 42;

}  // namespace

const std::vector<Format>& formats() {
  static const std::vector<Format> table = {
      plain(0, "F32", f32),
      plain(1, "F16", f16),
      plain(30, "BF16", bf16),
      packed(8, "Q8_0", 32, 34, decode_q8_0),
      packed(2, "Q4_0", 32, 18, decode_q4_0),
      packed(41, "Q1_0", 128, 18, decode_q1_0),
      packed(q2_0_id, "Q2_0", 64, 18, decode_q2_0),
      packed(35, "TQ2_0", 256, 66, decode_tq2_0),
      packed(34, "TQ1_0", 256, 54, decode_tq1_0),
      packed(39, "MXFP4", 32, 17, decode_mxfp4),
  };
  return table;
}

namespace {

// Types that files have and niwaki does not read, so that an Error can name them.
// clang-format off
constexpr std::pair<uint32_t, std::string_view> unread[] = {
    {3, "Q4_1"},     {6, "Q5_0"},    {7, "Q5_1"},     {9, "Q8_1"},   {10, "Q2_K"},
    {11, "Q3_K"},    {12, "Q4_K"},   {13, "Q5_K"},    {14, "Q6_K"},  {15, "Q8_K"},
    {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"}, {20, "IQ4_NL"},
    {21, "IQ3_S"},   {22, "IQ2_S"},  {23, "IQ4_XS"},  {24, "I8"},    {25, "I16"},
    {26, "I32"},     {27, "I64"},    {28, "F64"},     {29, "IQ1_M"}, {40, "NVFP4"},
    {36, "I2_S of the BitNet fork"},
    {142, "PQ2_0 of the PrismML fork"},
    {143, "PTQ1_0 of the PrismML fork"},
};
// clang-format on

// Models whose weights were rotated by a Hadamard transform before they were packed: without the
// same rotation of the activations they give noise.
void refuse_rotated(const Gguf& file) {
  for (const Gguf::Entry& entry : file.metadata()) {
    check(!entry.key.starts_with("prism.hadamard."),
          "model: {}: the key {} says that the weights are folded with a Hadamard transform, which "
          "niwaki does not undo: use a model without it",
          file.name(), printable(entry.key));
  }
}

// An old fork wrote id 42 for blocks of 128 values in 34 bytes, so its tensors are closer together
// than blocks of 64 values in 18 bytes leave room for.
void refuse_q2_0_of_128(const Gguf& file) {
  std::vector<const GgufTensor*> tensors;
  for (const GgufTensor& tensor : file.tensors()) tensors.push_back(&tensor);
  std::ranges::sort(tensors, {}, &GgufTensor::offset);
  for (size_t i = 0; i + 1 < tensors.size(); ++i) {
    const uint64_t room = tensors[i + 1]->offset - tensors[i]->offset;
    check(tensors[i]->type_id != q2_0_id || room >= tensors[i]->bytes.size() / 17 * 18,
          "model: {}: the tensor {} has type 42 (Q2_0) in blocks of 128, as an old PrismML fork "
          "wrote it: convert the model to Q2_0 in blocks of 64",
          file.name(), printable(tensors[i]->name));
  }
}

}  // namespace

const Format& format_of(uint32_t id, const std::string& tensor) {
  for (const Format& format : formats()) {
    if (format.id == id) return format;
  }
  std::string_view what = "unknown";
  for (const auto& [known, name] : unread) {
    if (known == id) what = name;
  }
  std::vector<std::string_view> names;
  for (const Format& format : formats()) names.push_back(format.name);
  fail("the tensor {} has type {} ({}): convert the model to one of {}", tensor, id, what,
       fmt::join(names, ", "));
}

TypeGeometry geometry_of(uint32_t id, const std::string& tensor) {
  const Format& format = format_of(id, tensor);
  return {format.name, format.values, format.bytes};
}

Gguf open_weights(const std::string& path) {
  // Both layouts of Q2_0 can be opened as 17 bytes for 64 values: the one exactly, the other as if
  // there were gaps.
  bool has_q2_0 = false;
  Gguf file = Gguf::open(path, [&](uint32_t id, const std::string& tensor) {
    TypeGeometry type = geometry_of(id, tensor);
    if (id == q2_0_id) type.bytes = 17;
    has_q2_0 |= id == q2_0_id;
    return type;
  });
  refuse_rotated(file);
  if (!has_q2_0) return file;
  refuse_q2_0_of_128(file);
  return Gguf::open(path, geometry_of);
}

Tensor weight(const Gguf& file, std::string_view name) {
  const GgufTensor& tensor = file.tensor(name);
  const Format& format = format_of(tensor.type_id, printable(name));
  return Tensor::view(tensor.bytes.data(), format.dtype, tensor.shape, file.owner());
}

}  // namespace niwaki
