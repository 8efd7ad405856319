#include "schedule/outcomes.h"

#include <algorithm>
#include <set>

#include "schedule/schedule.h"
#include "schedule/uses.h"

namespace niwaki {

// What a value is but for its place and type.
UOp essence(UOp u) {
  while (is_movement(u->op) || u->op == Op::Cast) u = u[0];
  return u;
}

namespace {

// The sum of all indices at which memory and positions are read for `u` at `at`: it has the ranges
// that the value depends on, or may, below a few nodes.
UOp read_at(const UOp& u, const std::vector<UOp>& at, int depth = 8) {
  UOp sum = index(0);
  if (depth == 0 || (!is_movement(u->op) && !is_elementwise(u->op))) {
    for (const UOp& i : at) sum = sum + i;
    return sum;
  }
  UOp valid;
  bool moves = is_movement(u->op);
  std::vector<UOp> below = moves ? source_index(u, at, valid) : at;
  for (size_t i = 0; i < (moves ? 1 : u->src.size()); ++i) {
    sum = sum + read_at(u[i], below, depth - 1);
  }
  return sum;
}

// The order in which floats are added up depends on the loops around, so that one sum computed in
// two places may be two values: x == max(x) would not hold.
bool depends_on_order(const UOp& u) {
  return u->op == Op::Reduce && u->get<Reduction>().op != Op::Max && is_float(u->dtype) &&
         terms(u) > 1;
}

}  // namespace

// Where a sum over r is of a one-hot product, an index that depends on what the one position does;
// else null. It need not see every form that collapse.cpp does: it only keeps what is selected from
// from being counted as read n times.
UOp selected_at(const UOp& u, const std::vector<UOp>& at, const UOp& r, int depth) {
  if (depth-- == 0) return {};
  if (is_movement(u->op)) {
    UOp valid;
    return selected_at(u[0], source_index(u, at, valid), r, depth);
  }
  if (u->op == Op::Xor && u[0]->op == Op::Ne) {
    for (size_t side : {0, 1}) {
      UOp position = read_at(u[0][1 - side], at);
      bool counts = essence(u[0][side])->op == Op::Iota;
      bool varies = read_at(u[0][side], at)->ranges & r->ranges;
      if (counts && varies && !(position->ranges & r->ranges)) return position;
    }
    return {};
  }
  if (u->op == Op::Cast) return selected_at(u[0], at, r, depth);
  if (u->op != Op::Where && u->op != Op::And && u->op != Op::Mul) return {};
  // A float times zero is zero where it is finite, as what was an integer is.
  auto exact = [&](const UOp& other) {
    return u->op != Op::Mul || !is_float(u->dtype) || !is_float(essence(other)->dtype);
  };
  UOp first = exact(u[1]) ? selected_at(u[0], at, r, depth) : UOp();
  return first || !exact(u[0]) ? first : selected_at(u[1], at, r, depth);
}

double terms(const UOp& reduce) {
  std::vector<UOp> at;
  for (size_t i = 0; i < reduce[0]->shape.size(); ++i) {
    at.push_back(range(reduce[0]->shape[i], int64_t(i), AxisKind::Loop));
  }
  double n = 1;
  for (int64_t axis : reduce->get<Reduction>().axes) {
    bool sum = reduce->get<Reduction>().op == Op::Add;
    if (sum && selected_at(reduce[0], at, at[size_t(axis)])) continue;
    n *= double(std::max<int64_t>(dim_max(reduce[0]->shape[size_t(axis)]), 1));
  }
  return n;
}

Outcomes::Outcomes(const std::vector<UOp>& order) {
  std::unordered_map<const Node*, size_t> position;
  std::vector<std::vector<size_t>> readers(order.size());
  for (size_t i = 0; i < order.size(); ++i) {
    position[order[i].get()] = i;
    for (const UOp& s : order[i]->src) readers[position.at(s.get())].push_back(i);
  }
  for (size_t i = 0; i < order.size(); ++i) {
    if (order[i]->op == Op::Reduce) find(order, readers, i);
  }
  for (const UOp& u : order) {
    bool passes_on = is_movement(u->op) || is_elementwise(u->op);
    bool computes = u->op == Op::Reduce;
    for (size_t i = 0; passes_on && i < u->src.size(); ++i) {
      computes |= !has(u[i]) && computes_reduce(u[i]);
    }
    if (computes) computes_reduce_.insert(u.get());
  }
}

void Outcomes::find(const std::vector<UOp>& order, const std::vector<std::vector<size_t>>& readers,
                    size_t reduce) {
  const UOp& u = order[reduce];
  double size = size_of(u->shape);
  size_t outcome = reduce;
  std::vector<size_t> before;  // the outcome
  std::vector<size_t> since;
  // Values whose readers are still to be looked at, sources first: where there is one alone, all
  // goes through it.
  std::set<size_t> open = {reduce};
  for (bool goes_on = true; goes_on && !open.empty();) {
    size_t next = *open.begin();
    open.erase(open.begin());
    bool alone = open.empty() && (next == reduce || is_elementwise(order[next]->op));
    if (alone) {
      outcome = next;
      before.insert(before.end(), since.begin(), since.end());
      since.clear();
    }
    since.push_back(next);
    goes_on = !readers[next].empty();
    for (size_t reader : readers[next]) {
      const UOp& r = order[reader];
      bool moves = r->op == Op::Reshape || r->op == Op::Permute;
      goes_on &= size_of(r->shape) == size && (is_elementwise(r->op) || moves);
      open.insert(reader);
    }
  }
  outcomes_[order[outcome].get()] |= depends_on_order(u);
  for (size_t i : before) passed_.insert(order[i].get());
}

}  // namespace niwaki
