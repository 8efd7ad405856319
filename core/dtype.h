// Data types. A DType is a kind, a number of lanes (1 but in vector code) and, for packed data,
// what packs it.
//
// A packed dtype is how low-bit weights look to their user: a tensor of it has the shape of its
// values and prints its name, and an op that needs numbers casts it, which calls `decode`. The core
// knows that such types exist, not which: they are declared above, and their bytes are read by
// ordinary ops.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace niwaki {

class UOp;

enum class Kind : uint8_t {
  Void, Bool, I8, U8, I16, U16, I32, U32, I64, U64, F16, BF16, F32, F64, Packed
};

/// A block format: `bytes` bytes hold `values` values; decode maps u8[n, bytes] to f32[n, values].
struct PackedType {
  std::string name;
  int64_t values;
  int64_t bytes;
  std::function<UOp(const UOp& blocks)> decode;
};

struct DType {
  Kind kind = Kind::Void;
  uint16_t lanes = 1;
  const PackedType* packed = nullptr;

  friend bool operator==(const DType&, const DType&) = default;

  /// The same kind with one lane.
  DType scalar() const { return {kind, 1, packed}; }
  /// The same kind with `n` lanes.
  DType vec(int64_t n) const { return {kind, uint16_t(n), packed}; }
};

inline constexpr DType void_type{Kind::Void};
inline constexpr DType boolean{Kind::Bool};
inline constexpr DType i8{Kind::I8};
inline constexpr DType u8{Kind::U8};
inline constexpr DType i16{Kind::I16};
inline constexpr DType u16{Kind::U16};
inline constexpr DType i32{Kind::I32};
inline constexpr DType u32{Kind::U32};
inline constexpr DType i64{Kind::I64};
inline constexpr DType u64{Kind::U64};
inline constexpr DType f16{Kind::F16};
inline constexpr DType bf16{Kind::BF16};
inline constexpr DType f32{Kind::F32};
inline constexpr DType f64{Kind::F64};

constexpr bool is_float(DType t) { return t.kind >= Kind::F16 && t.kind <= Kind::F64; }
constexpr bool is_unsigned(DType t) {
  return t.kind == Kind::U8 || t.kind == Kind::U16 || t.kind == Kind::U32 || t.kind == Kind::U64;
}
constexpr bool is_signed(DType t) {
  return t.kind == Kind::I8 || t.kind == Kind::I16 || t.kind == Kind::I32 || t.kind == Kind::I64;
}
/// Signed or unsigned; a bool is no integer.
constexpr bool is_integer(DType t) { return is_signed(t) || is_unsigned(t); }

/// Bytes of one lane; a bool takes one. Not for packed types, whose elements have no address.
int64_t byte_size(DType t);

/// Bits of one lane; a bool has one.
int64_t bit_size(DType t);

/// Bytes that `n` values take; for a packed type `n` is a multiple of its block.
int64_t storage_bytes(DType t, int64_t n);

/// The name: "f32", "u8x16", or the packed type's own.
std::string name(DType t);

/// The type of that name; Error when there is none. Packed names are those that were registered.
DType dtype_from_name(std::string_view text);

/// Makes a packed type's name known to dtype_from_name; the type must outlive the program.
void register_packed(const PackedType* type);

/// The unsigned integer of the same width, as bits travel through it.
DType unsigned_of_same_width(DType t);

/// The least dtype that both operands of an op convert to: bool < integers < floats, the wider
/// wins; of u and i of one width the next wider signed; f16 with bf16 gives f32.
DType promote(DType a, DType b);

}  // namespace niwaki

/// In texts a dtype is its name. Formatted, not passed as text, it costs nothing where it is an
/// argument of a check() that holds.
template <>
struct fmt::formatter<niwaki::DType> : formatter<std::string> {
  auto format(const niwaki::DType& t, format_context& out) const {
    return formatter<std::string>::format(niwaki::name(t), out);
  }
};
