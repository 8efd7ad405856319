// Tensor, without computing anything: the shape and dtype that every method gives, what numbers
// become beside tensors, broadcasting, -1 and negative axes, and every text of a refusal.
#include "ops/tensor.h"

#include <doctest/doctest.h>

#include <functional>

#include "core/error.h"
#include "core/text.h"

using namespace niwaki;

namespace {

// Three bits a value, eight values in three bytes; what they mean is of no interest here.
const PackedType three_bits = {"test_3bit", 8, 3, [](const UOp& blocks) {
  Tensor wide = Tensor(blocks).cast(f32).sum({-1}, true);
  return wide.expand({Dim(blocks->shape[0]), 8}).uop();
}};
const DType packed_type = {Kind::Packed, 1, &three_bits};

Tensor make_tensor(DType t, std::vector<int64_t> shape) {
  if (!t.packed) return Tensor::empty(std::move(shape), t);
  return Tensor::view(nullptr, t, std::move(shape), nullptr);
}

// "f32(4, 8)".
std::string type(const Tensor& t) { return name(t.dtype()) + to_string(t.shape()); }

struct Row {
  Tensor tensor;
  const char* type;
};

struct Refusal {
  const char* text;
  std::function<void()> make_it;
};

void check_rows(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    CAPTURE(print(row.tensor.uop()));
    CHECK(type(row.tensor) == row.type);
  }
}

void check_refusals(const std::vector<Refusal>& rows) {
  for (const Refusal& row : rows) {
    CAPTURE(row.text);
    CHECK_THROWS_WITH_AS(row.make_it(), row.text, Error);
  }
}

const UOp n = variable("n", 1, 64);

}  // namespace

TEST_CASE("creation") {
  check_rows({
      {Tensor::from(std::vector<float>{1, 2}, {2}), "f32(2)"},
      {Tensor::from(std::vector<bool>{true, false}, {2, 1}), "bool(2, 1)"},
      {Tensor::from(std::vector<uint64_t>{7}, {}), "u64()"},
      {Tensor::from(std::vector<int8_t>{}, {0, 4}), "i8(0, 4)"},
      {Tensor::empty({3}, bf16), "bf16(3)"},
      {Tensor::full({2, n}, 7, u8), "u8(2, n)"},
      {Tensor::zeros({}), "f32()"},
      {Tensor::ones({4}, i64), "i64(4)"},
      {Tensor::arange(4), "i64(4)"},
      {Tensor::arange(n), "i64(n)"},
      {make_tensor(packed_type, {4, 16}), "test_3bit(4, 16)"},
  });
  CHECK(dtype_of<int16_t>() == i16);
  CHECK(dtype_of<double>() == f64);
  check_refusals({
      {"from: 3 values for the shape (2, 2)",
       [] { Tensor::from(std::vector<float>{1, 2, 3}, {2, 2}); }},
      {"tensor: no memory has the shape (-1, 2)", [] { Tensor::empty({-1, 2}); }},
      {"tensor: no memory has the shape (4294967296, 4294967296)",
       [] { Tensor::empty({int64_t(1) << 32, int64_t(1) << 32}); }},
      {"tensor: no memory has the shape (4611686018427387904)",
       [] { Tensor::empty({int64_t(1) << 62}); }},
      {"tensor: no memory has the shape (-4)", [] { Tensor::view(nullptr, f32, {-4}, nullptr); }},
      {"view: rows of (4, 12) do not divide into the 8 values of a test_3bit block",
       [] { make_tensor(packed_type, {4, 12}); }},
      {"view: rows of () do not divide into the 8 values of a test_3bit block",
       [] { make_tensor(packed_type, {}); }},
  });
}

// A sanitizer's allocator stops the program where malloc would return null.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool sanitized = true;
#elif defined(__has_feature)
constexpr bool sanitized = __has_feature(address_sanitizer);
#else
constexpr bool sanitized = false;
#endif

TEST_CASE("creation: more than there is memory" * doctest::skip(sanitized)) {
  check_refusals({
      {"memory: 288230376151711744 bytes are not to be had",
       [] { Tensor::empty({int64_t(1) << 56}, f32); }},
  });
}

TEST_CASE("movement: shapes, -1, negative axes, symbolic dims") {
  Tensor x = Tensor::empty({2, 3, 4});
  Tensor sym = Tensor::empty({4, 1, 6}).expand({4, n, 6});
  Tensor packed = make_tensor(packed_type, {4, 16});
  check_rows({
      {x.reshape({6, 4}), "f32(6, 4)"},
      {x.reshape({-1}), "f32(24)"},
      {x.reshape({2, -1, 2}), "f32(2, 6, 2)"},
      {x.reshape({24, -1}), "f32(24, 1)"},
      {Tensor::empty({0, 4}).reshape({-1, 4}), "f32(0, 4)"},
      {sym.reshape({-1, 6}), "f32((n * 4), 6)"},
      {sym.reshape({4, -1}), "f32(4, (n * 6))"},
      {sym.reshape({-1, n}), "f32(24, n)"},
      {sym.reshape({-1}), "f32((n * 24))"},
      {sym.reshape({-1}).reshape({8, -1}), "f32(8, (n * 3))"},
      {sym.reshape({-1}).reshape({8, 3, -1}), "f32(8, 3, n)"},
      {sym.reshape({2, 2, n, 6}), "f32(2, 2, n, 6)"},
      {x.permute({2, 0, 1}), "f32(4, 2, 3)"},
      {x.permute({-1, 0, -2}), "f32(4, 2, 3)"},
      {x.transpose(), "f32(2, 4, 3)"},
      {x.transpose(0, -1), "f32(4, 3, 2)"},
      {x.expand({5, 2, 3, 4}), "f32(5, 2, 3, 4)"},
      {Tensor::empty({3, 1}).expand({3, n}), "f32(3, n)"},
      {x.pad({{1, 2}, {0, 0}, {0, 1}}), "f32(5, 3, 5)"},
      {sym.pad({{0, 0}, {1, 0}, {0, 0}}), "f32(4, (n + 1), 6)"},
      {x.flip({-1}), "f32(2, 3, 4)"},
      {x.slice(2, 1, 3), "f32(2, 3, 2)"},
      {x.slice(-1, 0, 4), "f32(2, 3, 4)"},
      {x.slice(1, 2, 2), "f32(2, 0, 4)"},
      {x.narrow(-2, 1, 2), "f32(2, 2, 4)"},
      {sym.narrow(1, 0, n), "f32(4, n, 6)"},
      {sym.narrow(1, dim_sub(n, index(1)), 1), "f32(4, 1, 6)"},
      {x.unsqueeze(0), "f32(1, 2, 3, 4)"},
      {x.unsqueeze(-1), "f32(2, 3, 4, 1)"},
      {x.unsqueeze(3), "f32(2, 3, 4, 1)"},
      {x.unsqueeze(1).squeeze(1), "f32(2, 3, 4)"},
      {x.unsqueeze(-2).squeeze(-2), "f32(2, 3, 4)"},
      {packed.reshape({64}), "f32(64)"},
      {packed.transpose(), "f32(16, 4)"},
      {packed.slice(0, 1, 2), "f32(1, 16)"},
      {packed.contiguous(), "f32(4, 16)"},
  });
  CHECK(x.expand({2, 3, 4}).uop() == x.uop());
  CHECK(*const_int(x.dim(-1)) == 4);
}

TEST_CASE("movement: refusals") {
  Tensor x = Tensor::empty({2, 3, 4});
  Tensor sym = Tensor::empty({4, 1, 6}).expand({4, n, 6});
  check_refusals({
      {"reshape: two dims are -1", [&] { x.reshape({-1, -1}); }},
      {"reshape: 24 elements of (2, 3, 4) do not divide by 5", [&] { x.reshape({-1, 5}); }},
      {"reshape: 24 elements of (2, 3, 4) do not divide by 0", [&] { x.reshape({-1, 0}); }},
      {"reshape: ((n * 4) * 6) elements of (4, n, 6) do not divide by 5",
       [&] { sym.reshape({-1, 5}); }},
      {"reshape: the dim -1 of (2, 3, 4) cannot be told", [&] { x.reshape({-1, n}); }},
      {"reshape: sizes differ: (2, 3, 4) to (5, 5)", [&] { x.reshape({5, 5}); }},
      {"axis 3 of the shape (2, 3, 4)", [&] { x.permute({0, 1, 3}); }},
      {"axis -4 of the shape (2, 3, 4)", [&] { x.sum({-4}); }},
      {"axis 1 of the shape (1)", [] { Tensor::zeros({}).softmax(1); }},
      {"permute: [0, 1, 1] is no order of 3 dims", [&] { x.permute({0, 1, 1}); }},
      {"expand: 1 dims for the shape (2, 3, 4)", [&] { x.expand({4}); }},
      {"expand: (2, 3, 4) to (2, 3, 5): only dims of size 1 expand", [&] { x.expand({2, 3, 5}); }},
      {"pad: 1 pairs of widths for the shape (2, 3, 4)", [&] { x.pad({{0, 0}}); }},
      {"pad: negative width w, 0 for the shape (2, 3, 4)",
       [&] { x.pad({{variable("w", -1, 2), 0}, {0, 0}, {0, 0}}); }},
      {"axis 3 of the shape (2, 3, 4)", [&] { x.flip({3}); }},
      {"shrink: [1, 1 + 3) leaves dim 1 of (2, 3, 4)", [&] { x.slice(1, 1, 4); }},
      {"shrink: [2, 2 + -1) leaves dim 1 of (2, 3, 4)", [&] { x.slice(1, 2, 1); }},
      {"unsqueeze: axis 4 of the shape (2, 3, 4)", [&] { x.unsqueeze(4); }},
      {"unsqueeze: axis -5 of the shape (2, 3, 4)", [&] { x.unsqueeze(-5); }},
      {"iota: a dim of (-1) may be negative", [] { Tensor::arange(-1); }},
  });
}

TEST_CASE("dtypes: promotion, and numbers that yield") {
  auto of = [](DType t) { return Tensor::empty({2}, t); };
  Tensor b = of(boolean);
  check_rows({
      {of(u8) + of(i8), "i16(2)"},
      {of(u32) * of(i32), "i64(2)"},
      {of(i64) + of(f16), "f16(2)"},
      {of(f16) + of(bf16), "f32(2)"},
      {of(f32) + of(f64), "f64(2)"},
      {b + of(i8), "i8(2)"},
      // A number takes the tensor's dtype, a fraction that of floats only.
      {of(u8) + 1, "u8(2)"},
      {1 + of(u8), "u8(2)"},
      {of(u8) - 1, "u8(2)"},
      {1 - of(u8), "u8(2)"},
      {of(f16) - 1, "f16(2)"},
      {of(f16) - 0.5, "f16(2)"},
      {of(f16) * -Tensor(2.0), "f16(2)"},
      {of(i64) * 0.5, "f32(2)"},
      {of(i64) * 2.0, "f32(2)"},
      {of(u8) * 2.0, "f32(2)"},
      {of(f16) * 2.0, "f16(2)"},
      {of(f16) * 2, "f16(2)"},
      {of(bf16) / 3, "bf16(2)"},
      {of(f64) * 0.1, "f64(2)"},
      {b * 2.0, "f32(2)"},
      {Tensor(1) + Tensor(2), "i64()"},
      {Tensor(1) + Tensor(2.0), "f32()"},
      {Tensor(1.0) + Tensor(2.0), "f32()"},
      {Tensor(2.0).sqrt(), "f32()"},
      {Tensor(2).exp(), "f32()"},
      {of(u8) + Tensor(3).cast(i64), "i64(2)"},
      {of(u8) < 3, "bool(2)"},
      {of(u8) << 3, "u8(2)"},
      {of(u8) << of(i64), "u8(2)"},
      {1 << of(u8), "i64(2)"},
      {of(i32) >> of(u8), "i32(2)"},
      {of(i32) / 2, "f32(2)"},
      {b / b, "f32(2)"},
      {of(i64) / of(f16), "f16(2)"},
      {of(i32).floor_divide(2), "i32(2)"},
      {of(f16).floor_divide(2), "f16(2)"},
      {of(f16) % 2, "f16(2)"},
      {of(i32) % 2, "i32(2)"},
      {of(i32) & 1, "i32(2)"},
      {of(i32) | of(u8), "i32(2)"},
      {of(i32) ^ of(i64), "i64(2)"},
      {b & b, "bool(2)"},
      {!b, "bool(2)"},
      {!of(f32), "bool(2)"},
      {-of(u8), "u8(2)"},
      {-of(f16), "f16(2)"},
      {of(i32).exp(), "f32(2)"},
      {of(f16).exp(), "f16(2)"},
      {of(f64).exp(), "f64(2)"},
      {of(i8).sqrt(), "f32(2)"},
      {of(i8).relu(), "i8(2)"},
      {of(i8).abs(), "i8(2)"},
      {of(i8).sigmoid(), "f32(2)"},
      {where(b, 1, 0), "i64(2)"},
      {where(b, 1.0, 0), "f32(2)"},
      {where(b, of(f16), 0), "f16(2)"},
      {where(b, of(i8), of(u8)), "i16(2)"},
      {of(i8).cast(f32), "f32(2)"},
      {of(i8).bitcast(u8), "u8(2)"},
      {of(f32).bitcast(u8), "u8(8)"},
      {of(i8).mean(), "f32()"},
      {of(f16).mean(), "f16()"},
      {of(f16).sum(), "f16()"},
      {of(u8).sum(), "u8()"},
      {of(f32) == of(f32), "bool(2)"},
      {of(f32) >= 1, "bool(2)"},
      {of(f32).minimum(1), "f32(2)"},
      {make_tensor(packed_type, {2, 8}) * 2, "f32(2, 8)"},
      {-make_tensor(packed_type, {2, 8}), "f32(2, 8)"},
      {make_tensor(packed_type, {2, 8}).cast(f16), "f16(2, 8)"},
      {make_tensor(packed_type, {2, 8}).bitcast(u8), "u8(2, 3)"},
      {Tensor::empty({2, 3}, u8).bitcast(packed_type), "test_3bit(2, 8)"},
      {make_tensor(packed_type, {2, 8}).max({-1}), "f32(2)"},
  });
  // Integers beside integers keep every bit.
  auto number_in = [](const Tensor& t) {
    for (const UOp& u : toposort(t.uop())) {
      if (u->op == Op::Const && !is_const(u, 1) && !is_const(u, 2)) return print_constant(u);
    }
    return std::string();
  };
  CHECK(number_in(of(i64) + 9007199254740993) == "9007199254740993");
  CHECK(number_in(of(u64) & uint64_t(0xff00ff00ff00ff00)) ==
        std::to_string(int64_t(0xff00ff00ff00ff00)) + "u64");
  CHECK(number_in(of(f16) * 0.1) == "0.099975586f16");
}

TEST_CASE("broadcasting") {
  auto of = [](std::vector<int64_t> shape) { return Tensor::empty(std::move(shape)); };
  Tensor rows = of({1, 6}).expand({n, 6});
  check_rows({
      {of({4, 1}) + of({3}), "f32(4, 3)"},
      {of({}) + of({2, 3}), "f32(2, 3)"},
      {of({1, 1, 5}) * of({2, 1}), "f32(1, 2, 5)"},
      {rows + of({6}), "f32(n, 6)"},
      {rows + rows, "f32(n, 6)"},
      {rows * of({3, 1, 1}), "f32(3, n, 6)"},
      {where(of({3}) < of({2, 1}), of({3}), of({4, 1, 1})), "f32(4, 2, 3)"},
  });
  check_refusals({
      {"broadcast: (4, 3) with (4) at dim 1", [&] { of({4, 3}) + of({4}); }},
      {"broadcast: (n, 6) with (2, 6) at dim 0", [&] { rows + of({2, 6}); }},
      {"broadcast: (3) with (2) at dim 0", [&] { where(of({3}) < 1, of({2}), 0); }},
      {"where: the condition is f32, not bool", [&] { where(of({3}), of({3}), 0); }},
      {"and: needs integers or bools, not f32", [&] { of({3}) & 1; }},
      {"mod: needs integers, not bool", [&] { (of({3}) < 1) % (of({3}) < 1); }},
      {"shl: needs integers, not f32", [&] { of({3}) << 1; }},
      {"shl: shifts by integers, not by f64", [&] { of({3}).cast(u8) << 1.5; }},
      {"shl: needs integers, not test_3bit", [&] { make_tensor(packed_type, {2, 8}) << 1; }},
      {"shr: needs integers, not bool", [&] { (of({3}) < 1) >> 1; }},
      {"cast: numbers do not convert to test_3bit", [&] { of({8}).cast(packed_type); }},
      {"bitcast: 5 of u8 do not divide into f32",
       [] { Tensor::empty({5}, u8).bitcast(f32); }},
  });
}

TEST_CASE("reductions and compositions: shapes") {
  Tensor x = Tensor::empty({2, 3, 4});
  Tensor w = Tensor::empty({5, 4});
  Tensor packed = make_tensor(packed_type, {16, 8});
  auto of = [](std::vector<int64_t> shape, DType t = f32) { return Tensor::empty(shape, t); };
  Tensor rows = of({1, 4}).expand({n, 4});
  check_rows({
      {x.sum(), "f32()"},
      {x.sum({-1}), "f32(2, 3)"},
      {x.sum({0, 2}), "f32(3)"},
      {x.sum({}, true), "f32(1, 1, 1)"},
      {x.max({1}, true), "f32(2, 1, 4)"},
      {x.min({1}), "f32(2, 4)"},
      {x.prod({0}), "f32(3, 4)"},
      {x.mean({-1}), "f32(2, 3)"},
      {rows.mean({0}), "f32(4)"},
      {Tensor::zeros({}).sum(), "f32()"},
      {x.argmax(-1), "i64(2, 3)"},
      {x.argmax(0), "i64(3, 4)"},
      {x.matmul(of({4, 5})), "f32(2, 3, 5)"},
      {of({7, 1, 3, 4}).matmul(of({2, 4, 5})), "f32(7, 2, 3, 5)"},
      {rows.matmul(of({4, 5})), "f32(n, 5)"},
      {x.linear(w), "f32(2, 3, 5)"},
      {of({8}).linear(packed), "f32(16)"},
      {of({4}, f16).linear(of({5, 4}, f16)), "f16(5)"},
      {x.softmax(), "f32(2, 3, 4)"},
      {x.log_softmax(1), "f32(2, 3, 4)"},
      {x.rms_norm(of({4}), 1e-5), "f32(2, 3, 4)"},
      {x.layer_norm(1e-5), "f32(2, 3, 4)"},
      {packed.embedding(of({2, 3}, i32)), "f32(2, 3, 8)"},
      {w.embedding(of({}, u8)), "f32(4)"},
      {x.rope(of({3, 2}), of({3, 2})), "f32(2, 3, 4)"},
      {cat({x, x, x}, -2), "f32(2, 9, 4)"},
      {cat({x}, 0), "f32(2, 3, 4)"},
      {cat({of({2}, f16), of({3}, i64)}, 0), "f16(5)"},
      {cat({packed, packed}, 0), "f32(32, 8)"},
      {cat({packed, of({16, 8}, i32)}, 1), "f32(16, 16)"},
      {cat({of({2, 4}), rows, of({3, 4})}, 0), "f32((n + 5), 4)"},
      {attention(of({5, 8, 4}), of({7, 2, 4}), of({7, 2, 4}), 2), "f32(5, 8, 4)"},
      {x.contiguous(), "f32(2, 3, 4)"},
      {x.assign(1), "f32(2, 3, 4)"},
      {x.slice(0, 1, 2).assign(of({4})), "f32(2, 3, 4)"},
      {of({4}, u8).assign(x.reshape({24}).slice(0, 0, 4)), "u8(4)"},
  });
  check_refusals({
      {"matmul: a scalar has no dim to sum over: () @ (4, 5)", [&] { of({}).matmul(of({4, 5})); }},
      {"matmul: inner dimensions differ: (2, 3, 4) @ (5, 4)", [&] { x.matmul(w); }},
      {"linear: the last dim of (2, 3, 4) is not the second of the weight (4, 5)",
       [&] { x.linear(of({4, 5})); }},
      {"linear: the last dim of () is not the second of the weight (5, 4)",
       [&] { of({}).linear(w); }},
      {"embedding: needs a table [v, d] and integer ids: (5, 4) and f32 (2)",
       [&] { w.embedding(of({2})); }},
      {"embedding: needs a table [v, d] and integer ids: (2, 3, 4) and i64 (2)",
       [&] { x.embedding(of({2}, i64)); }},
      {"rope: the last dim of (2, 3) is not even", [&] { of({2, 3}).rope(of({1}), of({1})); }},
      {"cat: no tensors", [] { cat({}, 0); }},
      {"cat: axis 3 of the shape (2, 3, 4)", [&] { cat({x, x}, 3); }},
      {"cat: axis -4 of the shape (2, 3, 4)", [&] { cat({x, x}, -4); }},
      {"cat: shapes differ beside axis 1: (2, 3, 4) and (2, 3, 5)",
       [&] { cat({x, of({2, 3, 5})}, 1); }},
      {"cat: shapes differ beside axis 1: (2, 3, 4) and (2, 3)",
       [&] { cat({x, of({2, 3})}, 1); }},
      {"attention: q (5, 4), k (7, 2, 4), v (7, 2, 4) are not [t, h, d], [s, g, d], [s, g, d]",
       [&] { attention(of({5, 4}), of({7, 2, 4}), of({7, 2, 4}), 0); }},
      {"attention: q (5, 8, 4), k (7, 2, 4), v (6, 2, 4) are not [t, h, d], [s, g, d], [s, g, d]",
       [&] { attention(of({5, 8, 4}), of({7, 2, 4}), of({6, 2, 4}), 0); }},
      {"attention: 8 heads over 3 key heads",
       [&] { attention(of({5, 8, 4}), of({7, 3, 4}), of({7, 3, 4}), 0); }},
      {"assign: the target is no buffer", [&] { return (x + 1).assign(x); }},
      {"assign: the target is constant", [] {
         float one = 1;
         return Tensor::view(&one, f32, {1}, nullptr).assign(2);
       }},
      {"expand: (1, 1, 24) to (2, 3, 4): only dims of size 1 expand",
       [&] { return x.assign(of({24})); }},
  });
}
