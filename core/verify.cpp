#include "core/verify.h"

#include "core/error.h"
#include "core/text.h"

namespace niwaki {
namespace {

// Why a node may not stand here; null where it may.
const char* objection(const UOp& u, Stage stage) {
  if (!(info(u->op).stages & uint8_t(stage))) return "has no place in this stage";
  if (stage == Stage::Tensor) {
    if (u->dtype.lanes != 1) return "is a vector in a tensor graph";
    if (u->op == Op::Reduce && u->src.size() != 1) return "reduces over ranges, not axes";
    return nullptr;
  }
  if (!u->shape.empty()) return "has a shape, but shapes are ranges by now";
  if (u->dtype.packed && u->op != Op::Param) return "is packed, but only bytes are loaded";
  if (u->op == Op::Reduce && !u->get<Reduction>().axes.empty()) return "reduces over axes";
  if (u->op == Op::Load || u->op == Op::Store) {
    bool reads_stage = u->op == Op::Load && u[0]->op == Op::Stage;
    if (u[0]->op != Op::Param && !reads_stage) return "has no param";
    if (u[1]->dtype.scalar() != i64) return "has an index that is no i64";
  }
  return nullptr;
}

}  // namespace

void verify(const UOp& root, Stage stage, std::string_view pass) {
  for (const UOp& u : toposort(root)) {
    const char* why = objection(u, stage);
    if (why) bug("{}: {} {}:\n{}", pass, info(u->op).name, why, print(u));
  }
  if (stage != Stage::Tensor) {
    if (root->ranges) bug("{}: ranges are left open in\n{}", pass, print(root));
  }
}

}  // namespace niwaki
