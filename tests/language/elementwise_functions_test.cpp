// The functions of one variable, near zero, far from it and beyond their domains.
#include <doctest/doctest.h>

#include <cmath>

#include "language/fixture.h"
#include "ops/gradient.h"
#include "runtimes/realize.h"

using namespace niwaki;
using namespace niwaki::test;

namespace {

using T = const Tensor&;

void all(const char* name, Tensor (Tensor::*op)(Here) const) {
  Fixture("elementwise_functions", name).rest([&](T x) { return (x.*op)({}); });
}

}  // namespace

TEST_CASE("sin") { all("sin", &Tensor::sin); }
TEST_CASE("cos") { all("cos", &Tensor::cos); }
TEST_CASE("tan") { all("tan", &Tensor::tan); }
TEST_CASE("asin") { all("asin", &Tensor::asin); }
TEST_CASE("acos") { all("acos", &Tensor::acos); }
TEST_CASE("atan") { all("atan", &Tensor::atan); }
TEST_CASE("log") { all("log", &Tensor::log); }
TEST_CASE("log10") { all("log10", &Tensor::log10); }
TEST_CASE("log2") { all("log2", &Tensor::log2); }
TEST_CASE("exp") { all("exp", &Tensor::exp); }
TEST_CASE("exp2") { all("exp2", &Tensor::exp2); }
TEST_CASE("sigmoid") { all("sigmoid", &Tensor::sigmoid); }
TEST_CASE("sigmoid_extreme") { all("sigmoid_extreme", &Tensor::sigmoid); }

// The other way to write it, and its slope: no NaN where exp(-x) is infinite.
TEST_CASE("sigmoid_alt_extreme") {
  Fixture f("elementwise_functions", "sigmoid_alt_extreme");
  f([](T x) { return x.exp() / (1 + x.exp()); });
  Tensor x = Tensor::from<float>({-400, -100, 0, 100, 400}, {5});
  std::vector<float> slopes = to_vector<float>(gradient(x.sigmoid().sum(), {x})[0]);
  CHECK(slopes[0] == 0);
  CHECK(slopes[2] == 0.25f);
  CHECK(slopes[4] == 0);
}

TEST_CASE("erf") { all("erf", &Tensor::erf); }
TEST_CASE("sinh") { all("sinh", &Tensor::sinh); }
TEST_CASE("cosh") { all("cosh", &Tensor::cosh); }
TEST_CASE("tanh") { all("tanh", &Tensor::tanh); }
TEST_CASE("tanh_extreme") { all("tanh_extreme", &Tensor::tanh); }
TEST_CASE("asinh") { all("asinh", &Tensor::asinh); }
TEST_CASE("acosh") { all("acosh", &Tensor::acosh); }
TEST_CASE("atanh") { all("atanh", &Tensor::atanh); }
