#include "core/op.h"

#include <array>

namespace niwaki {
namespace {

constexpr int Any = -1;
constexpr uint8_t T = uint8_t(Stage::Tensor);
constexpr uint8_t K = uint8_t(Stage::Kernel);
constexpr uint8_t L = uint8_t(Stage::Linear);
constexpr bool Plain = false;
constexpr bool Commutative = true;

constexpr std::array<OpInfo, n_ops> table = {{
#define OP(name, text, sources, stages, algebra, meaning) \
  OpInfo{text, sources, uint8_t(stages), algebra, meaning},
#include "core/op.def"
#undef OP
}};

}  // namespace

const OpInfo& info(Op op) { return table[size_t(op)]; }

std::optional<Op> op_from_name(std::string_view name) {
  for (int i = 0; i < n_ops; ++i) {
    if (table[i].name == name) return Op(i);
  }
  return std::nullopt;
}

}  // namespace niwaki
