// Moves on loops: what a list of them does to a kernel. Each keeps the kernel's meaning, whichever
// loop it is made on, so that the choice of moves (axes.cpp, or a search) need only be about speed.
#include <algorithm>
#include <charconv>
#include <sstream>

#include "codegen/lower.h"
#include "core/error.h"
#include "core/rewrite.h"
#include "ops/rules.h"

namespace niwaki {
namespace {

constexpr std::string_view names[] = {"split",    "merge",  "vector", "unroll",
                                      "pack",     "parallel", "global", "local",  "stream"};

UOp find_range(const UOp& ast, const Move& move) {
  for (const UOp& u : toposort(ast)) {
    if (u->op != Op::Range || u->get<RangeInfo>().id != move.range) continue;
    if ((u->get<RangeInfo>().kind == AxisKind::Reduce) == move.reduce) return u;
  }
  return {};
}

// Every place where `r` is bound gets `outer` and `inner` in its stead.
UOp split(const UOp& ast, const UOp& r, int64_t amount, AxisKind inner_kind, int64_t inner_id) {
  expect(comes_in_pieces(ast, r, amount), "a loop is split in parts that are not whole");
  UOp outer = pieces(r, amount);
  UOp inner = range(index(amount), inner_id, inner_kind);
  UOp whole = start_of_piece(outer, r, amount) + inner;
  UOp bound = graph_rewrite(ast, [&](const UOp& u) -> UOp {
    size_t first = first_loop(*u);
    for (size_t i = first; i < u->src.size(); ++i) {
      if (u->src[i] != r) continue;
      std::vector<UOp> src = u->src;
      src[i] = outer;
      src.insert(src.begin() + int64_t(i) + 1, inner);
      for (size_t j = 0; j < first; ++j) src[j] = substitute(src[j], {{r, whole}});
      return make(u->op, std::move(src), u->arg);
    }
    return {};
  });
  return simplify(bound);
}

// The loop `outer` becomes a part of `inner`, which then runs over both.
UOp merge(const UOp& ast, const UOp& outer, const UOp& inner) {
  UOp both = make(Op::Range, {dim_mul(outer[0], inner[0])}, inner->arg);
  std::vector<UOp> stores;
  for (const UOp& store : ast->src) {
    std::vector<UOp> src = store->src;
    std::erase(src, outer);
    for (size_t i = 0; i < 3; ++i) {
      src[i] = substitute(src[i], {{outer, both / inner[0]}, {inner, both % inner[0]}});
    }
    std::replace(src.begin() + 3, src.end(), inner, both);
    stores.push_back(make(Op::Store, std::move(src)));
  }
  return simplify(make(Op::Sink, std::move(stores)));
}

// Stores of whole vectors at multiples of their lanes go past the caches.
UOp stream(const UOp& ast) {
  std::vector<UOp> stores = ast->src;
  for (UOp& store : stores) {
    int64_t lanes = store[2]->dtype.lanes;
    bool aligned = lanes > 1 && is_const(simplify(store[1] % index(lanes)), 0);
    if (aligned) store = make(Op::Store, store->src, streaming);
  }
  return make(Op::Sink, std::move(stores));
}

// Loops of one iteration are no loops.
UOp drop_single_loops(const UOp& ast) {
  std::vector<std::pair<UOp, UOp>> zeros;
  for (const UOp& u : toposort(ast)) {
    if (u->op == Op::Range && is_const(u[0], 1)) zeros.emplace_back(u, index(0));
  }
  if (zeros.empty()) return ast;
  UOp unbound = graph_rewrite(ast, [&](const UOp& u) -> UOp {
    size_t first = first_loop(*u);
    std::vector<UOp> src;
    for (size_t i = 0; i < u->src.size(); ++i) {
      bool single = i >= first && is_const(u[i][0], 1);
      if (!single) src.push_back(u[i]);
    }
    if (src.size() == u->src.size()) return {};
    return u->op == Op::Reduce && src.size() == 1 ? src[0] : make(u->op, std::move(src), u->arg);
  });
  return simplify(substitute(unbound, zeros));
}

UOp retype(const UOp& ast, const UOp& r, AxisKind kind) {
  UOp typed = range(r[0], r->get<RangeInfo>().id, kind);
  return graph_rewrite(ast, [&](const UOp& u) { return u == r ? typed : UOp(); });
}

}  // namespace

std::string to_string(const Move& move) {
  if (move.kind == Move::Kind::Stream) return std::string(names[size_t(move.kind)]);
  std::string axis = fmt::format("{}{}", move.reduce ? "k" : "r", move.range);
  std::string text = fmt::format("{} {}", names[size_t(move.kind)], axis);
  if (move.kind == Move::Kind::Merge) return fmt::format("{} with r{}", text, move.amount);
  return move.amount ? fmt::format("{} by {}", text, move.amount) : text;
}

std::optional<Move> parse_move(const std::string& text) {
  std::istringstream words(text);
  std::string kind;
  std::string axis;
  std::string by;
  std::string amount;
  words >> kind >> axis >> by >> amount;
  auto number = [](std::string_view word) {
    int64_t n = 0;
    if (word.starts_with('r') || word.starts_with('k')) word.remove_prefix(1);
    std::from_chars(word.data(), word.data() + word.size(), n);
    return n;
  };
  const std::string_view* found = std::find(std::begin(names), std::end(names), kind);
  if (found == std::end(names)) return std::nullopt;
  Move move = {Move::Kind(found - names), number(axis), axis.starts_with('k'), number(amount)};
  return to_string(move) == text ? std::optional<Move>(move) : std::nullopt;
}

UOp apply_moves(const UOp& ast, const std::vector<Move>& moves) {
  int64_t next_id = first_inner_id;
  UOp result = ast;
  for (const Move& move : moves) {
    bool has_loop = move.kind != Move::Kind::Stream;
    UOp r = has_loop ? find_range(result, move) : UOp();
    expect(r || !has_loop, "no loop for the move {}", to_string(move));
    switch (move.kind) {
      case Move::Kind::Split:
        result = split(result, r, move.amount, r->get<RangeInfo>().kind, next_id++);
        break;
      case Move::Kind::Merge:
        result = merge(result, find_range(result, {move.kind, move.amount, false, 0}), r);
        break;
      case Move::Kind::Local:
        result = split(result, r, move.amount, AxisKind::Local, next_id++);
        break;
      case Move::Kind::Vector: result = vectorize(result, r, move.amount); break;
      case Move::Kind::Unroll:
        expect(move.amount <= r[0]->hi, "unroll by {} of fewer iterations", move.amount);
        result = unroll(result, r, move.amount);
        break;
      case Move::Kind::Pack: result = pack(result, r); break;
      case Move::Kind::Parallel: result = retype(result, r, AxisKind::Parallel); break;
      case Move::Kind::Global: result = retype(result, r, AxisKind::Global); break;
      case Move::Kind::Stream: result = stream(result); break;
    }
  }
  return drop_single_loops(result);
}

}  // namespace niwaki
