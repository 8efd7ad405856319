// A function of tensors, recorded once and launched with other arguments.
//
//   Captured step = capture([&](const std::vector<Tensor>& x) { return std::vector{x[0] * w}; });
//   Tensor y = step({a})[0];
//
// The first call hands the function stand-ins for its arguments, buffers without memory, and makes
// a Replay of what it gives. Every call then points the stand-ins at the memory of its arguments,
// so nothing is copied, and launches. The function itself is not called again: what it reads off
// C++ is what it read then. So that this fails instead of giving old values,
//
//  - what the arguments are is compared with what they were, and memory that is written may be no
//    other argument's and nothing else that is used;
//  - values cannot be asked for inside of the function: they would be constants;
//  - the function is called twice when it is recorded, and must give the same graph, which it does
//    not where it draws random numbers or counts its calls; with NIWAKI_VERIFY=1 it must at every
//    call, which finds what a change of a number or a branch has left behind;
//  - a buffer that the function makes and writes would be one for all calls, and is refused.
//
// Rejected: recording the arguments' own buffers, because the function may know one of them from
// elsewhere too, and would then read the argument there; and recording anew when a shape changes,
// which hides that something is compiled.
#pragma once

#include <optional>

#include "runtimes/realize.h"

namespace niwaki {

using TensorFunction = std::function<std::vector<Tensor>(const std::vector<Tensor>& arguments)>;

/// What capture() gives: a function that is launched.
class Captured {
 public:
  Captured(TensorFunction function, Device& device);

  /// The outputs for these arguments, where the function's variables have these values.
  std::vector<Tensor> operator()(const std::vector<Tensor>& arguments,
                                 const Bindings& bindings = {});

  /// What is launched; Error before the first call.
  const Replay& replay() const;

 private:
  void record(const std::vector<Tensor>& given);
  std::vector<Tensor> call() const;
  void check_signature(const std::vector<Tensor>& arguments) const;
  void check_written(const std::vector<Tensor>& arguments) const;
  std::vector<Tensor> results(const std::vector<Tensor>& given, const Bindings& bindings) const;

  TensorFunction function_;
  Device* device_;
  bool verifies_;
  // Buffers in the arguments' places, and what the function gave for them.
  std::vector<BufferRef> stand_ins_;
  std::vector<Tensor> recorded_;
  std::optional<Replay> replay_;
};

/// The function, to be called with a list of tensors and values for its variables. The first call
/// records it and decides on shapes and dtypes; Error naming the argument that has others, or is
/// written where it must not be. Outputs are fresh, but for what the function assigns to, which is
/// that buffer. An argument that is no buffer is realized first. Inside of a function that is being
/// recorded the function is simply called.
Captured capture(TensorFunction function, Device& device = default_device());

}  // namespace niwaki
