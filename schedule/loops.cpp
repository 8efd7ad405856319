// Which loops of a kernel are one, and which stand outside.
//
// A stage and a reduce that reads it element by element share their loops: what is stored is summed
// while it is there, and the exponentials of a softmax are computed and added up in one pass. The
// reduce takes the stage's loops for its own and the value itself, not the memory; that the loops
// meet is the linearizer's work. A reduce that also needs the stage as a whole, because a maximum
// over it comes first, say, cannot; nor one that stands in more loops than the stage.
//
// The loops of the output may stand in any order. Those that reduces and stages depend on stand
// outside, so that these are computed once for all that is inside: the statistics of a channel for
// all of its pixels, wherever in the shape the channel stands.
#include <algorithm>
#include <unordered_set>

#include "core/rewrite.h"
#include "schedule/schedule.h"

namespace niwaki {
namespace {

// Whether a reduce or stage of `body` other than `stage` itself needs it.
bool needs_as_a_whole(const UOp& body, const UOp& stage) {
  std::unordered_set<const Node*> needing = {stage.get()};
  for (const UOp& u : toposort(body)) {
    bool needs = std::any_of(u->src.begin(), u->src.end(),
                             [&](const UOp& s) { return needing.count(s.get()) > 0; });
    if (!needs) continue;
    needing.insert(u.get());
    if (first_loop(*u) < u->src.size()) return true;
  }
  return false;
}

// The loops of `from` in the place of those of `to`, one by one; empty where they differ in length.
std::vector<std::pair<UOp, UOp>> paired(const UOp& from, const UOp& to) {
  std::vector<UOp> a = loops_of(from);
  std::vector<UOp> b = loops_of(to);
  std::vector<std::pair<UOp, UOp>> pairs;
  for (size_t i = 0; i < a.size() && a.size() == b.size(); ++i) {
    if (a[i][0] != b[i][0]) return {};
    pairs.emplace_back(a[i], b[i]);
  }
  return pairs;
}

UOp take_from_loop(const UOp& u) {
  if (u->op != Op::Reduce) return {};
  for (const UOp& load : toposort(u[0])) {
    bool plain = load->op == Op::Load && load->src.size() == 2 && load[0]->op == Op::Stage;
    if (!plain || loops_of(load[0]) == loops_of(u)) continue;
    const UOp& stage = load[0];
    // Both stand in the same loops, or one would be computed as often as the other.
    if (stage->ranges != u->ranges) continue;
    std::vector<std::pair<UOp, UOp>> loops = paired(u, stage);
    if (loops.empty() || substitute(load[1], loops) != stage[0]) continue;
    if (needs_as_a_whole(u[0], stage)) continue;
    UOp body = substitute(substitute(u[0], {{load, stage[1]}}), loops);
    std::vector<UOp> src = {body};
    for (const UOp& r : loops_of(stage)) src.push_back(r);
    return make(Op::Reduce, std::move(src), u->arg);
  }
  return {};
}

}  // namespace

UOp share_loops(const UOp& ast) { return graph_rewrite(ast, take_from_loop); }

UOp order_loops(const UOp& ast) {
  std::vector<UOp> loops = loops_of(ast[0]);
  RangeSet all = bound_ranges(*ast[0]);
  std::vector<UOp> nodes = toposort(ast);
  auto hoisted = [&](const UOp& r) {
    return std::count_if(nodes.begin(), nodes.end(), [&](const UOp& u) {
      bool leaves = (u->op == Op::Reduce || u->op == Op::Stage) && (u->ranges & all) != all;
      return leaves && (u->ranges & r->ranges);
    });
  };
  std::stable_sort(loops.begin(), loops.end(),
                   [&](const UOp& a, const UOp& b) { return hoisted(a) > hoisted(b); });
  std::vector<UOp> stores;
  for (const UOp& store : ast->src) {
    std::vector<UOp> src(store->src.begin(), store->src.begin() + 3);
    src.insert(src.end(), loops.begin(), loops.end());
    stores.push_back(make(Op::Store, std::move(src)));
  }
  return make(Op::Sink, std::move(stores));
}

}  // namespace niwaki
