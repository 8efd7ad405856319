// The naive evaluator: what a tensor graph is worth, straight from the definition of each op. Every
// node becomes a row-major list of values, every movement an index computed element by element,
// every reduce a loop. No ranges, no fusion, no rewriting: it shares nothing with the scheduler,
// the generators or the rules but the scalar arithmetic of core/scalar.h, and so can judge them
// all.
//
// A reduce of floats is summed in double and rounded once, which is what every legal order of
// summation comes near; compare with a tolerance.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/error.h"
#include "core/uop.h"

namespace niwaki {

/// A tensor's values, row-major. Of a packed dtype the values are its bytes.
struct NaiveTensor {
  DType dtype;
  std::vector<int64_t> shape;
  std::vector<Value> values;

  int64_t size() const {
    int64_t n = 1;
    for (int64_t dim : shape) n *= dim;
    return n;
  }
  /// The values as doubles, whatever the dtype.
  std::vector<double> numbers() const {
    std::vector<double> found;
    for (Value v : values) {
      if (is_float(dtype)) found.push_back(v.f);
      else found.push_back(dtype == u64 ? double(v.bits) : double(v.i));
    }
    return found;
  }
};

using NaiveVariables = std::map<std::string, int64_t>;

namespace naive {

using Position = std::vector<int64_t>;

/// Calls `body` at every position of a box, the last dim fastest.
template <class Body>
void each_position(const Position& shape, Body body) {
  int64_t n = 1;
  for (int64_t dim : shape) n *= dim;
  Position at(shape.size(), 0);
  for (int64_t i = 0; i < n; ++i) {
    body(at);
    for (size_t axis = shape.size(); axis-- > 0;) {
      if (++at[axis] < shape[axis]) break;
      at[axis] = 0;
    }
  }
}

inline int64_t offset_of(const Position& at, const Position& shape) {
  int64_t offset = 0;
  for (size_t i = 0; i < shape.size(); ++i) offset = offset * shape[i] + at[i];
  return offset;
}

class Evaluator {
 public:
  explicit Evaluator(const NaiveVariables& variables) : variables_(variables) {}

  const NaiveTensor& run(const UOp& root) {
    for (const UOp& u : toposort(root)) {
      if (done_.count(u.get())) continue;
      NaiveTensor t = compute(u);
      int64_t n = int64_t(t.values.size());
      expect(u->dtype.packed || n == t.size(), "{} of {} values", info(u->op).name, n);
      done_.emplace(u.get(), std::move(t));
    }
    return done_.at(root.get());
  }

 private:
  const NaiveTensor& source(const UOp& u, size_t i) const { return done_.at(u[i].get()); }
  int64_t number(const UOp& u, size_t i) const { return source(u, i).values.at(0).i; }

  // Every `step`-th source from `first` on, as dims.
  Position dims(const UOp& u, size_t first = 1, size_t step = 1) const {
    Position found;
    for (size_t i = first; i < u->src.size(); i += step) found.push_back(number(u, i));
    return found;
  }

  NaiveTensor compute(const UOp& u) const {
    switch (u->op) {
      case Op::Const: return {u->dtype, {}, {u->get<Constant>().value}};
      case Op::Variable: return {i64, {}, {Value::of(variable_value(u->get<Symbol>()))}};
      case Op::Buffer: return read(*u->get<BufferRef>());
      case Op::Iota: {
        NaiveTensor t{i64, dims(u, 0), {}};
        for (int64_t i = 0; i < t.size(); ++i) t.values.push_back(Value::of(i));
        return t;
      }
      case Op::Contiguous: return source(u, 0);
      case Op::Bitcast: return bitcast(u);
      case Op::Reduce: return reduce(u);
      case Op::Assign: return assign(u);
      case Op::Sink: return {void_type, {0}, {}};
      default: break;
    }
    if (is_movement(u->op)) return move(u, source(u, 0));
    expect(is_elementwise(u->op), "the naive evaluator has no {}", info(u->op).name);
    return elementwise(u);
  }

  int64_t variable_value(const Symbol& s) const {
    auto found = variables_.find(s.name);
    expect(found != variables_.end(), "variable {} has no value", s.name);
    expect(found->second >= s.min && found->second <= s.max, "{} = {} is not in [{}, {}]", s.name,
           found->second, s.min, s.max);
    return found->second;
  }

  static NaiveTensor read(const Buffer& b) {
    const uint8_t* bytes = static_cast<const uint8_t*>(b.data);
    NaiveTensor t{b.dtype, b.shape, {}};
    DType unit = b.dtype.packed ? u8 : b.dtype;
    int64_t step = byte_size(unit);
    for (int64_t i = 0; i < b.bytes(); i += step) t.values.push_back(load_value(unit, bytes + i));
    return t;
  }

  // The element of the source that each element of the result is, or none where padding is.
  NaiveTensor move(const UOp& u, const NaiveTensor& x) const {
    NaiveTensor t{x.dtype, x.shape, {}};
    if (u->op == Op::Reshape) {
      t.shape = dims(u);
      t.values = x.values;
      return t;
    }
    expect(!x.dtype.packed, "{} of a packed tensor", info(u->op).name);
    Position start(x.shape.size(), 0);
    if (u->op == Op::Expand) t.shape = dims(u);
    if (u->op == Op::Permute) {
      for (size_t i = 0; i < t.shape.size(); ++i) t.shape[i] = x.shape[size_t(axes(u)[i])];
    }
    if (u->op == Op::Shrink) {
      start = dims(u, 1, 2);
      t.shape = dims(u, 2, 2);
    }
    if (u->op == Op::Pad) {
      start = dims(u, 1, 2);
      Position after = dims(u, 2, 2);
      for (size_t i = 0; i < start.size(); ++i) {
        t.shape[i] += start[i] + after[i];
        start[i] = -start[i];
      }
    }
    each_position(t.shape, [&](const Position& at) {
      Position from = at;
      for (size_t i = 0; i < at.size(); ++i) {
        if (u->op == Op::Permute) from[size_t(axes(u)[i])] = at[i];
        else from[i] = x.shape[i] == 1 && u->op == Op::Expand ? 0 : at[i] + start[i];
      }
      if (u->op == Op::Flip) {
        for (int64_t axis : axes(u)) {
          size_t i = size_t(axis);
          from[i] = x.shape[i] - 1 - at[i];
        }
      }
      bool inside = true;
      for (size_t i = 0; i < from.size(); ++i) inside &= from[i] >= 0 && from[i] < x.shape[i];
      expect(inside || u->op == Op::Pad, "{} reads outside", info(u->op).name);
      Value none = is_float(x.dtype) ? Value::of(0.0) : Value::of(int64_t(0));
      t.values.push_back(inside ? x.values[size_t(offset_of(from, x.shape))] : none);
    });
    return t;
  }

  static const Axes& axes(const UOp& u) { return u->get<Axes>(); }

  NaiveTensor elementwise(const UOp& u) const {
    NaiveTensor t{u->dtype, source(u, 0).shape, {}};
    std::vector<Value> args(u->src.size());
    for (int64_t i = 0; i < t.size(); ++i) {
      for (size_t k = 0; k < args.size(); ++k) args[k] = source(u, k).values[size_t(i)];
      t.values.push_back(niwaki::evaluate(u->op, u->dtype, u->src.back()->dtype, args));
    }
    return t;
  }

  NaiveTensor bitcast(const UOp& u) const {
    const NaiveTensor& x = source(u, 0);
    DType from = x.dtype.packed ? u8 : x.dtype;
    DType to = u->dtype.packed ? u8 : u->dtype;
    std::vector<uint8_t> bytes(x.values.size() * size_t(byte_size(from)));
    for (size_t i = 0; i < x.values.size(); ++i) {
      store_value(from, bytes.data() + i * size_t(byte_size(from)), x.values[i]);
    }
    NaiveTensor t{u->dtype, x.shape, {}};
    auto block = [](DType type) {
      return type.packed ? std::pair(type.packed->values, type.packed->bytes)
                         : std::pair(int64_t(1), byte_size(type));
    };
    auto [from_values, from_bytes] = block(x.dtype);
    auto [to_values, to_bytes] = block(u->dtype);
    if (!t.shape.empty()) {
      t.shape.back() = t.shape.back() / from_values * from_bytes / to_bytes * to_values;
    }
    for (size_t i = 0; i < bytes.size(); i += size_t(byte_size(to))) {
      t.values.push_back(load_value(to, bytes.data() + i));
    }
    return t;
  }

  static Value identity(Op op, DType t) {
    if (op == Op::Max) {
      if (is_float(t)) return Value::of(-double(INFINITY));
      bool from_zero = is_unsigned(t) || t.kind == Kind::Bool;
      return Value::of(from_zero ? 0 : int64_t(~uint64_t(0) << (bit_size(t) - 1)));
    }
    return value_of(t, op == Op::Mul ? 1 : 0);
  }

  NaiveTensor reduce(const UOp& u) const {
    const NaiveTensor& x = source(u, 0);
    const Reduction& r = u->get<Reduction>();
    DType wide = is_float(u->dtype) ? f64 : u->dtype;
    NaiveTensor t{u->dtype, x.shape, {}};
    for (int64_t axis : r.axes) t.shape[size_t(axis)] = 1;
    t.values.assign(size_t(t.size()), identity(r.op, wide));
    size_t next = 0;
    each_position(x.shape, [&](Position at) {
      for (int64_t axis : r.axes) at[size_t(axis)] = 0;
      Value& total = t.values[size_t(offset_of(at, t.shape))];
      Value pair[] = {total, x.values[next++]};
      total = niwaki::evaluate(r.op, wide, wide, pair);
    });
    for (Value& v : t.values) v = round_to(u->dtype, v);
    return t;
  }

  // Which element of the buffer a view shows: the view, taken of the buffer's own positions.
  NaiveTensor positions(const UOp& view, const UOp& base) const {
    if (view == base) {
      NaiveTensor all{i64, source_of(base).shape, {}};
      for (int64_t i = 0; i < all.size(); ++i) all.values.push_back(Value::of(i));
      return all;
    }
    expect(view->op != Op::Pad, "a padded view is written");
    return move(view, positions(view[0], base));
  }

  const NaiveTensor& source_of(const UOp& u) const { return done_.at(u.get()); }

  NaiveTensor assign(const UOp& u) const {
    NaiveTensor t = source(u, 0);
    NaiveTensor places = positions(u[1], u[0]);
    const NaiveTensor& value = source(u, 2);
    for (size_t i = 0; i < places.values.size(); ++i) {
      t.values[size_t(places.values[i].i)] = value.values[i];
    }
    return t;
  }

  const NaiveVariables& variables_;
  std::unordered_map<const Node*, NaiveTensor> done_;
};

}  // namespace naive

/// The values of a tensor graph; `variables` by name. InternalError for an op of a later stage.
inline NaiveTensor evaluate(const UOp& root, const NaiveVariables& variables = {}) {
  return naive::Evaluator(variables).run(root);
}

}  // namespace niwaki
