// What is made of positions costs the elements it reads and writes: no arange is added up from
// ones, no gather walks its table. Iterations are counted, and the values compared with plain
// loops.
#include <doctest/doctest.h>

#include <cmath>

#include "cases/cases.h"
#include "ops/gradient.h"
#include "runtimes/realize.h"
#include "support/iterations.h"
#include "support/naive.h"

namespace niwaki::test {
namespace {

constexpr int64_t n = 64;

Tensor column(const Tensor& x) { return x.unsqueeze(-1); }

// At most `most` iterations, and on each device the value `expected(i)` at element i.
template <class F>
void check_made(const Tensor& made, double most, F expected) {
  CHECK(iterations(made) <= most);
  for (std::string name : {"INTERP", "CPU"}) {
    CAPTURE(name);
    std::vector<double> found = to_vector<double>(made, device(name));
    for (size_t i = 0; i < found.size(); ++i) {
      double wanted = double(expected(int64_t(i)));
      if (found[i] != wanted) FAIL_CHECK("element ", i, ": ", found[i], " and not ", wanted);
    }
  }
}

// The values of a tensor by the naive evaluator, for large results that are made of small inputs.
void check_naive(const Tensor& made, double most) {
  std::vector<double> expected = evaluate(made.uop()).numbers();
  check_made(made, most, [&](int64_t i) { return expected[size_t(i)]; });
}

Tensor rows_of(const std::vector<int64_t>& ids) { return Tensor::from(ids, {int64_t(ids.size())}); }

// x[ids] along the first axis.
Tensor index_rows(const Tensor& x, const Tensor& ids) {
  Dims dims(ids.shape().begin(), ids.shape().end());
  dims.insert(dims.end(), x.shape().begin() + 1, x.shape().end());
  return x.reshape({Dim(x.dim(0)), -1}).embedding(ids).reshape(dims);
}

}  // namespace

TEST_CASE("arange_complexity") {
  check_made(Tensor::arange(n), n, [](int64_t i) { return i; });
  check_made(Tensor::arange(n) * 3 - 5, n, [](int64_t i) { return 3 * i - 5; });
  check_made(Tensor::arange(n).flip({0}).cast(f32) * 0.5, n,
             [](int64_t i) { return double(n - 1 - i) / 2; });
  // Also as a library without one makes it: ones, added up.
  Tensor seen = Tensor::arange(n) <= column(Tensor::arange(n));
  Tensor added = where(seen, Tensor::ones({n}, i32), 0).sum({-1}) - 1;
  check_made(added, n, [](int64_t i) { return i; });
}

TEST_CASE("arange_cat") {
  Tensor joined = cat({Tensor::arange(n), Tensor::arange(n) + 7, Tensor::arange(3)}, 0);
  check_made(joined, 2 * n + 3, [](int64_t i) {
    return i < n ? i : i < 2 * n ? i - n + 7 : i - 2 * n;
  });
}

TEST_CASE("eye_complexity") {
  Tensor eye = Tensor::arange(n) == column(Tensor::arange(n));
  check_made(eye.cast(f32), n * n, [](int64_t i) { return i / n == i % n; });
  check_made(eye.sum({1}), n, [](int64_t) { return 1; });
}

TEST_CASE("tri_complexity") {
  Tensor lower = column(Tensor::arange(n)) >= Tensor::arange(n);
  check_made(lower.cast(i32), n * n, [](int64_t i) { return i % n <= i / n; });
  check_made(lower.sum({1}), n, [](int64_t i) { return i + 1; });
  check_made(lower.sum({0}), n, [](int64_t i) { return n - i; });
}

TEST_CASE("arange_cumsum") {
  // A sum of data costs its loop, but no memory in between.
  Tensor seen = column(Tensor::arange(n)) >= Tensor::arange(n);
  check_made(where(seen, Tensor::arange(n), 0).sum({-1}), n * n,
             [](int64_t i) { return i * (i + 1) / 2; });
}

TEST_CASE("arange_2_reduce") {
  Tensor positions = Tensor::arange(n).expand({3, n});
  check_made(positions.sum({1}) + Tensor::arange(n).max(), 3 * n + n,
             [](int64_t) { return n * (n - 1) / 2 + n - 1; });
  // Counts of counts: what is at most i, of what is at most j.
  Tensor seen = column(Tensor::arange(n)) >= Tensor::arange(n);
  Tensor count = seen.sum({1});
  Tensor again = (column(count) >= count.unsqueeze(0)).sum({1});
  check_made(again, n * n + n, [](int64_t i) { return i + 1; });
}

TEST_CASE("manual_index") {
  Tensor x = input({n, 8}, 1);
  Tensor ids = rows_of({3, 63, 3, 0});
  Tensor chosen = Tensor::arange(n).reshape({n, 1}) == ids.reshape({4, 1, 1});
  check_naive(where(chosen, x, 0).sum({1}), 4 * 8);
  // As a product the zeros meet every row, and 0 * inf is part of the result: the loop stays.
  CHECK(iterations((chosen.cast(f32) * x).sum({1})) == 4 * 8 * n);
}

TEST_CASE("index") {
  Tensor x = input({n, 4, 2}, 1);
  check_naive(index_rows(x, rows_of({5, 0, 63, 5})), 4 * 8);
  check_naive(index_rows(x, Tensor::from(std::vector<int32_t>{1, 2, 3, 4, 5, 6}, {2, 3})), 6 * 8);
}

TEST_CASE("index_variable") {
  Tensor x = input({n, 8}, 1);
  Tensor at(variable("at", 0, n - 1));
  Tensor row = x.embedding(at);
  CHECK(iterations(row) == 8);
  for (std::string name : {"INTERP", "CPU"}) {
    Replay replay({row, x.embedding(at * 2 - 3)}, device(name));
    for (int64_t i : {0, 1, 17, 63}) {
      replay.run({{"at", i}});
      std::vector<float> outside(8, 0.0f);
      CHECK(to_vector<float>(replay.tensor(0)) == to_vector<float>(x.narrow(0, i, 1)));
      int64_t j = 2 * i - 3;
      bool inside = j >= 0 && j < n;
      CHECK(to_vector<float>(replay.tensor(1)) ==
            (inside ? to_vector<float>(x.narrow(0, j, 1)) : outside));
    }
  }
}

TEST_CASE("index_fused") {
  // Ids that are computed, from a table that is computed, into what is computed on.
  Tensor x = input({n, 8}, 1);
  Tensor ids = rows_of({5, 0, 61, 5});
  check_naive((x * 2 + 1).embedding((ids + 2) % n) - 3, 4 * 8);
  check_naive(index_rows(index_rows(x, Tensor::arange(n).flip({0})), ids), 4 * 8);
  // Sums over loops that are the same range as the table's: in what is read, and in where.
  Tensor five = Tensor::from<float>({3, 1, 4, 1, 5}, {5});
  check_naive(column(five + five.sum()).embedding(rows_of({4, 0, 7})), 3 * 5);
  Tensor rank = (five.unsqueeze(0) <= column(five)).sum({-1});
  check_naive(column(five).embedding(rank), 2 * 5 * 5);
}

TEST_CASE("index_fused_opt") {
  // Summed up right away: no row is stored.
  Tensor x = input({n, 8}, 1);
  Tensor sum = x.embedding(rows_of({5, 0, 61, 5})).sum({0});
  check_naive(sum, 4 * 8);
  CHECK(schedule({sum.uop()}).kernels.size() == 1);
}

TEST_CASE("index_fused_out_of_bounds") {
  Tensor x = input({n, 8}, 1) + 1;
  Tensor ids = rows_of({-1, n, 3, INT64_MAX, INT64_MIN, n - 1});
  check_naive(x.embedding(ids), 6 * 8);
  check_naive(x.embedding(ids + 1), 6 * 8);
  std::vector<float> found = to_vector<float>(x.embedding(ids));
  for (size_t i = 0; i < 48; ++i) {
    if (i / 8 != 2 && i / 8 != 5) CHECK(found[i] == 0);
  }
}

namespace {

// 512 of 60,000 images of bytes, as floats in [0, 1).
struct Digits {
  Tensor images = Tensor::empty({60000, 1, 28, 28}, u8);
  Tensor ids = Tensor::empty({512}, i64);
  Digits() {
    uint8_t* bytes = static_cast<uint8_t*>(images.uop()->get<BufferRef>()->data);
    int64_t* chosen = static_cast<int64_t*>(ids.uop()->get<BufferRef>()->data);
    for (int64_t i = 0; i < 512; ++i) {
      chosen[i] = (i * 7919) % 60000;
      for (int64_t j = 0; j < 784; j += 97) bytes[chosen[i] * 784 + j] = byte_at(chosen[i], j);
    }
  }
  static uint8_t byte_at(int64_t image, int64_t j) {
    return j % 97 == 0 ? uint8_t(image * 31 + j) : 0;
  }
};

}  // namespace

TEST_CASE("index_mnist") {
  Digits digits;
  check_made(index_rows(digits.images, digits.ids), 512 * 784,
             [](int64_t i) { return Digits::byte_at((i / 784 * 7919) % 60000, i % 784); });
}

TEST_CASE("index_mnist_opt") {
  Digits digits;
  Tensor sums = (index_rows(digits.images, digits.ids).cast(f32) / 256.0).sum({1, 2, 3});
  CHECK(schedule({sums.uop()}).kernels.size() == 1);
  check_made(sums, 512 * 784, [](int64_t i) {
    double sum = 0;
    for (int64_t j = 0; j < 784; ++j) sum += Digits::byte_at((i * 7919) % 60000, j) / 256.0;
    return sum;
  });
}

TEST_CASE("index_mnist_split") {
  Digits digits;
  Tensor first = index_rows(digits.images, digits.ids.narrow(0, 0, 200));
  Tensor second = index_rows(digits.images, digits.ids.narrow(0, 200, 312));
  // The parts are stored, then joined.
  check_made(cat({first, second}, 0), 2 * 512 * 784,
             [](int64_t i) { return Digits::byte_at((i / 784 * 7919) % 60000, i % 784); });
}

namespace {

// A table of 32,000 rows, of which those that are asked for hold their number and place.
struct Vocabulary {
  Tensor table = Tensor::empty({32000, 64});
  std::vector<int64_t> ids = {0, 31999, 17, 12345, 17, 2, 30000, 777};
  Vocabulary() {
    float* data = static_cast<float*>(table.uop()->get<BufferRef>()->data);
    for (int64_t id : ids) {
      for (int64_t j = 0; j < 64; ++j) data[id * 64 + j] = float(id + j);
    }
  }
};

}  // namespace

TEST_CASE("llama_embedding") {
  Vocabulary v;
  auto expected = [&](int64_t i) { return v.ids[size_t(i / 64)] + i % 64; };
  check_made(v.table.embedding(rows_of(v.ids)), 8 * 64, expected);
  check_made(v.table.embedding(rows_of(v.ids).cast(i32)), 8 * 64, expected);
}

TEST_CASE("llama_embedding_opt") {
  // Followed by a norm and a projection, it is read where it is used.
  Vocabulary v;
  Tensor weight = input({16, 64}, 1);
  Tensor hidden = v.table.embedding(rows_of(v.ids));
  Tensor out = hidden.rms_norm(Tensor::ones({64}), 1e-6).linear(weight);
  CHECK(iterations(out) <= 8 * 16 * 64 * 64);
  for (const Kernel& kernel : schedule({out.uop()}).kernels)
    CHECK(iterations(kernel.ast) < 32000 * 8);
  CHECK(to_vector<float>(out, device("CPU")).size() == 8 * 16);
}

TEST_CASE("llama_8b_embedding_backward") {
  // One pass over the table's gradient, each row asking which ids are its own; no one-hot matrix.
  Vocabulary v;
  Tensor ids = rows_of(v.ids);
  Tensor grad = gradient(v.table.embedding(ids), Tensor::ones({8, 64}), {v.table})[0];
  Schedule made = schedule({grad.uop()});
  CHECK(made.kernels.size() == 1);
  CHECK(made.arena_bytes == 0);
  CHECK(iterations(grad) <= 32000.0 * 64 * 8);
  // A table that the interpreter can wait for.
  Tensor table = input({40, 6}, 1);
  Tensor some = rows_of({39, 0, 5, 5, 0, 5});
  Tensor upstream = input({6, 6}, 2);
  check_naive(gradient(table.embedding(some), upstream, {table})[0], 40 * 6 * 6);
}

TEST_CASE("embedding_backward_padded") {
  // Ids beyond the table and padding of the result give nothing to any row.
  Tensor table = input({10, 4}, 1);
  Tensor ids = rows_of({3, -1, 9, 10, 3}).pad({{2, 1}}) -
               Tensor::from<int64_t>({1, 0, 0, 0, 0, 0, 0, 9}, {8});
  Tensor padded = table.embedding(ids).pad({{1, 2}, {0, 3}});
  Tensor upstream = input({11, 7}, 2);
  Tensor grad = gradient(padded, upstream, {table})[0];
  std::vector<double> up = evaluate(upstream.uop()).numbers();
  std::vector<int64_t> rows = {-1, 0, 3, -1, 9, 10, 3, -9};
  check_made(grad, 10 * 4 * 8 + 8, [&](int64_t i) {
    double sum = 0;
    for (size_t k = 0; k < rows.size(); ++k) {
      if (rows[k] == i / 4) sum += up[(k + 1) * 7 + size_t(i % 4)];
    }
    return sum;
  });
}

namespace {

// The gradient of a rotation is the rotation back, once rounded to the dtype of the input.
void check_rope(DType t, double epsilon) {
  constexpr int64_t d = 8;
  Tensor angle = column(Tensor::arange(5)).unsqueeze(-1).cast(f32) *
                 (Tensor::arange(d / 2).cast(f32) * -0.7).exp();  // 5 1 4
  Tensor x = realize(input({5, 2, d}, 1).cast(t));
  Tensor upstream = realize(input({5, 2, d}, 2).cast(t));
  for (std::string name : {"INTERP", "CPU"}) {
    CAPTURE(name);
    Device& on = device(name);
    Tensor turned = x.rope(angle.cos(), angle.sin());
    Tensor grad = gradient((turned * upstream).sum(), {x})[0];
    CHECK(grad.dtype() == t);
    std::vector<double> found = to_vector<double>(grad, on);
    std::vector<double> up = to_vector<double>(upstream, on);
    for (int64_t row = 0; row < 10; ++row) {
      for (int64_t j = 0; j < d / 2; ++j) {
        double a = double(row / 2) * std::exp(-0.7 * double(j));
        double first = up[size_t(row * d + j)];
        double second = up[size_t(row * d + j + d / 2)];
        double expected[] = {first * std::cos(a) + second * std::sin(a),
                             second * std::cos(a) - first * std::sin(a)};
        for (int64_t half : {0, 1}) {
          double v = found[size_t(row * d + j + half * d / 2)];
          CHECK(std::abs(v - expected[half]) <= epsilon * std::max(1.0, std::abs(expected[half])));
        }
      }
    }
  }
}

}  // namespace

TEST_CASE("rope_backward_f16") { check_rope(f16, std::ldexp(1.0, -11) + 1e-6); }
TEST_CASE("rope_backward_bf16") { check_rope(bf16, std::ldexp(1.0, -8) + 1e-6); }

}  // namespace niwaki::test
