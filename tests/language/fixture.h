// An op against NumPy. tests/language/fixtures/FAMILY.py says what each call of an op is given and
// what should come of it; here the op is called in the same order, on INTERP and on the CPU, its
// values and its gradients compared. A test that leaves a call of its name unmade fails.
#pragma once

#include <concepts>
#include <functional>
#include <string>
#include <vector>

#include "ops/tensor.h"

namespace niwaki::test {

class Fixture {
 public:
  /// The calls of `name` ("suite/name" in a suite) in tests/golden/language/FAMILY.json.
  Fixture(const std::string& family, const std::string& name);
  ~Fixture();
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;

  /// Makes the next call: `op` takes the inputs as tensors and gives a Tensor or several.
  template <class F>
  void operator()(F op) {
    run([&](const std::vector<Tensor>& x) { return listed(apply(op, x)); });
  }

  /// Makes all calls that are left.
  template <class F>
  void rest(F op) {
    while (left() > 0) (*this)(op);
  }

  int64_t left() const;

 private:
  using Op = std::function<std::vector<Tensor>(const std::vector<Tensor>&)>;

  template <class F>
  static auto apply(F& op, const std::vector<Tensor>& x) {
    using T = const Tensor&;
    if constexpr (std::invocable<F, const std::vector<Tensor>&>) return op(x);
    else if constexpr (std::invocable<F>) return op();
    else if constexpr (std::invocable<F, T>) return op(x.at(0));
    else if constexpr (std::invocable<F, T, T>) return op(x.at(0), x.at(1));
    else if constexpr (std::invocable<F, T, T, T>) return op(x.at(0), x.at(1), x.at(2));
    else return op(x.at(0), x.at(1), x.at(2), x.at(3));
  }
  static std::vector<Tensor> listed(const Tensor& t) { return {t}; }
  static std::vector<Tensor> listed(const std::pair<Tensor, Tensor>& t) {
    return {t.first, t.second};
  }
  static std::vector<Tensor> listed(std::vector<Tensor> t) { return t; }

  void run(const Op& op);

  std::string family_;
  std::string name_;
  size_t next_ = 0;
};

}  // namespace niwaki::test
