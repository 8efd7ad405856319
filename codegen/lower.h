// Lowering: a kernel's AST becomes linear code for a target.
//
// lower() is a flat list of named passes. Up to `linearize` each is a graph rewrite that keeps the
// kernel's meaning; linearize orders the nodes and closes the loops.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "codegen/target.h"
#include "core/uop.h"

namespace niwaki {

/// A choice about one loop. The list of them is the whole optimisation of a kernel, kept as data.
struct Move {
  enum class Kind : uint8_t {
    Split,
    Merge,
    Vector,
    Unroll,
    Pack,
    Parallel,
    Global,
    Local,
    Stream
  } kind;
  /// The range, by id, and whether it is a reduce's; nothing for Stream, which is about stores.
  int64_t range;
  bool reduce;
  /// Iterations of the new inner loop; the id of the loop merged into this one; lanes; copies. 0
  /// for Pack, Parallel, Global and Stream.
  int64_t amount;
  friend bool operator==(const Move&, const Move&) = default;
};

/// The id of the loop inside of the first split; each further split's is one more.
inline constexpr int64_t first_inner_id = 40;

std::string to_string(const Move& move);
/// The move that to_string() writes so; none for any other text.
std::optional<Move> parse_move(const std::string& text);

/// The arg of a Store that goes past the caches.
inline constexpr int64_t streaming = 1;

/// Linear code and how to launch it.
struct LinearCode {
  std::vector<UOp> code;
  std::vector<UOp> params;
  std::vector<UOp> variables;
  /// Iterations of the Parallel loop, an expression over the variables; null: none.
  UOp parallel;
  /// Iterations of the Global and Local loops, in order of their dimension.
  std::vector<UOp> globals;
  std::vector<UOp> locals;
  /// Operations at the greatest value of every variable: what decides whether threads pay.
  double work = 0;
};

/// Called after each pass with its name and result.
using PassTrace = std::function<void(const std::string& pass, const UOp& ast)>;

/// What chooses the moves of a kernel, which it is given as they will be applied to it.
using MoveChoice = std::function<std::vector<Move>(const UOp& ast, const Target& target)>;

/// The moves that the heuristic chooses (axes.cpp).
std::vector<Move> choose_axes(const UOp& ast, const Target& target);

LinearCode lower(const UOp& ast, const Target& target, const PassTrace& trace = {},
                 const MoveChoice& choose = choose_axes);

/// The names of the graph passes, in order.
std::vector<std::string> pass_names();

/// Linear code as text, indented by loop.
std::string print(const LinearCode& linear);

// --- the passes ---

/// The kernel with the moves applied: split loops, loops of other kinds, vectors and copies of the
/// body; InternalError where a loop does not allow its move (moves.cpp, expand.cpp, pack.cpp).
UOp apply_moves(const UOp& ast, const std::vector<Move>& moves);
UOp vectorize(const UOp& ast, const UOp& range, int64_t lanes);
UOp unroll(const UOp& ast, const UOp& range, int64_t copies);
/// What the loop's iterations read alike comes from a stage around it (pack.cpp).
UOp pack(const UOp& ast, const UOp& range);
/// Values that stand side by side in a stage, and the loops that it is filled in, outermost first.
struct Packing {
  std::vector<UOp> values;
  std::vector<UOp> loops;
};
/// Stores, or a stage, with the factors of every product that the loop's iterations read alike
/// together.
UOp regrouped(const UOp& root, const UOp& range);
/// What pack() would lay out of them, or of it.
std::vector<Packing> packings(const UOp& root, const UOp& range);
double bytes_of(const Packing& packing);
/// Whether a loop can run in pieces of `amount` iterations, the last one perhaps overlapping the
/// one before.
bool comes_in_pieces(const UOp& ast, const UOp& range, int64_t amount);
/// The loop over the pieces of `range`, and the iteration at which one begins.
UOp pieces(const UOp& range, int64_t amount);
UOp start_of_piece(const UOp& piece, const UOp& range, int64_t amount);

/// Factors that no loop of a sum changes leave it, and those that the innermost one does not
/// change leave that (factor.cpp).
UOp factor(const UOp& ast, const Target& target);
UOp factor_groups(const UOp& ast, const Target& target);

/// Sums of bytes in lanes of sixteen bits, two lanes in one word (widen.cpp).
UOp add_as_words(const UOp& ast, const Target& target);

/// Vectors of neighbouring elements become wide loads (coalesce.cpp).
UOp coalesce(const UOp& ast, const Target& target);

/// Ops and dtypes that the target lacks become ones it has (decompose.cpp).
UOp decompose(const UOp& ast, const Target& target);

/// One step of a reduce: `acc` with `value`, in ops the target has; a product is added unrounded.
UOp combine(Op op, const UOp& acc, const UOp& value, const Target& target);

/// Every load and store proved inside its buffer, or kept there by a clamp where a gate allows it;
/// InternalError otherwise (bounds.cpp).
UOp prove_bounds(const UOp& ast, const Target& target);
/// InternalError naming `pass` and an access that is not proved; changes nothing.
void verify_bounds(const UOp& ast, const char* pass);

/// Ordered code: every value in the outermost loop it can be in, reduces as loops around an
/// accumulator, reduces over the same ranges in one loop (linearize.cpp).
LinearCode linearize(const UOp& ast, const Target& target);

/// Rows of large memory that several loops read are asked for while the one before is worked on
/// (prefetch.cpp).
void prefetch_rows(LinearCode& linear, const Target& target);

}  // namespace niwaki
