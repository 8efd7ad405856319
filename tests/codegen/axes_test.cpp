// The moves that are chosen for kernels of known sizes, on the machine of the goldens (eight lanes,
// sixteen registers): one line a decision that speed rests on.
#include <doctest/doctest.h>

#include "cases/cases.h"
#include "codegen/lower.h"
#include "codegen/render.h"
#include "schedule/schedule.h"

namespace niwaki::test {
namespace {

UOp only_kernel(const Tensor& t) {
  Schedule made = schedule({t.uop()});
  REQUIRE(made.kernels.size() == 1);
  return made.kernels[0].ast;
}

std::string moves_of(const Tensor& t) {
  std::string text;
  for (const Move& move : choose_axes(only_kernel(t), target_of("llvm"))) {
    text += (text.empty() ? "" : "; ") + to_string(move);
  }
  return text;
}

std::string llvm_of(const Tensor& t) {
  Target target = target_of("llvm");
  return render(lower(only_kernel(t), target), target, "kernel");
}

bool streams(const Tensor& t) { return llvm_of(t).find("!nontemporal") != std::string::npos; }

}  // namespace

TEST_CASE("a product's tile shares both operands") {
  Tensor a = Tensor::empty({1000, 1000});
  CHECK(moves_of(a.matmul(Tensor::empty({1000, 1000}))) ==
        "vector r1 by 8; unroll r0 by 4; unroll r1 by 3; pack r0; parallel r1");
  // Columns that do not stand in a row are packed so that they do.
  CHECK(moves_of(a.matmul(Tensor::empty({1000, 1000}).transpose())) ==
        "vector r1 by 8; unroll r0 by 4; unroll r1 by 3; pack r0; parallel r1");
  // A copy of a few columns is no gain to a few rows.
  CHECK(moves_of(Tensor::empty({8, 1000}).matmul(Tensor::empty({1000, 1000}))) ==
        "vector r1 by 8; unroll r0 by 4; unroll r1 by 3; parallel r1");
  // Nothing is shared by the rows of a sum.
  CHECK(moves_of(a.sum({1})) == "vector k1 by 8; parallel r0");
}

// Low nibbles, then high ones: eight lanes make a loop of two vectors of them.
TEST_CASE("axes: a short loop inside of a split is copied, as far as there are registers") {
  auto moves_for = [](int64_t rows) {
    Tensor bytes = Tensor::empty({rows, 16, 1, 8}, u8);
    Tensor nibbles = (bytes >> (Tensor::arange(2) * 4).reshape({2, 1})) & 15;
    Tensor weights = nibbles.reshape({rows, 256}).cast(f32);
    return moves_of(Tensor::empty({1, 256}).linear(weights));
  };
  CHECK(moves_for(54) ==
        "vector k1 by 8; split k1 by 2; unroll k40 by 2; unroll r0 by 6; parallel r0");
  CHECK(moves_for(64) == "vector k1 by 8; split k1 by 2; unroll r0 by 8; parallel r0");
}

TEST_CASE("what is larger than caches is written past them, in whole aligned vectors") {
  CHECK(moves_of(Tensor::empty({2048, 2048}) + 1.0) == "vector r1 by 8; parallel r0; stream");
  CHECK(streams(Tensor::empty({2048, 2048}) + 1.0));
  CHECK(!streams(Tensor::empty({512, 2048}) + 1.0));
  CHECK(!streams(Tensor::empty({2048, 2049}) + 1.0));
  // A row of a large buffer is not large.
  Tensor cache = Tensor::empty({2048, 2048});
  CHECK(!streams(cache.narrow(0, 5, 1).assign(Tensor::empty({1, 2048}) + 1.0)));
}

TEST_CASE("rows of large memory that are read again are asked for a row ahead") {
  auto prefetches = [](const Tensor& t) {
    std::vector<UOp> loads;
    int64_t n = 0;
    for (const UOp& u : lower(only_kernel(t), target_of("llvm")).code) {
      if (u->op == Op::Range) loads.clear();
      if (u->op == Op::Load) loads.push_back(u);
      if (u->op != Op::Prefetch) continue;
      ++n;
      // Of the memory that was just read, in the innermost loop that it is in.
      REQUIRE(!loads.empty());
      CHECK(u[0] == loads.back()[0]);
      CHECK(u[1] == make(Op::Add, {loads.back()[1], index(2048)}));
    }
    return n;
  };
  Tensor rows = Tensor::empty({2048, 2048});
  CHECK(prefetches(rows.layer_norm()) == 1);
  CHECK(prefetches(rows.softmax()) >= 1);
  // What is read once, comes from a cache, or is no row.
  CHECK(prefetches(rows + 1.0) == 0);
  CHECK(prefetches(rows.sum({1})) == 0);
  CHECK(prefetches(Tensor::empty({256, 2048}).layer_norm()) == 0);
  CHECK(prefetches(rows.transpose().softmax()) == 0);
}

TEST_CASE("what is packed is computed once, padding too, and read in one loop") {
  Tensor image = Tensor::empty({1, 64, 56, 56});
  Tensor out = image.conv2d(Tensor::empty({64, 64, 3, 3}), {.padding = {1}});
  CHECK(moves_of(out) == "vector r2 by 8; unroll r0 by 4; unroll r1 by 3; pack r0; parallel r1");
  LinearCode linear = lower(only_kernel(out), target_of("llvm"));
  int64_t gated = 0;
  int64_t longest = 0;
  for (const UOp& u : linear.code) {
    gated += u->op == Op::Load && u->src.size() > 2;
    if (u->op == Op::Range) longest = std::max(longest, u[0]->hi);
  }
  CHECK(gated == 3);
  CHECK(longest == 64 * 3 * 3);
}

TEST_CASE("a scale multiplies the sum of its group, and no weight") {
  Tensor out = Tensor::empty({1, 256}).linear(one_bit_weights(32, 256, 2));
  std::vector<UOp> innermost;
  for (const UOp& u : lower(only_kernel(out), target_of("llvm")).code) {
    if (u->op == Op::End) break;
    if (u->op == Op::Range) innermost.clear();
    innermost.push_back(u);
  }
  int64_t bytes = 0;
  int64_t floats = 0;
  int64_t products = 0;
  for (const UOp& u : innermost) {
    bytes += u->op == Op::Load && u->dtype == u8;
    floats += u->op == Op::Load && u->dtype.scalar() == f32;
    products += (u->op == Op::Mul || u->op == Op::MulAdd) && is_float(u->dtype);
  }
  // Eight rows, a byte of bits each; the activations they share, and their negatives.
  CHECK(bytes == 8);
  CHECK(floats == 1);
  CHECK(products == 1);
}

}  // namespace niwaki::test
