// Functions of f32 are written out for a target of vectors: its code has vectors, and calls nothing
// but what is an instruction. Those of f64 are the library's.
#include "codegen/transcendental.h"

#include <doctest/doctest.h>

#include <set>

#include "cases/cases.h"
#include "codegen/lower.h"
#include "codegen/render.h"
#include "schedule/schedule.h"

namespace niwaki::test {
namespace {

std::string llvm_of(const Tensor& t) {
  Target target = target_of("llvm");
  std::string text;
  for (const Kernel& kernel : schedule({t.uop()}).kernels) {
    text += render(lower(kernel.ast, target), target, "kernel");
  }
  return text;
}

// The functions that the code declares, without the suffix of their types.
std::set<std::string> called(const std::string& text) {
  std::set<std::string> names;
  for (size_t at = text.find("@llvm."); at != std::string::npos; at = text.find("@llvm.", at + 1)) {
    size_t from = at + 6;
    names.insert(text.substr(from, text.find('.', from) - from));
  }
  return names;
}

}  // namespace

TEST_CASE("functions of f32 run in vectors and call no library") {
  const std::pair<const char*, Tensor (*)(const Tensor& x)> functions[] = {
      {"exp", [](const Tensor& x) { return x.exp(); }},
      {"exp2", [](const Tensor& x) { return x.exp2(); }},
      {"log", [](const Tensor& x) { return x.log(); }},
      {"sin", [](const Tensor& x) { return x.sin(); }},
      {"cos", [](const Tensor& x) { return x.cos(); }},
      {"tan", [](const Tensor& x) { return x.tan(); }},
      {"asin", [](const Tensor& x) { return x.asin(); }},
      {"acosh", [](const Tensor& x) { return x.acosh(); }},
      {"atan", [](const Tensor& x) { return x.atan(); }},
      {"tanh", [](const Tensor& x) { return x.tanh(); }},
      {"erf", [](const Tensor& x) { return x.erf(); }},
      {"sigmoid", [](const Tensor& x) { return x.sigmoid(); }},
  };
  const std::set<std::string> instructions = {"fma", "sqrt"};
  for (const auto& [name, f] : functions) {
    CAPTURE(std::string(name));
    std::string text = llvm_of(f(input({64, 32}, 1)));
    CAPTURE(text);
    CHECK(text.find("store <8 x float>") != std::string::npos);
    for (const std::string& callee : called(text)) CHECK(instructions.count(callee) == 1);
    // One lane never stands alone.
    CHECK(text.find("extractelement") == std::string::npos);
  }
}

TEST_CASE("functions of f64 are the library's, and those of halves computed in f32") {
  Tensor x = input({64, 32}, 1);
  CHECK(called(llvm_of(x.cast(f64).exp())) == std::set<std::string>{"exp"});
  CHECK(called(llvm_of(x.cast(f64).log2())) == std::set<std::string>{"log2"});
  CHECK(called(llvm_of(x.cast(f64).sin())) == std::set<std::string>{"sin"});
  CHECK(called(llvm_of(x.cast(f16).sin())) == std::set<std::string>{"fma"});
}

}  // namespace niwaki::test
