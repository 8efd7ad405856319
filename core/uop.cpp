#include "core/uop.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/infer.h"

namespace niwaki {
namespace {

size_t mix(size_t seed, size_t value) {
  return (seed ^ (value + 0x9e3779b97f4a7c15 + (seed << 6) + (seed >> 2))) * 0xff51afd7ed558ccd;
}

struct HashArg {
  size_t operator()(std::monostate) const { return 0; }
  size_t operator()(int64_t v) const { return size_t(v); }
  size_t operator()(const DType& t) const {
    return mix(size_t(t.kind) << 16 | t.lanes, size_t(uintptr_t(t.packed)));
  }
  size_t operator()(const Constant& c) const { return mix((*this)(c.dtype), c.value.bits); }
  size_t operator()(const Symbol& s) const {
    return mix(mix(std::hash<std::string>()(s.name), size_t(s.min)), size_t(s.max));
  }
  size_t operator()(const Axes& axes) const {
    size_t h = axes.size();
    for (int64_t axis : axes) h = mix(h, size_t(axis));
    return h;
  }
  size_t operator()(const Reduction& r) const { return mix((*this)(r.axes), size_t(r.op)); }
  size_t operator()(const BufferRef& b) const { return size_t(uintptr_t(b.get())); }
  size_t operator()(const ParamInfo& p) const {
    return mix(mix((*this)(p.dtype), size_t(p.index)), size_t(p.size) * 2 + p.constant);
  }
  size_t operator()(const RangeInfo& r) const { return mix(size_t(r.id), size_t(r.kind)); }
  size_t operator()(const StageInfo& s) const { return mix(size_t(s.size), size_t(s.stores)); }
};

size_t hash_node(const Node& n) {
  size_t h = mix(size_t(n.op) + 1, n.arg.index());
  h = mix(h, std::visit(HashArg(), static_cast<const decltype(n.arg)::variant&>(n.arg)));
  for (const UOp& s : n.src) h = mix(h, s->hash);
  return h;
}

bool same(const Node& a, const Node& b) {
  return a.hash == b.hash && a.op == b.op && a.src == b.src && a.arg == b.arg;
}

// A hash table whose lists run through the nodes themselves: it allocates nothing for a node.
class InternTable {
 public:
  InternTable() : lists_(size_t(1) << 14), shift_(64 - 14) {}

  const Node* find(const Node& wanted) const {
    const Node* node = lists_[list_of(wanted)];
    while (node && !same(*node, wanted)) node = node->next;
    return node;
  }

  void insert(const Node* node) {
    // Most lists hold one node or none: to pass by one costs a look at memory far away.
    if (2 * ++size_ > lists_.size()) grow();
    link(node);
  }

  void erase(const Node* node) {
    const Node** at = &lists_[list_of(*node)];
    while (*at != node) at = &(*at)->next;
    *at = node->next;
    --size_;
  }

  size_t size() const { return size_; }

 private:
  // By the upper bits: the hash ends in a multiplication.
  size_t list_of(const Node& node) const { return node.hash >> shift_; }

  void link(const Node* node) {
    const Node*& first = lists_[list_of(*node)];
    node->next = first;
    first = node;
  }

  void grow() {
    std::vector<const Node*> before(lists_.size() * 2);
    before.swap(lists_);
    --shift_;
    for (const Node* node : before) {
      while (node) link(std::exchange(node, node->next));
    }
  }

  std::vector<const Node*> lists_;
  int shift_;
  size_t size_ = 0;
};

// Never destroyed: nodes held by static objects may outlive it otherwise.
InternTable& interned() {
  static InternTable* table = new InternTable();
  return *table;
}

}  // namespace

// A loop, so that a chain of a million nodes is dropped without recursion. What is dead is out of
// the intern table, and its `next` is the list of what is still to be deleted.
void UOp::destroy(const Node* dead) {
  interned().erase(dead);
  dead->next = nullptr;
  while (dead) {
    Node* node = const_cast<Node*>(dead);
    dead = node->next;
    for (std::vector<UOp>* list : {&node->src, &node->shape}) {
      for (UOp& s : *list) {
        const Node* source = std::exchange(s.node_, nullptr);
        if (!source || --source->refs > 0) continue;
        interned().erase(source);
        source->next = dead;
        dead = source;
      }
    }
    delete node;
  }
}

UOp make(Op op, std::vector<UOp> src, Arg arg) {
  Node key{op, {}, {}, std::move(src), std::move(arg), 0, 0, 0, 0, {}};
  key.hash = hash_node(key);
  if (const Node* known = interned().find(key)) return UOp(known);
  infer(key);
  key.site = Here::site();
  Node* node = new Node(std::move(key));
  interned().insert(node);
  return UOp(node);
}

size_t live_nodes() { return interned().size(); }

UOp constant(DType t, Value v) { return make(Op::Const, {}, Constant{t, round_to(t, v)}); }
UOp constant(DType t, double number) { return constant(t, value_of(t, number)); }
UOp index(int64_t number) { return make(Op::Const, {}, Constant{i64, Value::of(number)}); }

UOp variable(std::string name, int64_t min, int64_t max) {
  return make(Op::Variable, {}, Symbol{std::move(name), min, max});
}

UOp buffer(BufferRef ref) { return make(Op::Buffer, {}, std::move(ref)); }

UOp range(const UOp& end, int64_t id, AxisKind kind) {
  return make(Op::Range, {end}, RangeInfo{id, kind});
}

const int64_t* const_int(const UOp& u) {
  if (u->op != Op::Const || is_float(u->dtype)) return nullptr;
  return &u->get<Constant>().value.i;
}

bool is_const(const UOp& u, double number) {
  if (u->op == Op::Stack && u->src.size() == 1) return is_const(u[0], number);
  if (u->op != Op::Const) return false;
  const Constant& c = u->get<Constant>();
  return is_float(c.dtype) ? c.value.f == number && !(number == 0 && std::signbit(c.value.f))
                           : double(c.value.i) == number;
}

UOp operator+(const UOp& a, const UOp& b) { return make(Op::Add, {a, b}); }
UOp operator-(const UOp& a, const UOp& b) { return a + b * -1.0; }
UOp operator*(const UOp& a, const UOp& b) { return make(Op::Mul, {a, b}); }
UOp operator/(const UOp& a, const UOp& b) { return make(Op::Div, {a, b}); }
UOp operator%(const UOp& a, const UOp& b) { return make(Op::Mod, {a, b}); }
UOp operator&(const UOp& a, const UOp& b) { return make(Op::And, {a, b}); }
UOp operator<(const UOp& a, const UOp& b) { return make(Op::Less, {a, b}); }

namespace {

UOp number_like(const UOp& a, double number) {
  UOp c = constant(a->dtype.scalar(), number);
  return a->dtype.lanes == 1 ? c : make(Op::Stack, {c}, int64_t(a->dtype.lanes));
}

}  // namespace

UOp operator+(const UOp& a, double b) { return a + number_like(a, b); }
UOp operator*(const UOp& a, double b) { return a * number_like(a, b); }
UOp operator/(const UOp& a, double b) { return a / number_like(a, b); }
UOp operator%(const UOp& a, double b) { return a % number_like(a, b); }
UOp operator<(const UOp& a, double b) { return a < number_like(a, b); }

UOp where(const UOp& c, const UOp& a, const UOp& b) { return make(Op::Where, {c, a, b}); }

UOp cast(const UOp& a, DType t) {
  DType to = t.vec(a->dtype.lanes);
  return a->dtype == to ? a : make(Op::Cast, {a}, to);
}

UOp negate(const UOp& a) { return make(Op::Xor, {a, number_like(a, 1)}); }

std::vector<UOp> toposort(const UOp& root) {
  static uint64_t walks = 0;
  const uint64_t walk = ++walks;
  std::vector<UOp> order;
  std::vector<std::pair<const UOp*, size_t>> stack = {{&root, 0}};
  root->walk = walk;
  while (!stack.empty()) {
    auto& [node, next] = stack.back();
    const std::vector<UOp>& src = (*node)->src;
    while (next < src.size() && src[next]->walk == walk) ++next;
    if (next < src.size()) {
      const UOp& s = src[next++];
      s->walk = walk;
      stack.emplace_back(&s, 0);
    } else {
      order.push_back(*node);
      stack.pop_back();
    }
  }
  return order;
}

UOp with_sources(const UOp& u, std::vector<UOp> src) {
  return u->src == src ? u : make(u->op, std::move(src), u->arg);
}

namespace {

// A sum taken apart: its terms in order of appearance, each once, and the constant.
struct DimSum {
  std::vector<std::pair<UOp, int64_t>> terms;
  int64_t offset = 0;
};

int64_t counted_sum(int64_t a, int64_t b) {
  int64_t sum = 0;
  check(!__builtin_add_overflow(a, b, &sum), "shape: {} + {} elements are more than can be counted",
        a, b);
  return sum;
}

int64_t counted_product(int64_t a, int64_t b) {
  int64_t product = 0;
  check(!__builtin_mul_overflow(a, b, &product),
        "shape: {} * {} elements are more than can be counted", a, b);
  return product;
}

void add_terms(DimSum& sum, const UOp& u, int64_t factor) {
  if (const int64_t* c = const_int(u)) {
    sum.offset = counted_sum(sum.offset, counted_product(*c, factor));
    return;
  }
  if (u->op == Op::Add) {
    add_terms(sum, u[0], factor);
    add_terms(sum, u[1], factor);
    return;
  }
  const int64_t* times = u->op == Op::Mul ? const_int(u[1]) : nullptr;
  if (times) factor = counted_product(*times, factor);
  const UOp& node = times ? u[0] : u;
  for (auto& [known, count] : sum.terms) {
    if (known != node) continue;
    count = counted_sum(count, factor);
    return;
  }
  sum.terms.emplace_back(node, factor);
}

// a + b * factor, so that sums of the same parts in the same order are the same node.
UOp dim_sum(const UOp& a, const UOp& b, int64_t factor) {
  DimSum sum;
  add_terms(sum, a, 1);
  add_terms(sum, b, factor);
  UOp result;
  for (const auto& [node, count] : sum.terms) {
    if (count == 0) continue;
    UOp term = count == 1 ? node : node * index(count);
    result = result ? result + term : term;
  }
  if (!result) return index(sum.offset);
  return sum.offset ? result + index(sum.offset) : result;
}

}  // namespace

UOp dim_add(const UOp& a, const UOp& b) {
  if (is_const(a, 0)) return b;
  return is_const(b, 0) ? a : dim_sum(a, b, 1);
}

UOp dim_sub(const UOp& a, const UOp& b) { return is_const(b, 0) ? a : dim_sum(a, b, -1); }

UOp dim_mul(const UOp& a, const UOp& b) {
  const int64_t* x = const_int(a);
  const int64_t* y = const_int(b);
  if (x && y) return index(counted_product(*x, *y));
  if (x && *x == 1) return b;
  if (y && *y == 1) return a;
  return x ? b * a : a * b;
}

UOp dim_product(const Shape& shape) {
  UOp product = index(1);
  for (const UOp& dim : shape) product = dim_mul(product, dim);
  return product;
}

bool is_empty(const Shape& shape) {
  return std::any_of(shape.begin(), shape.end(), [](const UOp& dim) { return is_const(dim, 0); });
}

DimFactors factors_of(const Shape& shape) {
  DimFactors factors;
  UOp number = index(1);
  std::vector<UOp> todo(shape.rbegin(), shape.rend());
  while (!todo.empty()) {
    UOp dim = todo.back();
    todo.pop_back();
    if (const_int(dim)) {
      number = dim_mul(number, dim);
    } else if (dim->op == Op::Mul) {
      todo.push_back(dim[1]);
      todo.push_back(dim[0]);
    } else {
      factors.others.push_back(dim);
    }
  }
  factors.number = *const_int(number);
  return factors;
}

int64_t dim_max(const UOp& dim) { return dim->hi; }

Shape shape_of(const std::vector<int64_t>& dims) {
  Shape shape;
  for (int64_t dim : dims) shape.push_back(index(dim));
  return shape;
}

std::string to_string(const Shape& shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i) text += ", ";
    text += expression(shape[i]);
  }
  return text + ")";
}

std::string expression(const UOp& u) {
  if (const int64_t* c = const_int(u)) return std::to_string(*c);
  switch (u->op) {
    case Op::Variable: return u->get<Symbol>().name;
    case Op::Range: return fmt::format("r{}", u->get<RangeInfo>().id);
    case Op::Add: return fmt::format("({} + {})", expression(u[0]), expression(u[1]));
    case Op::Mul: return fmt::format("({} * {})", expression(u[0]), expression(u[1]));
    case Op::Div: return fmt::format("({} / {})", expression(u[0]), expression(u[1]));
    case Op::Mod: return fmt::format("({} % {})", expression(u[0]), expression(u[1]));
    default: {
      std::string text(info(u->op).name);
      text += "(";
      for (size_t i = 0; i < u->src.size(); ++i) text += (i ? ", " : "") + expression(u[i]);
      return text + ")";
    }
  }
}

size_t first_loop(const Node& n) {
  switch (n.op) {
    case Op::Reduce: return 1;
    case Op::Store: return 3;
    case Op::Stage: return 2 * size_t(n.get<StageInfo>().stores);
    default: return n.src.size();
  }
}

std::vector<UOp> loops_of(const UOp& u) {
  return {u->src.begin() + int64_t(first_loop(*u)), u->src.end()};
}

RangeSet bound_ranges(const Node& n) {
  RangeSet set = 0;
  for (size_t i = first_loop(n); i < n.src.size(); ++i) {
    set |= range_bit(n.src[i]->get<RangeInfo>().id);
  }
  return set;
}

int64_t memory_size(const UOp& memory) {
  if (memory->op == Op::Stage) return memory->get<StageInfo>().size;
  return memory->get<ParamInfo>().size;
}

}  // namespace niwaki
