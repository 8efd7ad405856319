// Dtypes: their names, what they promote to, and what they weigh in memory.
#include "core/dtype.h"

#include <doctest/doctest.h>

#include "core/buffer.h"
#include "core/error.h"
#include "core/uop.h"

using namespace niwaki;

namespace {

const std::vector<DType> all = {boolean, i8,  u8,  i16,  u16, i32, u32,
                                i64,     u64, f16, bf16, f32, f64};

const PackedType nibbles = {"test_nibbles", 32, 18, {}};

}  // namespace

TEST_CASE("names go both ways, with lanes") {
  const std::vector<std::string> names = {"bool", "i8",  "u8",  "i16",  "u16", "i32", "u32",
                                          "i64",  "u64", "f16", "bf16", "f32", "f64"};
  for (size_t i = 0; i < all.size(); ++i) {
    CHECK(name(all[i]) == names[i]);
    CHECK(dtype_from_name(names[i]) == all[i]);
    CHECK(name(all[i].vec(16)) == names[i] + "x16");
    CHECK(dtype_from_name(names[i] + "x16") == all[i].vec(16));
  }
  CHECK(name(void_type) == "void");
  CHECK(u8.vec(4).scalar() == u8);
}

TEST_CASE("a name that is none") {
  for (std::string text : {"", "f8", "int", "packed", "f32 ", "F32", "f32x", "f32x0", "f32x4y",
                           "f32x-1", "f32x70000", "x4"}) {
    CHECK_THROWS_WITH_AS(dtype_from_name(text),
                         ("dtype: unknown name '" + text + "': known are bool, i8 to i64, u8 to "
                          "u64, f16, bf16, f32, f64").c_str(),
                         Error);
  }
}

TEST_CASE("classes and widths") {
  for (DType t : all) {
    CHECK(is_float(t) + is_signed(t) + is_unsigned(t) == (t == boolean ? 0 : 1));
    CHECK(is_integer(t) == (is_signed(t) || is_unsigned(t)));
    CHECK(bit_size(t) == (t == boolean ? 1 : byte_size(t) * 8));
    CHECK(storage_bytes(t, 6) == 6 * byte_size(t));
    CHECK(storage_bytes(t.vec(4), 3) == 12 * byte_size(t));
    CHECK(byte_size(unsigned_of_same_width(t)) == byte_size(t));
    CHECK(is_unsigned(unsigned_of_same_width(t)));
  }
}

TEST_CASE("promotion, the whole table") {
  const char* table[] = {
      // bool i8   u8   i16  u16  i32  u32  i64  u64  f16  bf16 f32  f64
      "bool i8   u8   i16  u16  i32  u32  i64  u64  f16  bf16 f32  f64",
      "i8   i8   i16  i16  i32  i32  i64  i64  i64  f16  bf16 f32  f64",
      "u8   i16  u8   i16  u16  i32  u32  i64  u64  f16  bf16 f32  f64",
      "i16  i16  i16  i16  i32  i32  i64  i64  i64  f16  bf16 f32  f64",
      "u16  i32  u16  i32  u16  i32  u32  i64  u64  f16  bf16 f32  f64",
      "i32  i32  i32  i32  i32  i32  i64  i64  i64  f16  bf16 f32  f64",
      "u32  i64  u32  i64  u32  i64  u32  i64  u64  f16  bf16 f32  f64",
      "i64  i64  i64  i64  i64  i64  i64  i64  i64  f16  bf16 f32  f64",
      "u64  i64  u64  i64  u64  i64  u64  i64  u64  f16  bf16 f32  f64",
      "f16  f16  f16  f16  f16  f16  f16  f16  f16  f16  f32  f32  f64",
      "bf16 bf16 bf16 bf16 bf16 bf16 bf16 bf16 bf16 f32  bf16 f32  f64",
      "f32  f32  f32  f32  f32  f32  f32  f32  f32  f32  f32  f32  f64",
      "f64  f64  f64  f64  f64  f64  f64  f64  f64  f64  f64  f64  f64",
  };
  for (size_t i = 0; i < all.size(); ++i) {
    for (size_t j = 0; j < all.size(); ++j) {
      std::string expected(table[i] + 5 * j, 4);
      if (j + 1 == all.size()) expected = "f64";
      expected.erase(expected.find_last_not_of(' ') + 1);
      CAPTURE(name(all[i]));
      CAPTURE(name(all[j]));
      CHECK(name(promote(all[i], all[j])) == expected);
      CHECK(promote(all[i], all[j]) == promote(all[j], all[i]));
    }
  }
}

TEST_CASE("packed types: known by name once registered, weighed by the block") {
  register_packed(&nibbles);
  register_packed(&nibbles);
  DType t = dtype_from_name("test_nibbles");
  CHECK(t.packed == &nibbles);
  CHECK(name(t) == "test_nibbles");
  CHECK(storage_bytes(t, 64) == 36);
  CHECK(Buffer{t, {2, 64}}.bytes() == 72);
  static const PackedType other = {"test_nibbles", 8, 3, {}};
  CHECK_THROWS_WITH_AS(register_packed(&other),
                       "dtype: packed type 'test_nibbles' is declared twice", Error);
  CHECK_THROWS_WITH_AS(byte_size(t), "internal error: byte_size of packed type test_nibbles",
                       InternalError);
  CHECK_THROWS_WITH_AS(bit_size(t), "internal error: bit_size of packed type test_nibbles",
                       InternalError);
}
