// Reverse mode: one walk over the graph from the loss to the inputs, one rule an op.
//
// A rule says what an op hands to its sources of the gradient that reached it: a vector-Jacobian
// product, written in tensor ops. There is no tape and no backward pass at run time: the result is
// a graph that the scheduler fuses like any other, and its gradient may be taken in turn. Only what
// lies between an input and the loss is walked, so weights that are frozen cost nothing.
//
// Where a function has no derivative the rule takes a value that torch takes too: a maximum is
// shared equally by the operands that reach it, and so is one over an axis (abs, a maximum of x and
// -x, gets 0 at 0). Where the maximum is NaN, two operands share it and an axis gets zeros.
//
// Whatever is no float, and bits, let no gradient through. That is also what detach() is: a bitcast
// to an integer and back, which float_rules removes before code is made. An op "stop" would have
// been a 26th primitive that computes nothing. Rounding for low-bit training needs no op either:
// x + (rounded - x).detach() has the value of `rounded` and the gradient of x.
//
// Nodes are interned: equal constants are one node, be they a weight or the zero of a relu. An
// input without a buffer is refused, because its gradient would be that of all of them.
#include "ops/gradient.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <unordered_set>

#include "core/error.h"
#include "ops/rules.h"

namespace niwaki {
namespace {

// What a rule sees: the op's value y, the gradient g of y's shape and dtype, and the sources.
struct Step {
  Tensor y;
  Tensor g;
  Tensor x(size_t i) const { return Tensor(y.uop()[i]); }
  template <class T>
  const T& arg() const {
    return y.uop()->get<T>();
  }
};

// A gradient for each of the first sources; nothing for a source that gets none.
using Parts = std::vector<std::optional<Tensor>>;
using Rule = Parts (*)(const Step& s);

// One gradient for each of the inputs, null where none arrived.
std::vector<UOp> walk(const UOp& output, const UOp& upstream, const std::vector<UOp>& inputs);

Tensor sum_over(const Tensor& x, const Axes& axes) { return axes.empty() ? x : x.sum(axes, true); }

Parts permute(const Step& s) {
  const Axes& order = s.arg<Axes>();
  Axes inverse(order.size());
  for (size_t i = 0; i < order.size(); ++i) inverse[size_t(order[i])] = int64_t(i);
  return {s.g.permute(inverse)};
}

Parts expand(const Step& s) {
  Axes repeated;
  for (int64_t i = 0; i < s.y.rank(); ++i) {
    if (!(s.x(0).dim(i) == s.y.dim(i))) repeated.push_back(i);
  }
  return {sum_over(s.g, repeated)};
}

Parts pad(const Step& s) {
  std::vector<UOp> src = {s.g.uop()};
  for (int64_t i = 0; i < s.y.rank(); ++i) {
    src.push_back(s.y.uop()[size_t(1 + 2 * i)]);
    src.push_back(s.x(0).dim(i));
  }
  return {Tensor(make(Op::Shrink, std::move(src)))};
}

// Zeros around the box. With symbolic dims what follows the box is no dim that can be told to be
// one: there more zeros than needed are added, and cut to the shape.
Parts shrink(const Step& s) {
  std::vector<std::pair<Dim, Dim>> widths;
  std::vector<UOp> whole = {UOp()};
  for (int64_t i = 0; i < s.y.rank(); ++i) {
    const UOp& from = s.x(0).dim(i);
    const UOp& size = s.y.dim(i);
    const UOp& start = s.y.uop()[size_t(1 + 2 * i)];
    bool all = from == size;
    widths.push_back({all ? index(0) : start, all ? 0 : from->hi - start->lo - size->lo});
    whole.push_back(index(0));
    whole.push_back(from);
  }
  Tensor padded = s.g.pad(widths);
  if (padded.shape() == s.x(0).shape()) return {padded};
  whole[0] = padded.uop();
  return {Tensor(make(Op::Shrink, std::move(whole)))};
}

// What the greater operand gets, and the lesser.
Tensor share(const Tensor& mine, const Tensor& other, const Tensor& g) {
  return where(other < mine, g, where(mine < other, Tensor(0), g * 0.5));
}

// The product of the others is the product of all without this element, zeros aside; it is zero
// where one of the others is. That is n divisions and no second scan, but a second derivative at an
// element that is exactly zero is not seen.
Tensor product_of_others(const Tensor& x, const Axes& axes) {
  Tensor zero = x == Tensor(0);
  Tensor count = zero.cast(i64);
  Tensor factors = where(zero, Tensor(1), x);
  Tensor all(make(Op::Reduce, {factors.uop()}, Reduction{Op::Mul, axes}));
  return where(sum_over(count, axes) == count, all / factors, Tensor(0));
}

Parts reduce(const Step& s) {
  const auto& [op, axes] = s.arg<Reduction>();
  Tensor x = s.x(0);
  if (op == Op::Add) return {s.g.expand(dims_of(x.shape()))};
  if (op == Op::Mul) return {s.g * product_of_others(x, axes)};
  Tensor greatest = x == s.y;
  return {where(greatest, s.g / sum_over(greatest.cast(i64), axes).cast(x.dtype()), Tensor(0))};
}

// The written view of the new buffer is the value, and all else the old buffer. Which elements the
// view shows is found as its gradient is.
Parts assign(const Step& s) {
  Tensor base = s.x(0);
  Tensor view = s.x(1);
  UOp ones = Tensor::full(dims_of(view.shape()), 1, view.dtype()).uop();
  Tensor written(walk(view.uop(), ones, {base.uop()})[0]);
  UOp seen = substitute(view.uop(), {{base.uop(), s.g.uop()}});
  return {where(written != Tensor(0), Tensor(0), s.g), {}, Tensor(seen)};
}

// An op of tensor graphs and its rule, null where gradients end: in op.def's order.
struct Row {
  Op op;
  Rule rule;
};

constexpr Rule none = nullptr;

const Row rows[] = {
    {Op::Const, none},
    {Op::Variable, none},
    {Op::Buffer, none},
    {Op::Iota, none},

    {Op::Reshape, [](const Step& s) -> Parts { return {s.g.reshape(dims_of(s.x(0).shape()))}; }},
    {Op::Permute, permute},
    {Op::Expand, expand},
    {Op::Pad, pad},
    {Op::Shrink, shrink},
    {Op::Flip, [](const Step& s) -> Parts { return {s.g.flip(s.arg<Axes>())}; }},

    {Op::Add,
     [](const Step& s) -> Parts {
       return {s.g, s.g};
     }},
    {Op::Mul,
     [](const Step& s) -> Parts {
       return {s.g * s.x(1), s.g * s.x(0)};
     }},
    {Op::Div,
     [](const Step& s) -> Parts {
       return {s.g / s.x(1), -(s.g / s.x(1)) * s.y};
     }},
    {Op::Mod, none},
    {Op::Max,
     [](const Step& s) -> Parts {
       return {share(s.x(0), s.x(1), s.g), share(s.x(1), s.x(0), s.g)};
     }},
    {Op::And, none},
    {Op::Xor, none},
    {Op::Shl, none},
    {Op::Shr, none},
    {Op::Less, none},
    {Op::Ne, none},
    {Op::Where,
     [](const Step& s) -> Parts {
       return {{}, where(s.x(0), s.g, Tensor(0)), where(s.x(0), Tensor(0), s.g)};
     }},
    {Op::Sqrt, [](const Step& s) -> Parts { return {s.g * 0.5 / s.y}; }},
    {Op::Exp, [](const Step& s) -> Parts { return {s.g * s.y}; }},
    {Op::Log2, [](const Step& s) -> Parts { return {s.g / (s.x(0) * M_LN2)}; }},
    {Op::Sin, [](const Step& s) -> Parts { return {s.g * s.x(0).cos()}; }},

    {Op::Cast, [](const Step& s) -> Parts { return {s.g.cast(s.x(0).dtype())}; }},
    {Op::Bitcast, none},
    {Op::Reduce, reduce},

    {Op::Contiguous, [](const Step& s) -> Parts { return {s.g}; }},
    {Op::Assign, assign},
    {Op::Sink, none},
};

const Row* row_of(Op op) {
  auto found =
      std::find_if(std::begin(rows), std::end(rows), [&](const Row& r) { return r.op == op; });
  return found == std::end(rows) ? nullptr : found;
}

Rule rule_of(const UOp& u) {
  const Row* row = row_of(u->op);
  if (!row) bug("gradient of a {}", info(u->op).name);
  return row->rule;
}

std::vector<UOp> walk(const UOp& output, const UOp& upstream, const std::vector<UOp>& inputs) {
  std::vector<UOp> order = toposort(output);
  // What depends on an input in a way that gradients see.
  std::unordered_set<const Node*> wanted;
  auto is_wanted = [&](const UOp& u) { return wanted.count(u.get()) > 0; };
  for (const UOp& u : inputs) wanted.insert(u.get());
  for (const UOp& u : order) {
    bool passes = is_float(u->dtype) && rule_of(u);
    if (passes && std::any_of(u->src.begin(), u->src.end(), is_wanted)) wanted.insert(u.get());
  }
  std::unordered_map<const Node*, UOp> found = {{output.get(), upstream}};
  for (auto u = order.rbegin(); u != order.rend(); ++u) {
    auto reached = found.find(u->get());
    bool leads_on = std::any_of((*u)->src.begin(), (*u)->src.end(), is_wanted);
    if (reached == found.end() || !is_wanted(*u) || !leads_on || !rule_of(*u)) continue;
    Parts parts = rule_of(*u)({Tensor(*u), Tensor(reached->second)});
    for (size_t i = 0; i < parts.size(); ++i) {
      const UOp& source = (**u).src[i];
      if (!parts[i] || !is_wanted(source)) continue;
      const UOp& part = parts[i]->uop();
      expect(part->shape == source->shape && part->dtype == source->dtype,
             "the gradient of {} has not its source's shape and dtype", info((*u)->op).name);
      UOp& sum = found[source.get()];
      sum = sum ? sum + part : part;
    }
  }
  std::vector<UOp> gradients;
  for (const UOp& u : inputs) {
    auto reached = found.find(u.get());
    gradients.push_back(reached == found.end() ? UOp() : reached->second);
  }
  return gradients;
}

void check_input(const UOp& u, size_t i) {
  check(is_float(u->dtype), "gradient: input {} is of {}, not of floats", i, name(u->dtype));
  std::vector<UOp> all = toposort(u);
  check(std::any_of(all.begin(), all.end(), [](const UOp& s) { return s->op == Op::Buffer; }),
        "gradient: input {} is a constant, and equal constants are one node: realize() it first",
        i);
}

}  // namespace

std::vector<Tensor> gradient(const Tensor& loss, const std::vector<Tensor>& inputs, Here) {
  check(is_const(dim_product(loss.shape()), 1),
        "gradient: the loss of shape {} is not one number, take its sum()",
        to_string(loss.shape()));
  return gradient(loss, Tensor::full(dims_of(loss.shape()), 1, loss.dtype()), inputs);
}

std::vector<Tensor> gradient(const Tensor& output, const Tensor& upstream,
                             const std::vector<Tensor>& inputs, Here) {
  check(is_float(output.dtype()), "gradient: what is differentiated is of {}, not of floats",
        name(output.dtype()));
  check(upstream.shape() == output.shape() && upstream.dtype() == output.dtype(),
        "gradient: the upstream gradient is {} {}, not {} {} as the output", name(upstream.dtype()),
        to_string(upstream.shape()), name(output.dtype()), to_string(output.shape()));
  std::vector<UOp> nodes;
  for (const Tensor& input : inputs) {
    check_input(input.uop(), nodes.size());
    nodes.push_back(input.uop());
  }
  std::vector<Tensor> gradients;
  for (const UOp& g : walk(output.uop(), upstream.uop(), nodes)) {
    const Tensor& input = inputs[gradients.size()];
    Tensor zeros = Tensor::full(dims_of(input.shape()), 0, input.dtype());
    gradients.push_back(g ? Tensor(g) : zeros);
  }
  return gradients;
}

std::optional<bool> differentiable(Op op) {
  const Row* row = row_of(op);
  if (!row) return {};
  return row->rule != none;
}

Tensor Tensor::detach(Here) const {
  return is_float(dtype()) ? bitcast(unsigned_of_same_width(dtype())).bitcast(dtype()) : *this;
}

}  // namespace niwaki
