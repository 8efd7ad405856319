// The schedule: a tensor graph becomes a list of kernels.
//
// A kernel is a graph over ranges instead of shapes: Sink(Store(param, index, value, ranges...)),
// with a Store more for each further value that is computed in the same loops.
// Its buffers are parameters, so equal work on other buffers is the same interned node, and the 36
// equal blocks of a model are compiled once.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/node_map.h"
#include "core/uop.h"

namespace niwaki {

/// One launch: what to compute and on what.
struct Kernel {
  UOp ast;
  std::vector<BufferRef> args;
  /// Why its values are stored: "output", "assign", or what recomputing would have cost.
  std::string reason;
  /// The same for each value that is kept inside of it.
  std::vector<std::string> stages;
};

/// A buffer that lives between two kernels of one schedule, at an offset of the shared arena.
struct Temporary {
  BufferRef buffer;
  int64_t offset;
};

struct Schedule {
  std::vector<Kernel> kernels;
  /// In the order of the tensors that were asked for.
  std::vector<BufferRef> outputs;
  std::vector<Temporary> temporaries;
  int64_t arena_bytes = 0;
};

/// A value that is kept inside of a kernel: blocks of it, the least that the loops around ask for.
struct Staged {
  UOp node;
  /// The size of a block in each dim: 1 where the loops around say the index, the dim where they
  /// say nothing.
  std::vector<UOp> blocks;
  std::string reason;
};

/// Values that are stored in one pass over the same loops, and what decided so of each, with those
/// kept inside of their kernel.
struct Stored {
  std::vector<UOp> nodes;
  std::vector<std::string> reasons;
  std::vector<Staged> stages = {};
};

/// Called for each kernel in order, with the nodes of the tensor graph whose values it stores.
using KernelTrace = std::function<void(const Kernel& kernel, const Stored& stored)>;

/// The kernels that compute `outputs`, in an order that respects every read and write. Symbolic
/// dims of an output have their greatest size in its buffer.
Schedule schedule(const std::vector<UOp>& outputs, const KernelTrace& trace = {});

// --- the passes, in order ---

/// The arg of a Contiguous that stores the parts of a sum.
inline constexpr int64_t parts_of_sum = 1;

/// Long sums of few outputs in parts, which threads can share (parts.cpp).
UOp share_sums(const UOp& sink);

/// Which values are stored, users before sources (place.cpp).
std::vector<Stored> place(const std::vector<UOp>& outputs);

/// Whether one kernel may store these values of a graph although buffers are overwritten
/// (states.cpp).
bool may_store_together(const std::vector<UOp>& nodes, const std::vector<UOp>& order,
                        const std::vector<UOp>& outputs);

/// The index at which a movement op reads its source, given that at which it is read itself;
/// `valid` gets the condition under which a Pad reads at all, and stays null elsewhere
/// (ranges.cpp).
std::vector<UOp> source_index(const UOp& movement, const std::vector<UOp>& at, UOp& valid);

/// As long as one lives, source_index() works out each way to read a reshape once; equal layers ask
/// for the same ones. One that begins inside of another shares it (ranges.cpp).
class IndexMemo {
 public:
  IndexMemo();
  ~IndexMemo();
  IndexMemo(const IndexMemo&) = delete;
  IndexMemo& operator=(const IndexMemo&) = delete;

  struct Known;

 private:
  std::unique_ptr<Known> known_;
};

/// The shape of what a stored value writes: of an assign, that of the part (ranges.cpp).
const Shape& written_shape(const UOp& stored);

/// Where a kernel's loops store an element of a value of this shape: a range for each dim that is
/// not 1, numbered from 0 (ranges.cpp).
std::vector<UOp> output_index(const Shape& shape);

/// The least range id above those that an index and its gate depend on, and not below `least`: what
/// the loops of a reduce at that index are numbered from (ranges.cpp).
int64_t first_free_range(const std::vector<UOp>& at, const UOp& gate, int64_t least);

/// A kernel's AST and, for each of its params, a number of what it stands for.
struct KernelAst {
  UOp ast;
  std::vector<int64_t> params;
};

/// A kernel's AST, and the slots of its params. These are numbered as they come up, so
/// that equal work on other buffers is the same node from the beginning (ranges.cpp).
class Slots;
KernelAst kernel_ast(const Stored& stored, const Slots& slots);

/// A reduce over the ranges of a stage takes the value from there, not from memory (loops.cpp).
UOp share_loops(const UOp& ast);

/// The loops that reduces and stages depend on stand outside of the others (loops.cpp).
UOp order_loops(const UOp& ast);

/// sum over r of (r == i ? f(r) : 0) is f(i): a gather costs the rows it reads; and of (r < i ? c :
/// 0) it is c as often as that holds (collapse.cpp).
UOp collapse_sums(const UOp& ast);

/// Params numbered anew, by first use and the written one first, and the numbers that they had
/// (schedule.cpp).
KernelAst number_params(const UOp& ast);

/// Offsets in one arena for buffers whose lives do not overlap (memory.cpp).
void plan_memory(Schedule& schedule);

/// The buffer of every stored or existing value, and its number among all of a schedule.
class Slots {
 public:
  /// Gives `node` a buffer: an Assign writes its base, anything else gets a new one.
  void add(const UOp& node);
  /// The number of the buffer that holds `node`, a Buffer or stored value; -1 if it is not stored.
  int64_t find(const UOp& node) const;
  const BufferRef& buffer(int64_t slot) const { return buffers_[size_t(slot)]; }
  int64_t size() const { return int64_t(buffers_.size()); }

 private:
  std::vector<BufferRef> buffers_;
  std::unordered_map<const Buffer*, int64_t> numbers_;
  std::vector<UOp> nodes_;
  NodeMap<int64_t> slots_;
};

}  // namespace niwaki
