#include "codegen/lower.h"

#include "core/env.h"
#include "core/verify.h"
#include "ops/rules.h"
#include "schedule/estimate.h"

namespace niwaki {
namespace {

struct Pass {
  const char* name;
  /// Null: the moves that are chosen for this kernel.
  UOp (*run)(const UOp& ast, const Target& target);
  /// Loops are still as they were scheduled, so that every access can be proved once more.
  bool keeps_loops = false;
  /// The code is only slower without it, so NIWAKI_OFF may name it.
  bool is_optional = false;
};

bool implies(const UOp& gate, const UOp& condition) {
  if (gate == condition) return true;
  return gate->op == Op::And && (implies(gate[0], condition) || implies(gate[1], condition));
}

// A load is zero where its gate is closed: to choose between it and zero says so twice.
UOp fold_gate(const UOp& u) {
  if (u->op != Op::Where || u[1]->op != Op::Load || u[1]->src.size() < 3) return {};
  bool zero = u[2]->op == Op::Const && u[2]->get<Constant>().value.bits == 0;
  return zero && implies(u[1][2], u[0]) ? u[1] : UOp();
}

UOp fold_choices(const UOp& ast, const Target& target) {
  static const Rules rules = select_rules() + index_rules() + float_rules();
  return target.interpreted ? ast : graph_rewrite(graph_rewrite(ast, fold_gate), rules);
}

constexpr Pass passes[] = {
    // Every index is proved to stay in its buffer, before anything hides what it is.
    {"bounds", prove_bounds, true},
    // Arithmetic on one of two values is a choice between two results.
    {"select", fold_choices, true, true},
    // What the loops of a sum do not change multiplies the sum.
    {"factor", factor, false, true},
    // Loops are split, spread over threads, run as vectors or copied.
    {"axes", nullptr},
    // So does what only its innermost loop does not change.
    {"groups", factor_groups, false, true},
    // Vectors of bytes are added up without being widened.
    {"widen", add_as_words, false, true},
    // Neighbours that are wanted together are loaded together.
    {"coalesce", coalesce},
    // Only ops and dtypes of the target are left.
    {"decompose", decompose},
};

}  // namespace

LinearCode lower(const UOp& ast, const Target& target, const PassTrace& trace,
                 const MoveChoice& choose) {
  SimplifyMemo memo;
  bool verifies = env_int("NIWAKI_VERIFY") > 0;
  UOp result = ast;
  for (const Pass& pass : passes) {
    if (pass.is_optional && is_off(pass.name)) continue;
    result = pass.run ? pass.run(result, target) : apply_moves(result, choose(result, target));
    if (verifies) {
      verify(result, Stage::Kernel, pass.name);
      if (pass.keeps_loops) verify_bounds(result, pass.name);
    }
    if (trace) trace(pass.name, result);
  }
  // Ordered, with every loop closed.
  LinearCode linear = linearize(result, target);
  if (!is_off("prefetch")) prefetch_rows(linear, target);
  linear.work = kernel_work(ast);
  return linear;
}

std::vector<std::string> pass_names() {
  std::vector<std::string> names;
  for (const Pass& pass : passes) names.push_back(pass.name);
  return names;
}

}  // namespace niwaki
