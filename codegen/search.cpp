// The neighbours of a list of moves.
//
// A search that walks from neighbour to neighbour reaches every list, and begins at what the
// heuristic chose, which is seldom far from the best. What is legal is asked of lower(),
// which refuses what it cannot do: rules of which move goes with which would have to be kept true
// beside it.
//
// The cost that orders them is read off the linear code: instructions, as often as the loops around
// them run. Copies that share a value, lanes that load one by one and a factor that is hoisted all
// show in that number, without a model of them. A vector wider than the machine's counts as
// several, and accumulators beyond its registers as that many times slower. It knows no cache,
// which is what measuring is for.
//
// Rejected: all lists of some grid of amounts. There are thousands for a matmul, most of them bad,
// and the grid has to be drawn by somebody who knows what a matmul is.
#include "codegen/search.h"

#include <algorithm>

#include "core/error.h"

namespace niwaki {
namespace {

using Kind = Move::Kind;

// More copies of a body than this take longer to compile than they could save.
constexpr int64_t most_copies = 64;

struct Candidate {
  std::vector<Move> moves;
  double cost;
};

// Only loops over what is written may be shared by threads, and lanes are a power of two.
bool has_meaning(const std::vector<Move>& moves) {
  return std::all_of(moves.begin(), moves.end(), [](const Move& m) {
    if (m.kind == Kind::Parallel || m.kind == Kind::Pack) return !m.reduce;
    return m.kind != Kind::Vector || (m.amount & (m.amount - 1)) == 0;
  });
}

std::optional<LinearCode> lowered(const UOp& ast, const Target& target,
                                  const std::vector<Move>& moves) {
  if (!has_meaning(moves)) return std::nullopt;
  try {
    return lower(ast, target, {}, [&](const UOp&, const Target&) { return moves; });
  } catch (const InternalError&) {
    return std::nullopt;
  }
}

double cost_of(const LinearCode& linear, const Target& target) {
  std::vector<double> runs = {1};
  double total = 0;
  double accumulators = 0;
  double most = 0;
  for (const UOp& u : linear.code) {
    double width = std::max(1.0, double(u->dtype.lanes) / double(target.lanes));
    switch (u->op) {
      case Op::Range:
        runs.push_back(runs.back() * double(std::max<int64_t>(1, u[0]->hi)));
        accumulators = 0;
        break;
      case Op::End: runs.pop_back(); break;
      case Op::Update:
        accumulators += std::max(1.0, double(u[1]->dtype.lanes) / double(target.lanes));
        most = std::max(most, accumulators);
        break;
      default: total += runs.back() * width;
    }
  }
  return total * std::max(1.0, most / double(std::max<int64_t>(1, target.registers)));
}

bool is_moderate(const std::vector<Move>& moves, const Target& target) {
  int64_t copies = 1;
  for (const Move& m : moves) {
    if (m.kind == Kind::Unroll) copies *= m.amount;
    if (m.kind == Kind::Vector && m.amount > 2 * target.lanes) return false;
  }
  return copies <= most_copies;
}

bool is_moved(const UOp& loop, Kind kind, const std::vector<Move>& moves) {
  const RangeInfo& info = loop->get<RangeInfo>();
  return std::any_of(moves.begin(), moves.end(), [&](const Move& m) {
    return m.kind == kind && m.range == info.id && m.reduce == (info.kind == AxisKind::Reduce);
  });
}

// Every list that differs in one move, legal or not.
std::vector<std::vector<Move>> variations(const UOp& ast, const Target& target,
                                          const std::vector<Move>& moves) {
  std::vector<UOp> loops;
  for (const UOp& u : toposort(ast)) {
    if (u->op == Op::Range) loops.push_back(u);
  }
  std::vector<std::vector<Move>> all;
  auto with = [&](size_t i, const Move& move) {
    all.push_back(moves);
    all.back()[i] = move;
  };
  auto on = [](const UOp& loop, Kind kind, int64_t amount) {
    const RangeInfo& info = loop->get<RangeInfo>();
    return Move{kind, info.id, info.kind == AxisKind::Reduce, amount};
  };
  bool vectors = false;
  bool parallel = false;
  bool packed = false;
  for (size_t i = 0; i < moves.size(); ++i) {
    const Move& move = moves[i];
    vectors |= move.kind == Kind::Vector;
    parallel |= move.kind == Kind::Parallel;
    packed |= move.kind == Kind::Pack;
    // What a launch on more threads, or the next kernel would miss, is not seen here.
    bool fixed = move.kind == Kind::Parallel || move.kind == Kind::Stream;
    if (move.kind == Kind::Merge) continue;
    if (!fixed) {
      all.push_back(moves);
      all.back().erase(all.back().begin() + int64_t(i));
    }
    for (int64_t amount : {move.amount / 2, move.amount * 3 / 2, move.amount * 2}) {
      if (amount > 1) with(i, {move.kind, move.range, move.reduce, amount});
    }
    bool movable = move.kind == Kind::Vector || move.kind == Kind::Parallel;
    if (!movable && move.kind != Kind::Pack) continue;
    for (const UOp& loop : loops) {
      if (!is_moved(loop, move.kind, moves)) with(i, on(loop, move.kind, move.amount));
    }
  }
  for (const UOp& loop : loops) {
    auto add = [&](const Move& move) {
      all.push_back(moves);
      // Vectors come first: they are made of loops as they are.
      bool first = move.kind == Kind::Vector;
      all.back().insert(first ? all.back().begin() : all.back().end(), move);
    };
    if (!vectors && target.lanes > 1) add(on(loop, Kind::Vector, target.lanes));
    if (!is_moved(loop, Kind::Unroll, moves)) {
      for (int64_t copies : {2, 4}) add(on(loop, Kind::Unroll, copies));
    }
    if (!parallel) add(on(loop, Kind::Parallel, 0));
    if (!packed && target.lanes > 1) add(on(loop, Kind::Pack, 0));
  }
  return all;
}

}  // namespace

std::string to_string(const std::vector<Move>& moves) {
  std::string text;
  for (const Move& move : moves) text += (text.empty() ? "" : "; ") + to_string(move);
  return text;
}

std::optional<std::vector<Move>> parse_moves(const std::string& text) {
  std::vector<Move> moves;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = std::min(text.find("; ", begin), text.size());
    std::optional<Move> move = parse_move(text.substr(begin, end - begin));
    if (!move) return std::nullopt;
    moves.push_back(*move);
    begin = end + 2;
  }
  return to_string(moves) == text ? std::optional(moves) : std::nullopt;
}

bool is_legal(const UOp& ast, const Target& target, const std::vector<Move>& moves) {
  return lowered(ast, target, moves).has_value();
}

std::vector<std::vector<Move>> neighbours(const UOp& ast, const Target& target,
                                          const std::vector<Move>& moves) {
  std::vector<Candidate> candidates;
  for (const std::vector<Move>& list : variations(ast, target, moves)) {
    if (!is_moderate(list, target)) continue;
    if (std::optional<LinearCode> linear = lowered(ast, target, list)) {
      candidates.push_back({list, cost_of(*linear, target)});
    }
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.cost < b.cost; });
  std::vector<std::vector<Move>> lists;
  for (Candidate& c : candidates) lists.push_back(std::move(c.moves));
  return lists;
}

}  // namespace niwaki
