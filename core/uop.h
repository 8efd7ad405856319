// The node. A UOp is a counted pointer to an immutable Node; equal nodes are interned, so `a == b`
// on handles is structural equality and every graph is maximally shared. There is one node type
// from the tensor graph to the last instruction: no class per op, no visitors.
//
// make() infers dtype, shape and bounds, interns and returns. It does not simplify: what is built
// is what is printed. One thread builds graphs: counts and the intern table are not synchronised.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/buffer.h"
#include "core/dtype.h"
#include "core/here.h"
#include "core/op.h"
#include "core/scalar.h"

namespace niwaki {

struct Node;

class UOp {
 public:
  UOp() = default;
  UOp(const UOp& other) noexcept : UOp(other.node_) {}
  UOp(UOp&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  UOp& operator=(UOp other) noexcept {
    std::swap(node_, other.node_);
    return *this;
  }
  ~UOp();

  const Node* operator->() const { return node_; }
  const Node& operator*() const { return *node_; }
  const Node* get() const { return node_; }
  explicit operator bool() const { return node_ != nullptr; }
  friend bool operator==(const UOp& a, const UOp& b) { return a.node_ == b.node_; }

  /// Source `i`.
  const UOp& operator[](size_t i) const;

 private:
  friend UOp make(Op op, std::vector<UOp> src, struct Arg arg);
  friend class Match;
  explicit UOp(const Node* node) noexcept;
  static void destroy(const Node* node);
  const Node* node_ = nullptr;
};

/// Dims from outermost to innermost; each is an integer node, a Const unless symbolic.
using Shape = std::vector<UOp>;
using Axes = std::vector<int64_t>;

/// A constant: its dtype and value.
struct Constant {
  DType dtype;
  Value value;
  friend bool operator==(const Constant& a, const Constant& b) {
    return a.dtype == b.dtype && a.value.bits == b.value.bits;
  }
};

/// A launch-time integer in [min, max].
struct Symbol {
  std::string name;
  int64_t min;
  int64_t max;
  friend bool operator==(const Symbol&, const Symbol&) = default;
};

/// What a reduce combines with (Add, Mul, Max) and, in a tensor graph, over which axes.
struct Reduction {
  Op op;
  Axes axes;
  friend bool operator==(const Reduction&, const Reduction&) = default;
};

/// A kernel's buffer argument: its place in the list, and what it points to.
struct ParamInfo {
  int64_t index;
  DType dtype;
  int64_t size;
  bool constant;
  friend bool operator==(const ParamInfo&, const ParamInfo&) = default;
};

/// The memory of a stage: its elements, and how many stores an iteration of its loops makes.
struct StageInfo {
  int64_t size;
  int64_t stores;
  friend bool operator==(const StageInfo&, const StageInfo&) = default;
};

/// How a loop is run. Loop and Parallel write to buffers; Reduce stands inside of them, and
/// accumulates or fills a stage; Global and Local are a GPU's.
enum class AxisKind : uint8_t { Loop, Parallel, Reduce, Global, Local };

/// A loop: its number in the kernel, in nesting order, and its kind.
struct RangeInfo {
  int64_t id;
  AxisKind kind;
  friend bool operator==(const RangeInfo&, const RangeInfo&) = default;
};

/// Everything about a node that is not a source. Closed: a new alternative is a decision.
struct Arg : std::variant<std::monostate, int64_t, DType, Constant, Symbol, Axes, Reduction,
                          BufferRef, ParamInfo, RangeInfo, StageInfo> {
  using variant::variant;
};

/// Loops a value depends on, a bit for each range id.
using RangeSet = uint64_t;

struct Node {
  Op op;
  DType dtype;
  Shape shape;
  std::vector<UOp> src;
  Arg arg;
  size_t hash;
  /// Bounds of an integer or bool, of every lane; the dtype's own where nothing better is known.
  int64_t lo;
  int64_t hi;
  /// Free ranges: a Reduce, Store or Stage closes its own.
  RangeSet ranges;
  /// The user's line that made the node first.
  Site site;
  mutable uint32_t refs = 0;
  /// The last walk that came by (toposort).
  mutable uint64_t walk = 0;
  /// The next in a list of the intern table.
  mutable const Node* next = nullptr;

  template <class T>
  const T& get() const {
    return std::get<T>(arg);
  }
};

inline UOp::UOp(const Node* node) noexcept : node_(node) {
  if (node_) ++node_->refs;
}
inline UOp::~UOp() {
  if (node_ && --node_->refs == 0) destroy(node_);
}
inline const UOp& UOp::operator[](size_t i) const { return node_->src[i]; }

/// The interned node; Error where no such node may exist.
UOp make(Op op, std::vector<UOp> src, Arg arg = {});

/// Live nodes, for tests of ownership.
size_t live_nodes();

// --- leaves ---

UOp constant(DType t, Value v);
UOp constant(DType t, double number);
/// An i64 constant: the type of indices and dims.
UOp index(int64_t number);
UOp variable(std::string name, int64_t min, int64_t max);
UOp buffer(BufferRef ref);
UOp range(const UOp& end, int64_t id, AxisKind kind);

/// The value, where the node is an integer or bool constant.
const int64_t* const_int(const UOp& u);
bool is_const(const UOp& u, double number);

// --- arithmetic on nodes of one dtype and shape; a number takes the node's dtype ---

UOp operator+(const UOp& a, const UOp& b);
UOp operator-(const UOp& a, const UOp& b);
UOp operator*(const UOp& a, const UOp& b);
UOp operator/(const UOp& a, const UOp& b);
UOp operator%(const UOp& a, const UOp& b);
UOp operator&(const UOp& a, const UOp& b);
UOp operator<(const UOp& a, const UOp& b);
UOp operator+(const UOp& a, double b);
UOp operator*(const UOp& a, double b);
UOp operator/(const UOp& a, double b);
UOp operator%(const UOp& a, double b);
UOp operator<(const UOp& a, double b);
UOp where(const UOp& c, const UOp& a, const UOp& b);
UOp cast(const UOp& a, DType t);
/// The negation of a bool.
UOp negate(const UOp& a);

// --- graphs ---

/// All nodes that `root` needs, sources before users, `root` last.
std::vector<UOp> toposort(const UOp& root);

/// The same op and arg over other sources.
UOp with_sources(const UOp& u, std::vector<UOp> src);

// --- dims: arithmetic that folds constants as it goes ---

UOp dim_add(const UOp& a, const UOp& b);
UOp dim_sub(const UOp& a, const UOp& b);
UOp dim_mul(const UOp& a, const UOp& b);
UOp dim_product(const Shape& shape);
/// Whether a dim is 0, so that there are no elements.
bool is_empty(const Shape& shape);
/// A number of elements as a constant and the factors that are none, in order of appearance.
struct DimFactors {
  int64_t number = 1;
  std::vector<UOp> others;
};
DimFactors factors_of(const Shape& shape);
/// The largest value a dim can take.
int64_t dim_max(const UOp& dim);
Shape shape_of(const std::vector<int64_t>& dims);
/// The dims as text: "(4, pos + 1)".
std::string to_string(const Shape& shape);
/// An integer expression as text, in infix form.
std::string expression(const UOp& u);

/// Range ids as a set.
inline RangeSet range_bit(int64_t id) { return RangeSet(1) << id; }
/// The first source that is a loop of a Reduce, Store or Stage; behind the last of any other node.
size_t first_loop(const Node& n);
/// The loops of a Reduce, Store or Stage, outermost first.
std::vector<UOp> loops_of(const UOp& u);
/// The same as a set.
RangeSet bound_ranges(const Node& n);

/// Elements of a Param, Stage or Scratch.
int64_t memory_size(const UOp& memory);

}  // namespace niwaki

/// In texts a node is its expression() and a shape its dims.
template <>
struct fmt::formatter<niwaki::UOp> : formatter<std::string> {
  auto format(const niwaki::UOp& u, format_context& out) const {
    return formatter<std::string>::format(niwaki::expression(u), out);
  }
};

template <>
struct fmt::formatter<niwaki::Shape> : formatter<std::string> {
  auto format(const niwaki::Shape& shape, format_context& out) const {
    return formatter<std::string>::format(niwaki::to_string(shape), out);
  }
};
