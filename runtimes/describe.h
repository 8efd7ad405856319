// Words for kernels, buffers and sizes: what NIWAKI_DEBUG and `niwaki explain` say alike.
#pragma once

#include <string>
#include <vector>

#include "codegen/lower.h"
#include "schedule/schedule.h"

namespace niwaki {

/// "64 B", "1.5 KiB", "2.1 MiB".
std::string bytes_text(double bytes);

/// "640", "16.4 k", "1.05 M", "3.2 G".
std::string count_text(double count);

/// "f32[4, 64]".
std::string buffer_text(const Buffer& buffer);

/// The loops of a kernel, outermost first, as moves name them: "r0 < 4", "k1 < pos + 1"; k is a
/// reduce's.
std::vector<std::string> loop_texts(const UOp& ast);

/// "vector k2 by 8", "unroll r1 by 4", "parallel r1".
std::vector<std::string> move_texts(const std::vector<Move>& moves);

/// The moves that lowering a kernel for the target makes.
std::vector<Move> moves_of(const UOp& ast, const Target& target,
                           const MoveChoice& choose = choose_axes);

}  // namespace niwaki
