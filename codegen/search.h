// Other choices of moves: what a search tries instead of the heuristic's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "codegen/lower.h"

namespace niwaki {

/// The list as text: "vector r1 by 8; parallel r0"; empty for none.
std::string to_string(const std::vector<Move>& moves);
/// The list that to_string() writes so; none for any other text.
std::optional<std::vector<Move>> parse_moves(const std::string& text);

/// Whether lower() takes the list for this kernel.
bool is_legal(const UOp& ast, const Target& target, const std::vector<Move>& moves);

/// Legal lists that differ from `moves` in one move: another amount, another loop, one less or one
/// more; those that look cheapest first.
std::vector<std::vector<Move>> neighbours(const UOp& ast, const Target& target,
                                          const std::vector<Move>& moves);

}  // namespace niwaki
