// Share: what every thread would compute before its loops becomes a kernel of its own.
//
// A stage that depends on no loop is filled by each thread, for each part of the work it takes. For
// a row that is read again that is as it should be; a table costs more, and all products with one
// vector look up the same. So it is stored by a kernel before, which threads share, and which is
// launched once for all that ask for the same table of the same values: queries, keys and values,
// or both halves of a gated layer.
//
// Rejected: leaving it to the schedule. There is no table yet when places of values are chosen.
#include <algorithm>

#include "codegen/prepare.h"
#include "core/node_map.h"
#include "core/rewrite.h"
#include "ops/rules.h"
#include "schedule/estimate.h"
#include "schedule/schedule.h"

namespace niwaki {
namespace {

// Operations that cost more than a launch and a meeting of threads.
constexpr double least_work = 2e5;

// Loops numbered from 0 in their order, so that equal tables of different kernels are one node.
UOp renumbered(const UOp& kernel) {
  std::vector<UOp> loops;
  for (const UOp& u : toposort(kernel)) {
    if (u->op == Op::Range) loops.push_back(u);
  }
  auto place = [](const UOp& r) {
    const RangeInfo& info = r->get<RangeInfo>();
    return std::pair(info.kind != AxisKind::Loop, info.id);
  };
  std::sort(loops.begin(), loops.end(),
            [&](const UOp& a, const UOp& b) { return place(a) < place(b); });
  NodeMap<UOp> made;
  for (const UOp& u : toposort(kernel)) {
    std::vector<UOp> src;
    for (const UOp& s : u->src) src.push_back(*made.find(s.get()));
    if (u->op != Op::Range) {
      made[u.get()] = with_sources(u, std::move(src));
      continue;
    }
    int64_t number = std::find(loops.begin(), loops.end(), u) - loops.begin();
    made[u.get()] = range(src[0], number, u->get<RangeInfo>().kind);
  }
  return simplify(*made.find(kernel.get()));
}

UOp as_kernel(const UOp& stage) {
  std::vector<std::pair<UOp, UOp>> loops;
  std::vector<UOp> ends;
  for (const UOp& r : loops_of(stage)) {
    ends.push_back(range(r[0], r->get<RangeInfo>().id, AxisKind::Loop));
    loops.emplace_back(r, ends.back());
  }
  int64_t n_params = 0;
  for (const UOp& u : toposort(stage)) {
    if (u->op == Op::Param) n_params = std::max(n_params, u->get<ParamInfo>().index + 1);
  }
  int64_t size = stage->get<StageInfo>().size;
  UOp written = make(Op::Param, {}, ParamInfo{n_params, stage->dtype, size, false});
  std::vector<UOp> stores;
  for (size_t i = 0; i < first_loop(*stage); i += 2) {
    std::vector<UOp> src = {written, substitute(stage[i], loops), substitute(stage[i + 1], loops)};
    src.insert(src.end(), ends.begin(), ends.end());
    stores.push_back(make(Op::Store, std::move(src)));
  }
  return renumbered(make(Op::Sink, std::move(stores)));
}

}  // namespace

UOp share_tables(const UOp& ast, int64_t next_param, std::vector<Shared>& shared) {
  std::vector<std::pair<UOp, UOp>> params;
  std::vector<UOp> todo = {ast};
  NodeMap<bool> seen;
  while (!todo.empty()) {
    UOp u = todo.back();
    todo.pop_back();
    if (std::exchange(seen[u.get()], true)) continue;
    bool outside = u->op == Op::Stage && u->ranges == 0;
    UOp kernel = outside ? as_kernel(u) : UOp();
    if (!kernel || kernel_work(kernel) < least_work) {
      todo.insert(todo.end(), u->src.begin(), u->src.end());
      continue;
    }
    KernelAst numbered = number_params(kernel);
    int64_t size = u->get<StageInfo>().size;
    params.emplace_back(u, make(Op::Param, {}, ParamInfo{next_param++, u->dtype, size, false}));
    shared.push_back({numbered.ast, {numbered.params.begin() + 1, numbered.params.end()},
                      u->dtype, size});
  }
  return params.empty() ? ast : substitute(ast, params);
}

}  // namespace niwaki
