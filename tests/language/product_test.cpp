// Products of vectors, matrices and what einsum() describes, against NumPy (fixtures/scan.py).
#include <doctest/doctest.h>

#include "core/error.h"
#include "language/fixture.h"
#include "ops/gradient.h"
#include "runtimes/realize.h"

using namespace niwaki;
using niwaki::test::Fixture;

namespace {

void all_einsum(const std::string& name, const std::vector<const char*>& formulas) {
  Fixture f("scan", name);
  for (const char* formula : formulas) {
    f([&](const std::vector<Tensor>& x) { return einsum(formula, x); });
  }
}

void all_matmul(const std::string& name) {
  Fixture("scan", name).rest([](const Tensor& x, const Tensor& y) { return x.matmul(y); });
}

Tensor zeros(Dims shape) { return Tensor::zeros(std::move(shape)); }

}  // namespace

// --- einsum ---

TEST_CASE("einsum") {
  all_einsum("einsum", {"->",
                        "ij->ji",
                        " i j -> j i ",
                        "ji",
                        "ij->",
                        "hwc->chw",
                        "ij,jk",
                        "ij->i",
                        "ij->j",
                        "ii->i",
                        "ii",
                        "ik,k->i",
                        "ik,kj->ij",
                        "i,i->",
                        "ij,ij->",
                        "ij,ij->ij",
                        "i,j->ij",
                        "bij,bjk->bik",
                        "pqrs,tuqvr->pstuv",
                        "ik,jkl,il->ij",
                        "zqrs,tuqvr->zstuv",
                        "ab,bc,cd,da->",
                        "iI,Ij->ji",
                        "Ba"});
}

TEST_CASE("einsum_ellipsis") {
  all_einsum("einsum_ellipsis", {"...id, ...jd -> ...ij", "i...j,ji...->...", "ij...,ij...->ij...",
                                 "a...,a...->", "...a,a", "b...a"});
  CHECK_THROWS_WITH(einsum("...i...j->ij", {zeros({2, 3, 4})}),
                    "einsum: \"...i...j->ij\": '.' is no letter and not of one \"...\"");
  CHECK_THROWS_WITH(einsum("i...,i...->...", {zeros({2, 3}), zeros({2, 4})}),
                    "einsum: \"i...,i...->...\": dim 1 of operand 1 (2, 4) is 4, elsewhere 3");
}

TEST_CASE("einsum_trace") {
  all_einsum("einsum_trace",
             {"i,i", "ii->", "ii->i", "...ii->...i", "...ii->...", "iji->j", "iii->i"});
}

TEST_CASE("einsum_shape_check") {
  CHECK_THROWS_WITH(
      einsum("pqrs,tuqvr->pstuv", {zeros({3, 8, 10, 5}), zeros({11, 5, 13, 16, 8})}),
      "einsum: \"pqrs,tuqvr->pstuv\": dim 2 of operand 1 (11, 5, 13, 16, 8) is 13, elsewhere 8");
}

TEST_CASE("einsum_arity_check1") {
  CHECK_THROWS_WITH(einsum("ij,jk->ik", {zeros({10, 15}), zeros({15, 20}), zeros({20, 10})}),
                    "einsum: \"ij,jk->ik\" has 2 terms for 3 operands");
}

TEST_CASE("einsum_arity_check2") {
  CHECK_THROWS_WITH(einsum("ij,jk->ik", {zeros({10, 10})}),
                    "einsum: \"ij,jk->ik\" has 2 terms for 1 operands");
}

TEST_CASE("what einsum refuses") {
  CHECK_THROWS_WITH(einsum("ijk->i", {zeros({2, 3})}),
                    "einsum: \"ijk->i\": the term \"ijk\" for the shape (2, 3)");
  CHECK_THROWS_WITH(einsum("ij...k->i", {zeros({2, 3})}),
                    "einsum: \"ij...k->i\": the term \"ij...k\" for the shape (2, 3)");
  CHECK_THROWS_WITH(einsum("i1->i", {zeros({2, 3})}),
                    "einsum: \"i1->i\": '1' is no letter and not of one \"...\"");
  CHECK_THROWS_WITH(einsum("ij->k", {zeros({2, 3})}),
                    "einsum: \"ij->k\": 'k' of the result is of no operand, or twice there");
  CHECK_THROWS_WITH(einsum("ij->ii", {zeros({2, 3})}),
                    "einsum: \"ij->ii\": 'i' of the result is of no operand, or twice there");
  CHECK_THROWS_WITH(einsum("ii->i", {zeros({2, 3})}),
                    "einsum: \"ii->i\": dim 1 of operand 0 (2, 3) is 3, elsewhere 2");
}

TEST_CASE("a chain is contracted from its small end") {
  // (1000 1000 1) first: from the left it would be 8e6 multiplications, from the right 2e4.
  Tensor m = Tensor::ones({200, 200});
  Tensor v = Tensor::ones({200});
  Tensor found = einsum("ij,jk,k->i", {m, m, v});
  int64_t greatest = 0;
  for (const UOp& u : toposort(found.uop()))
    greatest = std::max<int64_t>(greatest, u->shape.size());
  CHECK(greatest == 2);
  CHECK(to_vector<float>(found)[199] == 40000);
}

// --- matmul ---

TEST_CASE("dot_1d") {
  all_matmul("dot_1d");
  CHECK_THROWS_WITH(zeros({4}).dot(zeros({1, 2})), "matmul: inner dimensions differ: (4) @ (1, 2)");
  CHECK_THROWS_WITH(zeros({2, 1}).dot(zeros({4})), "matmul: inner dimensions differ: (2, 1) @ (4)");
  CHECK_THROWS_WITH(zeros({1}).dot(zeros({4})), "matmul: inner dimensions differ: (1) @ (4)");
}

TEST_CASE("dot") {
  all_matmul("dot");
  CHECK_THROWS_WITH(zeros({2, 4}).dot(zeros({1, 3})),
                    "matmul: inner dimensions differ: (2, 4) @ (1, 3)");
  CHECK_THROWS_WITH(zeros({2, 1}).dot(zeros({4, 3})),
                    "matmul: inner dimensions differ: (2, 1) @ (4, 3)");
  CHECK_THROWS_WITH(zeros({}).dot(zeros({4})), "matmul: a scalar has no dim to sum over: () @ (4)");
}

TEST_CASE("mulacc_with_zero_strides") {
  Fixture f("scan", "mulacc_with_zero_strides");
  f([] {
    Tensor one = Tensor(1.0f).cast(f32).reshape({1, 1, 1}).expand({2, 4, 3});
    return (one * one).sum({-1});
  });
  f([] {
    Tensor a = Tensor::from(std::vector<float>(8, 1), {2, 4, 1}).expand({2, 4, 3});
    Tensor b = Tensor::from(std::vector<float>(4, 1), {1, 4, 1}).expand({2, 4, 3});
    return (a * b).sum({0, 2});
  });
  f([] { return Tensor::ones({1, 2}).matmul(Tensor::ones({2, 3})); });
}

TEST_CASE("matmul_simple") { all_matmul("matmul_simple"); }
TEST_CASE("matmul") { all_matmul("matmul"); }
TEST_CASE("matmul_batched") { all_matmul("matmul_batched"); }
TEST_CASE("matmul_batched_vector") { all_matmul("matmul_batched_vector"); }
TEST_CASE("small_gemm") { all_matmul("small_gemm"); }
TEST_CASE("9_gemm") { all_matmul("9_gemm"); }
TEST_CASE("small_gemm_padded") {
  Fixture f("scan", "small_gemm_padded");
  f([](const Tensor& x, const Tensor& y) {
    Tensor product = x.pad({{0, 7}, {0, 7}}).matmul(y.pad({{0, 7}, {0, 7}}));
    return product.slice(0, 0, 9).slice(1, 0, 9);
  });
}
TEST_CASE("small_gemm_range") { all_matmul("small_gemm_range"); }
TEST_CASE("small_gemm_eye") { all_matmul("small_gemm_eye"); }
TEST_CASE("gemm_fp16") { all_matmul("gemm_fp16"); }
TEST_CASE("gemm") { all_matmul("gemm"); }
TEST_CASE("big_gemm") { all_matmul("big_gemm"); }
TEST_CASE("gemm_with_zeros_shape") { all_matmul("gemm_with_zeros_shape"); }
TEST_CASE("broadcastdot") { all_matmul("broadcastdot"); }
TEST_CASE("multidot") {
  Fixture f("scan", "multidot");
  f.rest([](const Tensor& x, const Tensor& y) { return x.matmul(y).matmul(x).matmul(y); });
}
TEST_CASE("matvecmat") {
  Fixture f("scan", "matvecmat");
  f([](const Tensor& x, const Tensor& y, const Tensor& z) { return x.dot(y).relu().dot(z); });
}
TEST_CASE("matvec") {
  Fixture f("scan", "matvec");
  f([](const Tensor& x, const Tensor& y) { return x.dot(y).relu(); });
}
TEST_CASE("stack_max") {
  Fixture f("scan", "stack_max");
  f([](const Tensor& x, const Tensor& y) {
    return cat({x.unsqueeze(0), y.unsqueeze(0)}, 0).max();
  });
}
