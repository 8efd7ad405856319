// LLVM, behind four functions: text goes in, a function pointer comes out. The only place that sees
// LLVM's headers is jit.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace niwaki {

class Jit {
 public:
  Jit();
  ~Jit();
  Jit(const Jit&) = delete;

  /// What code is made for: LLVM's version, the processor and its features. Part of a cache key.
  const std::string& machine() const { return machine_; }
  /// Whether the processor has a feature by LLVM's name, "avx2" say.
  bool has_feature(const std::string& feature) const;

  /// An object file for the IR; InternalError with LLVM's words where it does not parse.
  std::vector<char> compile(const std::string& ir) const;
  /// The IR's assembly, to look at.
  std::string assembly(const std::string& ir) const;
  /// Links an object file and finds its function; Error where it cannot be linked.
  void* load(const std::vector<char>& object, const std::string& function);

 private:
  struct State;
  std::unique_ptr<State> state_;
  std::string machine_;
};

}  // namespace niwaki
