#include "core/dtype.h"

#include <array>
#include <charconv>
#include <vector>

#include "core/error.h"

namespace niwaki {
namespace {

struct KindInfo {
  std::string_view name;
  int bytes;
  int bits;
};

constexpr std::array<KindInfo, 15> kinds = {{
    {"void", 0, 0},  {"bool", 1, 1}, {"i8", 1, 8},   {"u8", 1, 8},    {"i16", 2, 16},
    {"u16", 2, 16},  {"i32", 4, 32}, {"u32", 4, 32}, {"i64", 8, 64},  {"u64", 8, 64},
    {"f16", 2, 16},  {"bf16", 2, 16}, {"f32", 4, 32}, {"f64", 8, 64}, {"packed", 0, 0},
}};

std::vector<const PackedType*>& packed_types() {
  static std::vector<const PackedType*> types;
  return types;
}

}  // namespace

int64_t byte_size(DType t) {
  expect(t.kind != Kind::Packed, "byte_size of packed type {}", name(t));
  return kinds[size_t(t.kind)].bytes;
}

int64_t bit_size(DType t) {
  expect(t.kind != Kind::Packed, "bit_size of packed type {}", name(t));
  return kinds[size_t(t.kind)].bits;
}

int64_t storage_bytes(DType t, int64_t n) {
  if (t.packed) return n / t.packed->values * t.packed->bytes;
  return n * byte_size(t) * t.lanes;
}

std::string name(DType t) {
  if (t.packed) return t.packed->name;
  std::string text(kinds[size_t(t.kind)].name);
  if (t.lanes > 1) text += "x" + std::to_string(t.lanes);
  return text;
}

DType dtype_from_name(std::string_view text) {
  for (const PackedType* type : packed_types()) {
    if (type->name == text) return {Kind::Packed, 1, type};
  }
  std::string_view base = text.substr(0, text.find('x'));
  uint16_t lanes = 1;
  if (base.size() < text.size()) {
    const char* end = text.data() + text.size();
    auto [stop, error] = std::from_chars(text.data() + base.size() + 1, end, lanes);
    if (error != std::errc() || stop != end) lanes = 0;
  }
  for (size_t i = 0; lanes > 0 && i + 1 < kinds.size(); ++i) {
    if (kinds[i].name == base) return {Kind(i), lanes};
  }
  fail("dtype: unknown name '{}': known are bool, i8 to i64, u8 to u64, f16, bf16, f32, f64", text);
}

void register_packed(const PackedType* type) {
  for (const PackedType* known : packed_types()) {
    if (known == type) return;
    check(known->name != type->name, "dtype: packed type '{}' is declared twice", type->name);
  }
  packed_types().push_back(type);
}

DType unsigned_of_same_width(DType t) {
  switch (byte_size(t)) {
    case 1: return u8.vec(t.lanes);
    case 2: return u16.vec(t.lanes);
    case 4: return u32.vec(t.lanes);
    default: return u64.vec(t.lanes);
  }
}

DType promote(DType a, DType b) {
  if (a == b) return a;
  if (a.kind == Kind::Bool) return b;
  if (b.kind == Kind::Bool) return a;
  if (is_float(a) != is_float(b)) return is_float(a) ? a : b;
  if (is_float(a)) {
    if (byte_size(a) == byte_size(b)) return f32;
    return byte_size(a) > byte_size(b) ? a : b;
  }
  if (is_signed(a) == is_signed(b)) return byte_size(a) > byte_size(b) ? a : b;
  DType s = is_signed(a) ? a : b;
  DType u = is_signed(a) ? b : a;
  if (byte_size(s) > byte_size(u)) return s;
  switch (byte_size(u)) {
    case 1: return i16;
    case 2: return i32;
    default: return i64;
  }
}

}  // namespace niwaki
