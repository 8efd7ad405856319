// The functions of one variable in f64: values against the C library's, slopes against the formulas
// of calculus, at points on both sides of every seam of their definitions, and where a branch that
// is not taken would overflow. (What they are worth in f32: tests/runtimes/accuracy_test.cpp.)
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "ops/gradient.h"
#include "tests/support/naive.h"

using namespace niwaki;

namespace {

using Numbers = std::vector<double>;

Tensor row(const Numbers& list) { return Tensor::from(list, {int64_t(list.size())}); }

Numbers values(const Tensor& t) { return evaluate(t.uop()).numbers(); }

struct Function {
  const char* name;
  Tensor (*tensor)(const Tensor& x);
  double (*plain)(double v);
  double (*slope)(double v);
  double from;
  double to;
};

double square(double v) { return v * v; }

const double two_over_root_pi = 2 / std::sqrt(M_PI);

double sigmoid(double v) {
  return v < 0 ? std::exp(v) / (1 + std::exp(v)) : 1 / (1 + std::exp(-v));
}

constexpr double inf = INFINITY;

const Function functions[] = {
    {"exp", [](const Tensor& x) { return x.exp(); }, std::exp, std::exp, -inf, inf},
    {"exp2", [](const Tensor& x) { return x.exp2(); }, std::exp2,
     [](double v) { return std::exp2(v) * M_LN2; }, -inf, inf},
    {"expm1", [](const Tensor& x) { return x.expm1(); }, std::expm1, std::exp, -inf, inf},
    {"log", [](const Tensor& x) { return x.log(); }, std::log, [](double v) { return 1 / v; }, 0,
     inf},
    {"log2", [](const Tensor& x) { return x.log2(); }, std::log2,
     [](double v) { return 1 / (v * M_LN2); }, 0, inf},
    {"log10", [](const Tensor& x) { return x.log10(); }, std::log10,
     [](double v) { return 1 / (v * M_LN10); }, 0, inf},
    {"log1p", [](const Tensor& x) { return x.log1p(); }, std::log1p,
     [](double v) { return 1 / (1 + v); }, -1, inf},
    {"sin", [](const Tensor& x) { return x.sin(); }, std::sin, std::cos, -inf, inf},
    {"cos", [](const Tensor& x) { return x.cos(); }, std::cos,
     [](double v) { return -std::sin(v); }, -inf, inf},
    {"tan", [](const Tensor& x) { return x.tan(); }, std::tan,
     [](double v) { return 1 / square(std::cos(v)); }, -inf, inf},
    {"asin", [](const Tensor& x) { return x.asin(); }, std::asin,
     [](double v) { return 1 / std::sqrt(1 - v * v); }, -1, 1},
    {"acos", [](const Tensor& x) { return x.acos(); }, std::acos,
     [](double v) { return -1 / std::sqrt(1 - v * v); }, -1, 1},
    {"atan", [](const Tensor& x) { return x.atan(); }, std::atan,
     [](double v) { return 1 / (1 + v * v); }, -inf, inf},
    {"sinh", [](const Tensor& x) { return x.sinh(); }, std::sinh, std::cosh, -inf, inf},
    {"cosh", [](const Tensor& x) { return x.cosh(); }, std::cosh, std::sinh, -inf, inf},
    {"tanh", [](const Tensor& x) { return x.tanh(); }, std::tanh,
     [](double v) { return 1 / square(std::cosh(v)); }, -inf, inf},
    {"asinh", [](const Tensor& x) { return x.asinh(); }, std::asinh,
     [](double v) { return 1 / std::hypot(v, 1); }, -inf, inf},
    {"acosh", [](const Tensor& x) { return x.acosh(); }, std::acosh,
     [](double v) { return 1 / (std::sqrt(v - 1) * std::sqrt(v + 1)); }, 1, inf},
    {"atanh", [](const Tensor& x) { return x.atanh(); }, std::atanh,
     [](double v) { return 1 / ((1 - v) * (1 + v)); }, -1, 1},
    {"erf", [](const Tensor& x) { return x.erf(); }, std::erf,
     [](double v) { return two_over_root_pi * std::exp(-v * v); }, -inf, inf},
    {"sigmoid", [](const Tensor& x) { return x.sigmoid(); }, sigmoid,
     [](double v) { return sigmoid(v) * sigmoid(-v); }, -inf, inf},
};

// Points of a domain: 0, both sides of 0.5, 0.65, 1 and 64, far out, and others between.
Numbers points(const Function& f) {
  Numbers found;
  for (double v :
       {0.0, 1e-300, 1e-20, 1e-9, 0.01, 0.3,  0.499, 0.501, 0.649, 0.651, 0.7, 0.9, 0.999, 1.001,
        1.5, 2.0,    3.3,   5.9,  6.1,  20.0, 63.0,  65.0,  90.0,  400.0, 1e5, 1e9, 1e30}) {
    for (double x : {v, -v}) {
      if (x > f.from && x < f.to) found.push_back(x);
    }
  }
  return found;
}

}  // namespace

TEST_CASE("functions of f64: values") {
  for (const Function& f : functions) {
    CAPTURE(std::string(f.name));
    Numbers at = points(f);
    for (double v : Numbers{inf, -inf, NAN, 1, -1, 1e308, 0x1.8p1023, 2, -2}) at.push_back(v);
    Numbers found = values(f.tensor(row(at)));
    for (size_t i = 0; i < at.size(); ++i) {
      double expected = f.plain(at[i]);
      bool same = found[i] == expected || (std::isnan(found[i]) && std::isnan(expected));
      double scale = std::max(std::abs(expected), 1e-300);
      CAPTURE(at[i]);
      CAPTURE(found[i]);
      CAPTURE(expected);
      CHECK((same || std::abs(found[i] - expected) <= 1.5e-15 * scale));
    }
  }
}

TEST_CASE("functions of f64 and f32: slopes, far out as well") {
  for (const Function& f : functions) {
    CAPTURE(std::string(f.name));
    for (DType t : {f64, f32}) {
      CAPTURE(std::string(niwaki::name(t)));
      Numbers at;
      for (double v : points(f)) {
        // Where the slope is beyond f32 there is nothing to compare.
        bool fits = std::abs(f.slope(v)) < 1e37 && float(v) > f.from && float(v) < f.to;
        if (t == f64 || fits) at.push_back(t == f64 ? v : float(v));
      }
      Tensor x = row(at).cast(t).contiguous();
      Tensor loss = f.tensor(x).sum();
      Numbers found = values(gradient(loss, {x})[0]);
      for (size_t i = 0; i < at.size(); ++i) {
        double expected = f.slope(at[i]);
        bool same = found[i] == expected;
        double tolerance = t == f64 ? 1e-12 : 3e-6;
        CAPTURE(at[i]);
        CAPTURE(found[i]);
        CAPTURE(expected);
        CHECK((same || std::abs(found[i] - expected) <= tolerance * std::abs(expected) + 1e-15));
      }
    }
  }
}
