// Constants in the order in which they are read.
//
// A kernel whose lanes are rows reads the same place of as many rows at once; in a file these are a
// row apart. Constants are read by every launch and never written, so a kernel that wants them side
// by side gets a copy: blocks of rows, in a block what the loops inside read in their order, and of
// each the rows next to each other. What is copied is not bytes but the largest expressions of
// constants that are no larger than what they are made of: the two bytes of a scale become a half.
// Packing is a kernel like any other, run once; who keeps the copies is the runtime's affair.
//
// It is done for what is looked up in tables: there a lane costs so little that what it reads has
// to come in whole vectors. A product of plain floats reads its rows as they are, in vectors along
// the sum.
#include <algorithm>
#include <set>

#include "codegen/lookups.h"
#include "codegen/prepare.h"
#include "core/bounds.h"
#include "core/node_map.h"
#include "core/rewrite.h"
#include "ops/rules.h"

namespace niwaki {
namespace {

bool has_lookup(const UOp& root) {
  std::vector<UOp> nodes = toposort(root);
  return std::any_of(nodes.begin(), nodes.end(), table_index);
}

// What writes memory, the stores of a kernel or a stage: where it writes, and what.
struct Writer {
  UOp root;
  UOp at;
  std::vector<UOp> values;
};

std::vector<Writer> writers_of(const UOp& ast) {
  std::vector<Writer> all;
  for (const UOp& u : toposort(ast)) {
    if (u->op == Op::Stage && u->get<StageInfo>().stores == 1) all.push_back({u, u[0], {u[1]}});
  }
  Writer stores = {ast[0], ast[0][1], {}};
  for (const UOp& store : ast->src) stores.values.push_back(store[2]);
  all.push_back(std::move(stores));
  return all;
}

// The loop along which neighbours are written.
UOp fastest_loop(const Writer& writer) {
  for (const UOp& r : loops_of(writer.root)) {
    UOp next = substitute(writer.at, {{r, r + index(1)}});
    if (is_const(simplify(next - writer.at), 1)) return r;
  }
  return {};
}

// Rows of a block: the lanes of the widest vector that a lookup gives.
int64_t rows_of_block(const Target& target) {
  int64_t rows = 8;
  for (const LaneLookup& lookup : target.lookups) rows = std::max(rows, lookup.lanes);
  return rows;
}

// The one constant param that an expression is made of, beside loops; null: it is of others too.
UOp source_of(const UOp& u) {
  UOp source;
  for (const UOp& x : toposort(u)) {
    if (x->op == Op::Variable || x->op == Op::Stage || x->op == Op::Reduce) return {};
    if (x->op == Op::Load && x->src.size() > 2) return {};
    if (x->op != Op::Param) continue;
    if (!x->get<ParamInfo>().constant || (source && source != x)) return {};
    source = x;
  }
  return source;
}

double iterations(const UOp& u) {
  double n = 1;
  for (const UOp& r : toposort(u)) {
    if (r->op == Op::Range) n *= double(r[0]->hi);
  }
  return n;
}

// Whether more is known of a value than of its dtype, which a copy in memory would forget.
bool has_bounds(const UOp& u) {
  Interval all = dtype_bounds(u->dtype);
  return is_integer(u->dtype) && (u->lo > all.lo || u->hi < all.hi);
}

bool is_larger_than_source(const UOp& u) {
  double read = 0;
  for (const UOp& x : toposort(u)) {
    if (x->op == Op::Load) read += double(byte_size(x->dtype)) * iterations(x);
  }
  return double(byte_size(u->dtype)) * iterations(u) > read;
}

// The largest expressions of constants that change with `r`, down to other stages.
std::vector<UOp> constants_along(const Writer& writer, const UOp& r) {
  std::vector<UOp> found;
  std::vector<UOp> todo = writer.values;
  NodeMap<bool> seen;
  while (!todo.empty()) {
    UOp u = todo.back();
    todo.pop_back();
    if (u->op == Op::Stage || std::exchange(seen[u.get()], true)) continue;
    bool data = u->dtype != void_type && u->dtype != i64 && u->dtype != boolean &&
                u->op != Op::Param && (u->ranges & r->ranges);
    bool copies = data && source_of(u) && !has_bounds(u) && !is_larger_than_source(u);
    if (copies) found.push_back(u);
    else todo.insert(todo.end(), u->src.begin(), u->src.end());
  }
  return found;
}

UOp param(int64_t number, DType t, int64_t size, bool constant) {
  return make(Op::Param, {}, ParamInfo{number, t, size, constant});
}

// A load of a constant from its copy, in which a last block that is not whole repeats the last row;
// and the kernel that makes the copy.
UOp from_copy(const UOp& u, const UOp& r, int64_t block_rows, int64_t number, LaidOut& made) {
  std::vector<UOp> inner;
  for (const UOp& x : toposort(u)) {
    if (x->op == Op::Range && x != r) inner.push_back(x);
  }
  std::sort(inner.begin(), inner.end(), [](const UOp& a, const UOp& b) {
    return a->get<RangeInfo>().id < b->get<RangeInfo>().id;
  });
  UOp rows = index(block_rows);
  int64_t blocks = (r[0]->hi + block_rows - 1) / block_rows;
  int64_t size = blocks * block_rows;
  UOp block = range(index(blocks), 0, AxisKind::Loop);
  UOp lane = range(rows, int64_t(inner.size()) + 1, AxisKind::Loop);
  UOp row = block * rows + lane;
  UOp last = index(r[0]->hi - 1);
  UOp read = r / rows;
  UOp written = block;
  std::vector<UOp> loops = {block};
  std::vector<std::pair<UOp, UOp>> renamed = {{r, where(row < last, row, last)}};
  for (const UOp& x : inner) {
    loops.push_back(range(x[0], int64_t(loops.size()), AxisKind::Loop));
    renamed.emplace_back(x, loops.back());
    read = read * x[0] + x;
    written = written * x[0] + loops.back();
    size *= x[0]->hi;
  }
  loops.push_back(lane);
  UOp source = source_of(u);
  const ParamInfo& info = source->get<ParamInfo>();
  renamed.emplace_back(source, param(1, info.dtype, info.size, true));
  std::vector<UOp> src = {param(0, u->dtype, size, false), simplify(written * rows + lane),
                          simplify(substitute(u, renamed))};
  src.insert(src.end(), loops.begin(), loops.end());
  made = {make(Op::Sink, {make(Op::Store, std::move(src))}), info.index, u->dtype, size};
  return make(Op::Load, {param(number, u->dtype, size, true), simplify(read * rows + r % rows)});
}

// The stores over whole blocks of rows: behind the last row it is computed and stored again.
UOp in_whole_blocks(const UOp& ast, const UOp& r, int64_t rows,
                    const std::vector<std::pair<UOp, UOp>>& copies) {
  const int64_t* end = const_int(r[0]);
  int64_t blocks = (*end + rows - 1) / rows;
  UOp longer = make(Op::Range, {index(blocks * rows)}, r->arg);
  UOp last = index(*end - 1);
  std::vector<std::pair<UOp, UOp>> placed;
  for (const auto& [u, copy] : copies) {
    placed.emplace_back(u, substitute(copy, {{r, longer}}));
  }
  UOp copied = substitute(ast, placed);
  std::vector<UOp> stores;
  for (const UOp& store : copied->src) {
    std::vector<UOp> src = store->src;
    for (size_t i = 1; i < src.size(); ++i) {
      bool is_loop = i >= first_loop(*store);
      if (!is_loop) src[i] = substitute(src[i], {{r, where(longer < last, longer, last)}});
      else if (src[i] == r) src[i] = longer;
    }
    stores.push_back(make(Op::Store, std::move(src), store->arg));
  }
  return make(Op::Sink, std::move(stores));
}

}  // namespace

UOp pack_constants(const UOp& ast, const Target& target, int64_t next_param,
                   std::vector<LaidOut>& constants) {
  const int64_t rows = rows_of_block(target);
  UOp result = ast;
  for (const Writer& writer : writers_of(ast)) {
    bool looks_up = std::any_of(writer.values.begin(), writer.values.end(), has_lookup);
    UOp r = looks_up ? fastest_loop(writer) : UOp();
    const int64_t* end = r ? const_int(r[0]) : nullptr;
    bool is_kernel = writer.root->op == Op::Store;
    if (!end || *end < rows || (!is_kernel && *end % rows != 0)) continue;
    std::vector<std::pair<UOp, UOp>> copies;
    for (const UOp& u : constants_along(writer, r)) {
      LaidOut made;
      copies.emplace_back(u, from_copy(u, r, rows, next_param++, made));
      constants.push_back(std::move(made));
    }
    if (*end % rows == 0) result = substitute(result, copies);
    else if (!copies.empty()) result = in_whole_blocks(result, r, rows, copies);
  }
  return simplify(result);
}

}  // namespace niwaki
