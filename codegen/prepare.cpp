#include "codegen/prepare.h"

#include "core/env.h"
#include "core/verify.h"
#include "ops/rules.h"
#include "schedule/schedule.h"

namespace niwaki {

Prepared prepare(const UOp& ast, const Target& target, const PassTrace& trace) {
  SimplifyMemo memo;
  bool verifies = env_int("NIWAKI_VERIFY") > 0;
  int64_t n_params = 0;
  for (const UOp& u : toposort(ast)) n_params += u->op == Op::Param;
  Prepared result = {ast, {}, {}, {}};
  auto done = [&](const char* pass) {
    if (verifies) verify(result.ast, Stage::Kernel, pass);
    if (trace) trace(pass, result.ast);
  };
  // Parts of sums that depend on a few bits are looked up.
  if (!is_off("tabulate")) result.ast = tabulate(result.ast, target);
  done("tabulate");
  // Integers too wide for the lanes of a lookup are looked up digit by digit.
  if (!is_off("limbs")) result.ast = split_limbs(result.ast, target);
  done("limbs");
  // Tables are filled once, not by every thread.
  if (!is_off("share")) result.ast = share_tables(result.ast, n_params, result.shared);
  done("share");
  // Constants stand in the order in which they are read.
  if (!is_off("pack")) {
    int64_t next_param = n_params + std::ssize(result.shared);
    result.ast = pack_constants(result.ast, target, next_param, result.constants);
  }
  done("pack");
  KernelAst numbered = number_params(result.ast);
  result.ast = numbered.ast;
  result.params = std::move(numbered.params);
  return result;
}

}  // namespace niwaki
