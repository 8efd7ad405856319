// An error names the line of the program that asked for the impossible: where a tensor function was
// called, the innermost line outside of the library, and for what is found later the line that made
// the node.
#include <doctest/doctest.h>

#include <functional>

#include "core/error.h"
#include "ops/gradient.h"
#include "ops/random.h"
#include "runtimes/realize.h"

namespace niwaki::test {
namespace {

std::string what_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "nothing thrown";
}

std::string at(uint32_t line) { return fmt::format(" (at {}:{})", __FILE__, line); }

// A part of a user's model.
constexpr uint32_t layer_line = __LINE__ + 1;
Tensor layer(const Tensor& x, const Tensor& w) { return x.matmul(w).relu(); }

}  // namespace

TEST_CASE("an error names the line of the call") {
  Tensor x = Tensor::empty({2, 3});
  Tensor y = Tensor::empty({4, 5});
  Random random(1);
  // clang-format off
  const std::pair<uint32_t, std::function<void()>> rows[] = {
      {__LINE__, [&] { x + y; }},
      {__LINE__, [&] { x < y; }},
      {__LINE__, [&] { x.reshape({7}); }},
      {__LINE__, [&] { x.matmul(y); }},
      {__LINE__, [&] { x.softmax(2); }},
      {__LINE__, [&] { x.relu6().squeeze(3); }},
      {__LINE__, [&] { x.slice({{}, 5}); }},
      {__LINE__, [&] { cat({x, y}, 0); }},
      {__LINE__, [&] { einsum("ij,jk->ik", {x, y}); }},
      {__LINE__, [&] { x.cross_entropy(y); }},
      {__LINE__, [&] { x.conv2d(y); }},
      {__LINE__, [&] { gradient(x, {y}); }},
      {__LINE__, [&] { random.uniform({-1}); }},
  };
  // clang-format on
  for (const auto& [line, row] : rows) {
    std::string what = what_of(row);
    INFO(what);
    CHECK(what.ends_with(at(line)));
  }
  CHECK(what_of([&] { x.matmul(y); }).starts_with("matmul: inner dimensions differ: (2, 3) @ (4"));
}

TEST_CASE("a line inside of a user's function is named, not the one that called it") {
  Tensor x = Tensor::empty({2, 3});
  Tensor y = Tensor::empty({4, 5});
  std::string what = what_of([&] { x.exp() + layer(x.abs(), y); });
  INFO(what);
  CHECK(what.ends_with(at(layer_line)));
}

TEST_CASE("what is found when a graph is scheduled names the line that made it") {
  Tensor a = Tensor::empty({4});
  Tensor b = Tensor::empty({4});
  uint32_t line = __LINE__ + 1;
  Tensor first = a.assign(b);
  Tensor second = b.assign(a);
  std::string what = what_of([&] { realize({first, second}); });
  INFO(what);
  CHECK((what.ends_with(at(line)) || what.ends_with(at(line + 1))));
}

}  // namespace niwaki::test
