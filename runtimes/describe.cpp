#include "runtimes/describe.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <span>

namespace niwaki {
namespace {

// Three digits, or none behind the point where they would be zeros, and the greatest unit that
// leaves something before it.
std::string scaled(double value, double step, std::span<const std::string_view> units) {
  size_t unit = 0;
  while (value >= step && unit + 1 < units.size()) {
    value /= step;
    ++unit;
  }
  if (unit == 0 || value == std::floor(value)) return fmt::format("{:.0f}{}", value, units[unit]);
  int digits = value < 10 ? 2 : value < 100 ? 1 : 0;
  return fmt::format("{:.{}f}{}", value, digits, units[unit]);
}

// Without the parentheses around the whole.
std::string dim_text(const UOp& dim) {
  std::string text = expression(dim);
  return text.starts_with('(') ? text.substr(1, text.size() - 2) : text;
}

}  // namespace

std::string bytes_text(double bytes) {
  constexpr std::string_view units[] = {" B", " KiB", " MiB", " GiB", " TiB"};
  return scaled(bytes, 1024, units);
}

std::string count_text(double count) {
  constexpr std::string_view units[] = {"", " k", " M", " G", " T"};
  return scaled(count, 1000, units);
}

std::string buffer_text(const Buffer& buffer) {
  return fmt::format("{}[{}]", name(buffer.dtype), fmt::join(buffer.shape, ", "));
}

std::vector<std::string> loop_texts(const UOp& ast) {
  std::vector<UOp> loops;
  for (const UOp& u : toposort(ast)) {
    if (u->op == Op::Range) loops.push_back(u);
  }
  std::sort(loops.begin(), loops.end(), [](const UOp& a, const UOp& b) {
    return a->get<RangeInfo>().id < b->get<RangeInfo>().id;
  });
  std::vector<std::string> texts;
  for (const UOp& r : loops) {
    const RangeInfo& info = r->get<RangeInfo>();
    texts.push_back(fmt::format("{}{} < {}", info.kind == AxisKind::Reduce ? "k" : "r", info.id,
                                dim_text(r[0])));
  }
  return texts;
}

std::vector<std::string> move_texts(const std::vector<Move>& moves) {
  std::vector<std::string> texts;
  for (const Move& move : moves) texts.push_back(to_string(move));
  return texts;
}

std::vector<Move> moves_of(const UOp& ast, const Target& target, const MoveChoice& choose) {
  std::vector<Move> moves;
  lower(ast, target, {},
        [&](const UOp& before, const Target& t) { return moves = choose(before, t); });
  return moves;
}

}  // namespace niwaki
