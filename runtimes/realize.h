// From tensors to values: schedule, lower, compile, launch.
//
// realize() does it once. A Replay does the first three once and launches as often as asked, with
// other values for the variables and whatever the input buffers hold by then: the decode step of a
// language model builds no graph and compiles nothing.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ops/tensor.h"
#include "runtimes/device.h"
#include "schedule/schedule.h"

namespace niwaki {

/// Values for the variables of a graph, by name.
using Bindings = std::vector<std::pair<std::string, int64_t>>;

/// A captured computation: its graph, with the numbers that C++ knew when it was built as
/// constants. Its outputs are its own buffers, which a launch overwrites, but for one that is a
/// buffer or an assign, and is not written over afterwards: that is the buffer itself.
class Replay {
 public:
  /// Schedules and compiles; nothing runs. `progress` is called with kernels done and in all.
  Replay(const std::vector<Tensor>& outputs, Device& device,
         const std::function<void(int64_t, int64_t)>& progress = {});

  /// Launches all kernels on the memory that the inputs have now. Error naming a variable that is
  /// missing, unknown, given twice or out of its bounds, an input without memory, one that is
  /// written and shares memory with another, or a shrink that leaves its source where the variables
  /// have these values.
  void run(const Bindings& bindings = {});

  /// The buffer of output `i`, with the greatest size of symbolic dims.
  const Buffer& output(size_t i) const { return *schedule_.outputs[i]; }
  /// Output `i` in its shape, symbolic dims included: what the last launch left in its buffer.
  Tensor tensor(size_t i) const;

  int64_t n_kernels() const { return int64_t(launches_.size()); }
  /// The distinct programs behind them: what was compiled.
  std::set<const Program*> programs() const;
  int64_t arena_bytes() const { return schedule_.arena_bytes; }
  const Schedule& schedule() const { return schedule_; }

 private:
  friend class Captured;
  friend std::vector<Tensor> realize(const std::vector<Tensor>& tensors, const Bindings& bindings,
                                     Device& device);
  // Elements that a shrink leaves behind its end, which could be less than none.
  struct Rest {
    UOp elements;
    UOp shrink;
    size_t axis;
  };
  void note_rests(const UOp& shrink);
  std::string name_of(const Buffer& buffer) const;
  void check_memory(const Buffer& buffer) const;
  void find_memory();
  void check_overlaps() const;
  std::vector<int64_t> values_of(const Bindings& bindings) const;
  void check_rests(const std::vector<int64_t>& values) const;
  size_t number_of(const UOp& variable);
  // Gives outputs new memory where somebody else holds what they have.
  void renew_outputs();
  // Output `i` in the shape that it has where the variables have these values, over a buffer that
  // holds it.
  Tensor tensor_of(size_t i, const Bindings& bindings, const BufferRef& buffer) const;

  Device* device_;
  Schedule schedule_;
  std::vector<Shape> shapes_;
  std::vector<Rest> rests_;
  std::shared_ptr<void> arena_;
  std::vector<UOp> symbols_;
  // Buffers that errors call by number.
  std::vector<BufferRef> arguments_;
  // The outputs' own buffers, all that are written, and all that are used, but for temporaries.
  std::set<BufferRef> own_;
  std::set<BufferRef> written_;
  std::set<BufferRef> used_;
  bool apart_ = false;
  std::vector<std::shared_ptr<Program>> programs_;
  // What a launch takes is kept for all of them in a row: the buffers, the memory that they have,
  // the places of variables among the symbols, their values. `launches_` points into it.
  std::vector<const Buffer*> buffers_;
  std::unique_ptr<void*[]> memory_;
  std::vector<size_t> places_;
  std::unique_ptr<int64_t[]> values_;
  std::vector<Launch> launches_;
};

/// The tensors computed, each over a buffer that holds its values; symbolic dims have the size that
/// they have where the variables have these values.
std::vector<Tensor> realize(const std::vector<Tensor>& tensors, const Bindings& bindings = {},
                            Device& device = default_device());
Tensor realize(const Tensor& tensor, const Bindings& bindings = {},
               Device& device = default_device());

/// The values of a tensor without symbolic dims, row-major, cast to T.
template <class T>
std::vector<T> to_vector(const Tensor& tensor, Device& device = default_device());

/// The value of a tensor of one element.
template <class T>
T item(const Tensor& tensor, Device& device = default_device());

}  // namespace niwaki
