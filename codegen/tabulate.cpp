// Tabulate: a part of a sum that depends on a row through a few bits only is worked out once for
// all values that those bits can have, and looked up by every row.
//
// A row of low-bit weights times a vector is a sum of products, of which four share half a byte:
// there are sixteen half bytes and thousands of rows. So the sum of those four products, as a
// function of half a byte, becomes a table, and a row costs a lookup where it had four products.
// Which bits a part depends on is not known from a format but asked of the expression: each bit of
// the loaded word that can change the value is *demanded* by the shifts and masks around it. What
// is found that way serves any code in any order: bits, ternary digits in two bits, fields that lie
// a row of bytes apart.
//
// A sum is taken apart before: its loops are cut where indices change their way (a byte, a group of
// weights), and factors that the inner loops do not change, such as the scale of a group, multiply
// the inner sums. What is moved are floats that are added in another order; nothing else changes.
//
// Rejected: tables of whole bytes. They have sixteen times the entries for twice the fields and do
// not fit a register, which is where a lookup is one instruction for all lanes.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numeric>
#include <optional>
#include <set>

#include "codegen/arithmetic.h"
#include "codegen/prepare.h"
#include "core/error.h"
#include "core/node_map.h"
#include "core/rewrite.h"
#include "ops/rules.h"
#include "schedule/estimate.h"

namespace niwaki {
namespace {

// --- sums, taken apart ---

struct Sum {
  std::vector<UOp> factors;
  std::vector<UOp> loops;   // outermost first
  std::vector<UOp> around;  // loops that it stands in
  RangeSet loop_bits() const {
    RangeSet bits = 0;
    for (const UOp& r : loops) bits |= r->ranges;
    return bits;
  }
  // All loops that a table of it may need an entry for each iteration of.
  std::vector<UOp> all_loops() const {
    std::vector<UOp> all = around;
    all.insert(all.end(), loops.begin(), loops.end());
    return all;
  }
};

void add_factors(const UOp& u, std::vector<UOp>& factors) {
  if (u->op != Op::Mul) return factors.push_back(u);
  add_factors(u[0], factors);
  add_factors(u[1], factors);
}

UOp product(const std::vector<UOp>& factors) {
  UOp all = factors[0];
  for (size_t i = 1; i < factors.size(); ++i) all = make(Op::Mul, {all, factors[i]});
  return all;
}

// How many iterations of `r` an index `u` made of it counts as one; 0: it is no part of it.
int64_t unit_of(const UOp& u, const UOp& r) {
  if (u == r) return 1;
  if (u->op != Op::Div && u->op != Op::Mod) return 0;
  const int64_t* c = const_int(u[1]);
  int64_t unit = c && *c > 0 ? unit_of(u[0], r) : 0;
  return u->op == Op::Div ? unit * (c ? *c : 0) : unit;
}

// Where the indices of a body cut a loop: lengths of which each divides the next and the last the
// loop.
std::vector<int64_t> cuts_of(const UOp& body, const UOp& r) {
  std::set<int64_t> lengths;
  for (const UOp& u : toposort(body)) {
    if (u->op != Op::Div && u->op != Op::Mod) continue;
    int64_t unit = unit_of(u[0], r);
    const int64_t* c = const_int(u[1]);
    if (unit > 0 && c && *c > 1) lengths.insert(unit * *c);
  }
  const int64_t* end = const_int(r[0]);
  std::vector<int64_t> cuts;
  for (int64_t length : lengths) {
    bool fits = end && length < *end && *end % length == 0;
    if (fits && (cuts.empty() || length % cuts.back() == 0)) cuts.push_back(length);
  }
  return cuts;
}

// New loops of a kernel: those of sums are numbered behind those that it has; those of tables begin
// at the same number for each table, so that equal tables are one, whatever stands around them.
class NewLoops {
 public:
  explicit NewLoops(const UOp& ast) {
    for (const UOp& u : toposort(ast)) {
      if (u->op != Op::Range) continue;
      int64_t id = u->get<RangeInfo>().id;
      next_ = std::max(next_, id + 1);
      // No loop ends where it is itself: the number is taken.
      if (id < first_inner_id) ends_[size_t(id)] = u;
    }
  }
  UOp operator()(int64_t end) { return range(index(end), next_++, AxisKind::Reduce); }

  void begin_table() { next_of_table_ = first_of_table; }
  UOp of_table(const UOp& end) {
    while (ends_[size_t(next_of_table_)] && ends_[size_t(next_of_table_)] != end) {
      ++next_of_table_;
    }
    ends_[size_t(next_of_table_)] = end;
    return range(end, next_of_table_++, AxisKind::Reduce);
  }

  /// Whether there are numbers for so many more loops of sums, and for another table.
  bool have(int64_t n) const {
    constexpr int64_t most_of_table = 8;
    return next_ + n <= first_of_table &&
           std::count(ends_.begin() + first_of_table, ends_.end(), UOp()) >= most_of_table;
  }

 private:
  static constexpr int64_t first_of_table = 20;
  int64_t next_ = 0;
  int64_t next_of_table_ = first_of_table;
  /// Where the loop of each number ends; null: there is none yet.
  std::array<UOp, first_inner_id> ends_ = {};
};

// The sum with its loops cut where indices change their way.
Sum taken_apart(const UOp& reduce, NewLoops& make_loop) {
  UOp body = reduce[0];
  std::vector<UOp> loops;
  for (const UOp& r : loops_of(reduce)) {
    std::vector<int64_t> cuts = cuts_of(body, r);
    if (cuts.empty() || !make_loop.have(int64_t(cuts.size()) + 1)) {
      loops.push_back(r);
      continue;
    }
    UOp at = index(0);
    int64_t outside = *const_int(r[0]);
    for (size_t i = cuts.size() + 1; i-- > 0;) {
      int64_t inside = i > 0 ? cuts[i - 1] : 1;
      loops.push_back(make_loop(outside / inside));
      at = at + loops.back() * index(inside);
      outside = inside;
    }
    body = simplify(substitute(body, {{r, at}}));
  }
  Sum sum = {{}, std::move(loops), {}};
  add_factors(body, sum.factors);
  for (const UOp& r : toposort(reduce)) {
    if (r->op == Op::Range && (r->ranges & reduce->ranges)) sum.around.push_back(r);
  }
  std::sort(sum.around.begin(), sum.around.end(), [](const UOp& a, const UOp& b) {
    return a->get<RangeInfo>().id < b->get<RangeInfo>().id;
  });
  return sum;
}

// The sum again, every factor outside of the loops that do not change it.
UOp put_together(Sum sum, const Arg& reduction) {
  while (!sum.loops.empty()) {
    auto moves = [](const UOp& f, RangeSet loops) { return (f->ranges & loops) == 0; };
    RangeSet inner = sum.loops.back()->ranges;
    size_t first = sum.loops.size() - 1;
    for (; first > 0; --first) {
      RangeSet more = inner | sum.loops[first - 1]->ranges;
      bool same = std::all_of(sum.factors.begin(), sum.factors.end(), [&](const UOp& f) {
        return moves(f, inner) == moves(f, more);
      });
      if (!same) break;
      inner = more;
    }
    auto middle = std::stable_partition(sum.factors.begin(), sum.factors.end(),
                                        [&](const UOp& f) { return !moves(f, inner); });
    std::vector<UOp> src = {product({sum.factors.begin(), middle})};
    src.insert(src.end(), sum.loops.begin() + int64_t(first), sum.loops.end());
    sum.factors.erase(sum.factors.begin(), middle);
    sum.factors.push_back(make(Op::Reduce, std::move(src), reduction));
    sum.loops.resize(first);
  }
  return product(sum.factors);
}

// --- which bits of a word a value depends on ---

uint64_t all_bits(DType t) { return ~uint64_t(0) >> (64 - bit_size(t)); }

// The bits of a source that can change a node of which these bits matter.
uint64_t demanded_of(const UOp& u, size_t source, uint64_t bits) {
  const UOp& s = u[source];
  if (bits == 0 || !is_unsigned(s->dtype)) return bits ? ~uint64_t(0) : 0;
  const int64_t* c = source == 0 && u->src.size() == 2 ? const_int(u[1]) : nullptr;
  bool shifts = c && *c >= 0 && *c < bit_size(s->dtype);
  switch (u->op) {
    case Op::And: return c ? bits & uint64_t(*c) : bits;
    case Op::Xor: return bits;
    case Op::Shr: return shifts ? bits << *c : ~uint64_t(0);
    case Op::Shl: return shifts ? bits >> *c : ~uint64_t(0);
    case Op::Cast: return is_integer(u->dtype) ? bits : ~uint64_t(0);
    default: return ~uint64_t(0);
  }
}

// The bits of `word` that can change a value.
uint64_t demanded_bits(const UOp& value, const UOp& word) {
  NodeMap<uint64_t> demanded;
  demanded[value.get()] = ~uint64_t(0);
  std::vector<UOp> order = toposort(value);
  for (size_t i = order.size(); i-- > 0;) {
    const UOp& u = order[i];
    uint64_t bits = demanded[u.get()];
    if (u == word) return bits & all_bits(word->dtype);
    for (size_t s = 0; s < u->src.size(); ++s) {
      uint64_t& below = demanded[u[s].get()];
      below |= demanded_of(u, s, bits);
      if (is_unsigned(u[s]->dtype)) below &= all_bits(u[s]->dtype);
    }
  }
  return 0;
}

// --- fields: bits of a word that a part of the sum depends on, and on nothing else of a row ---

// In pieces of `length` iterations of its loop, piece h depends on `width` bits of the word from
// low + step * h on.
struct Field {
  UOp loop;
  UOp word;
  UOp value;  // the factors that depend on the loop
  int64_t length = 0;
  int64_t width = 0;
  int64_t low = 0;
  int64_t step = 0;
};

// The fields that pieces of `length` make; a width of 0 where they are of different kinds.
Field in_pieces(Field field, const std::vector<uint64_t>& demanded, int64_t length) {
  field.length = length;
  std::vector<int64_t> lows;
  for (size_t i = 0; i < demanded.size(); i += size_t(length)) {
    uint64_t bits = 0;
    for (size_t j = i; j < i + size_t(length); ++j) bits |= demanded[j];
    if (bits == 0) return {};
    lows.push_back(std::countr_zero(bits));
    int64_t width = 64 - std::countl_zero(bits) - lows.back();
    if (i > 0 && width != field.width) return {};
    field.width = width;
  }
  field.low = lows[0];
  field.step = lows.size() > 1 ? lows[1] - lows[0] : 0;
  for (size_t h = 0; h < lows.size(); ++h) {
    if (lows[h] != field.low + field.step * int64_t(h)) return {};
  }
  return field;
}

// The longest pieces of the loop whose fields have at most `entries` values.
Field widest_field(const Field& found, int64_t entries) {
  const int64_t n = *const_int(found.loop[0]);
  std::vector<uint64_t> demanded;
  for (int64_t i = 0; i < n; ++i) {
    UOp one = simplify(substitute(found.value, {{found.loop, index(i)}}));
    demanded.push_back(demanded_bits(one, found.word));
  }
  for (int64_t length = n; length >= 1; --length) {
    if (n % length != 0) continue;
    Field field = in_pieces(found, demanded, length);
    if (field.width > 0 && (int64_t(1) << field.width) <= entries) return field;
  }
  return {};
}

bool is_constant_word(const UOp& u) {
  bool loaded = u->op == Op::Load && u[0]->op == Op::Param && u->src.size() == 2;
  return loaded && u[0]->get<ParamInfo>().constant && is_unsigned(u->dtype) &&
         u->dtype.lanes == 1 && byte_size(u->dtype) <= 4;
}

// A loop of the sum and a word that a row has in it, through which alone the row reaches what
// depends on the loop. The vectors of a matrix that all rows are multiplied with are no rows: each
// has its table.
std::vector<Field> fields_of(const Sum& sum) {
  constexpr int64_t longest = 32;
  std::vector<Field> found;
  RangeSet loops = sum.loop_bits();
  for (const UOp& r : sum.loops) {
    const int64_t* end = const_int(r[0]);
    if (!end || *end > longest) continue;
    std::vector<UOp> inner;
    for (const UOp& f : sum.factors) {
      if (f->ranges & r->ranges) inner.push_back(f);
    }
    if (inner.empty()) continue;
    UOp value = product(inner);
    for (const UOp& word : toposort(value)) {
      bool of_row = (word->ranges & ~loops) && !(word->ranges & r->ranges);
      if (!of_row || !is_constant_word(word)) continue;
      UOp without = simplify(substitute(value, {{word, constant(word->dtype, 0)}}));
      RangeSet rows = word->ranges & ~loops;
      if (!(without->ranges & rows)) found.push_back({r, word, value});
    }
  }
  return found;
}

// --- values that are integers ---

// What an integer may reach, so that a few of them can be added in an i32.
constexpr int64_t most_in(DType t) { return t == i16 ? 32767 : int64_t(1) << 29; }

bool fits(const UOp& u, DType t) { return u->lo >= -most_in(t) && u->hi <= most_in(t); }

// The float `u` as an integer of dtype i16 or i32, where it is one whatever it is made of; null: it
// may be none, or too large. Sums of integers are exact where those of floats would begin to round.
UOp as_integer(const UOp& u, DType t) {
  if (is_integer(u->dtype) || u->dtype == boolean) {
    return fits(u, t) && u->dtype.kind != Kind::U64 ? cast(u, t) : UOp();
  }
  if (u->op == Op::Cast) return is_float(u[0]->dtype) ? UOp() : as_integer(u[0], t);
  if (u->op == Op::Const) {
    double v = u->get<Constant>().value.f;
    bool whole = v == std::floor(v) && std::abs(v) <= double(most_in(t));
    return whole ? constant(t, v) : UOp();
  }
  if (u->op != Op::Add && u->op != Op::Mul && u->op != Op::Where) return {};
  std::vector<UOp> src = u->src;
  for (size_t i = u->op == Op::Where ? 1 : 0; i < src.size(); ++i) {
    src[i] = as_integer(src[i], t);
    if (!src[i]) return {};
  }
  UOp made = make(u->op, std::move(src));
  return fits(made, t) ? made : UOp();
}

// What the loop of a field gathers, where that is a sum of integers: an activation, which is the
// same for all rows, times a code, which is a constant for each value of the field.
struct Codes {
  UOp activation;
  UOp code;
  int64_t least = 0;
  int64_t step = 0;  // codes are least + step * 0, 1, ... most
  int64_t most = 0;
};

std::optional<Codes> codes_of(const Field& field, DType t) {
  std::vector<UOp> factors;
  add_factors(field.value, factors);
  auto has_word = [&](const UOp& f) {
    std::vector<UOp> nodes = toposort(f);
    return std::find(nodes.begin(), nodes.end(), field.word) != nodes.end();
  };
  auto middle = std::stable_partition(factors.begin(), factors.end(), has_word);
  if (middle == factors.begin() || middle == factors.end()) return std::nullopt;
  Codes codes = {as_integer(product({middle, factors.end()}), t),
                 as_integer(product({factors.begin(), middle}), t)};
  if (!codes.activation || !codes.code) return std::nullopt;
  std::set<int64_t> values;
  for (int64_t i = 0; i < field.loop[0]->hi; ++i) {
    int64_t low = field.low + field.step * (i / field.length);
    for (int64_t v = 0; v < int64_t(1) << field.width; ++v) {
      UOp word = constant(field.word->dtype, Value::of(v << low));
      UOp code = simplify(substitute(codes.code, {{field.word, word}, {field.loop, index(i)}}));
      const int64_t* known = const_int(code);
      if (!known) return std::nullopt;
      values.insert(*known);
    }
  }
  codes.least = *values.begin();
  for (int64_t v : values) codes.step = std::gcd(codes.step, v - codes.least);
  if (codes.step == 0) return std::nullopt;
  codes.most = (*values.rbegin() - codes.least) / codes.step;
  const UOp& a = codes.activation;
  int64_t greatest = std::max(-a->lo, a->hi) * codes.most * field.length;
  return greatest <= most_in(t) ? std::optional(codes) : std::nullopt;
}

// --- tables ---

double iterations(RangeSet ranges, const UOp& ast) {
  double n = 1;
  for (const UOp& u : toposort(ast)) {
    if (u->op == Op::Range && (u->ranges & ranges)) n *= double(u[0]->hi);
  }
  return n;
}

double cost_of(const UOp& value) {
  double cost = 0;
  for (const UOp& u : toposort(value)) cost += u->dtype == i64 ? 0 : op_cost(u->op);
  return cost;
}

// Copies of loops for memory that is filled before them: an element for each iteration.
struct Copies {
  std::vector<UOp> loops;
  std::vector<std::pair<UOp, UOp>> renamed;
  UOp read = index(0);     // at the loops themselves
  UOp written = index(0);  // at their copies
  int64_t size = 1;

  Copies(const std::vector<UOp>& all, RangeSet used, NewLoops& make_loop) {
    for (const UOp& r : all) {
      if (!(used & r->ranges)) continue;
      loops.push_back(make_loop.of_table(r[0]));
      renamed.emplace_back(r, loops.back());
      read = read * index(r[0]->hi) + r;
      written = written * index(r[0]->hi) + loops.back();
      size *= r[0]->hi;
    }
  }
};

// The table of a field: `term` is what an iteration adds, an expression of the field's loop and
// word. For each word as many lookups as it has pieces are added, in dtype `wide`.
UOp looked_up(const Field& field, const UOp& term, DType wide, const std::vector<UOp>& loops,
              NewLoops& make_loop) {
  UOp without = simplify(substitute(term, {{field.word, constant(field.word->dtype, 0)}}));
  Copies copies(loops, without->ranges & ~field.loop->ranges, make_loop);
  // The entries of all pieces are one loop, so that they are vectors however few one has.
  int64_t n_pieces = field.loop[0]->hi / field.length;
  UOp pieces = index(n_pieces);
  UOp width = index(int64_t(1) << field.width);
  UOp entry = make_loop.of_table(index(n_pieces << field.width));
  UOp piece = simplify(entry / width);
  DType word = field.word->dtype;
  UOp low = cast(simplify(piece * index(field.step) + index(field.low)), word);
  UOp bits = make(Op::Shl, {cast(simplify(entry % width), word), low});
  UOp value;
  for (int64_t i = 0; i < field.length; ++i) {
    UOp at = simplify(piece * index(field.length) + index(i));
    std::vector<std::pair<UOp, UOp>> own = copies.renamed;
    own.emplace_back(field.loop, at);
    UOp one = substitute(substitute(term, {{field.word, bits}}), own);
    value = value ? value + one : one;
  }
  std::vector<UOp> src = {simplify(copies.written * pieces * width + entry), simplify(value)};
  src.insert(src.end(), copies.loops.begin(), copies.loops.end());
  src.push_back(entry);
  int64_t size = copies.size * n_pieces * width->lo;
  UOp table = make(Op::Stage, std::move(src), StageInfo{size, 1});
  UOp sum;
  for (int64_t h = 0; h < n_pieces; ++h) {
    UOp code = mask(shift_right(field.word, field.low + field.step * h), width->lo - 1);
    UOp at = (copies.read * pieces + index(h)) * width + cast(code, i64);
    UOp found = cast(make(Op::Load, {table, simplify(at)}), wide);
    sum = sum ? sum + found : found;
  }
  return sum;
}

// Worth it where the rows save more than the table costs, which every thread fills.
bool pays(const Field& field, const UOp& reduce) {
  constexpr double threads = 2;
  constexpr double lookup = 3;
  double rows = iterations(field.word->ranges & reduce->ranges, reduce);
  double direct = double(field.length) * (cost_of(field.value) + 1);
  double table = double(int64_t(1) << field.width) * direct;
  return rows * direct > rows * lookup + threads * table;
}

// A sum of integers that rows look up: what a table holds is not below zero, because each term has
// lost the least that its codes could make of it; what all have lost is the same for every row, and
// is added once. `inner`: the loops that the other factors do not change, `outer` those around.
UOp integers_looked_up(const Field& field, const Codes& codes, const std::vector<UOp>& outer,
                       const std::vector<UOp>& inner, NewLoops& make_loop) {
  const UOp& a = codes.activation;
  UOp zero = number(a, 0);
  UOp minus_a = a * number(a, -1);
  UOp nth = (codes.code + number(a, double(-codes.least))) / number(a, double(codes.step));
  UOp rest = number(a, double(codes.most)) + nth * number(a, -1);
  UOp term = where(a < zero, make(Op::Max, {minus_a, zero}) * rest, make(Op::Max, {a, zero}) * nth);
  std::vector<UOp> loops = outer;
  loops.insert(loops.end(), inner.begin(), inner.end());
  UOp sum = looked_up(field, simplify(term), i32, loops, make_loop);
  Arg add = Reduction{Op::Add, {}};
  auto over = [&](UOp value, const std::vector<UOp>& reduced) {
    std::vector<UOp> src = {std::move(value)};
    src.insert(src.end(), reduced.begin(), reduced.end());
    return src.size() > 1 ? make(Op::Reduce, std::move(src), add) : src[0];
  };
  sum = over(sum, inner);
  // a * code = step * term + least * a + step * most * min(a, 0).
  UOp wide = cast(a, i32);
  UOp least = cast(where(a < zero, a, zero), i32);
  UOp lost = wide * number(wide, double(codes.least)) +
             least * number(wide, double(codes.step * codes.most));
  Copies copies(outer, a->ranges, make_loop);
  std::vector<std::pair<UOp, UOp>> own = copies.renamed;
  std::vector<UOp> reduced = inner;
  reduced.push_back(field.loop);
  for (UOp& r : reduced) {
    UOp copy = make_loop.of_table(r[0]);
    own.emplace_back(r, copy);
    r = copy;
  }
  std::vector<UOp> src = {simplify(copies.written), over(simplify(substitute(lost, own)), reduced)};
  src.insert(src.end(), copies.loops.begin(), copies.loops.end());
  UOp memory = make(Op::Stage, std::move(src), StageInfo{copies.size, 1});
  UOp all_lost = make(Op::Load, {memory, simplify(copies.read)});
  return sum * number(sum, double(codes.step)) + all_lost;
}

// The sum over all loops with lookups in place of the field's; null where they are not integers.
UOp integer_sum(const Field& field, Sum rest, const Arg& reduction, NewLoops& make_loop) {
  // In i16, where that holds the sums, a vector has twice the lanes.
  std::optional<Codes> codes = codes_of(field, i16);
  if (!codes) codes = codes_of(field, i32);
  if (!codes) return {};
  auto varies = [&](const UOp& r) {
    return std::any_of(rest.factors.begin(), rest.factors.end(),
                       [&](const UOp& f) { return (f->ranges & r->ranges) != 0; });
  };
  size_t first = rest.loops.size();
  while (first > 0 && !varies(rest.loops[first - 1])) --first;
  std::vector<UOp> inner(rest.loops.begin() + int64_t(first), rest.loops.end());
  rest.loops.resize(first);
  UOp whole = integers_looked_up(field, *codes, rest.all_loops(), inner, make_loop);
  rest.factors.push_back(cast(whole, field.value->dtype));
  return put_together(std::move(rest), reduction);
}

// The field of a sum whose pieces are the longest.
Field best_field(const Sum& sum, int64_t entries) {
  Field best;
  for (const Field& found : fields_of(sum)) {
    Field field = widest_field(found, entries);
    if (field.width > 0 && field.length > best.length) best = field;
  }
  return best;
}

UOp tabulated(const UOp& u, const Target& target, NewLoops& make_loop) {
  constexpr int64_t most_new_loops = 6;
  bool is_sum = u->op == Op::Reduce && u->get<Reduction>().op == Op::Add && is_float(u->dtype);
  if (!is_sum || u->dtype.lanes > 1 || !make_loop.have(most_new_loops)) return {};
  NewLoops loops = make_loop;
  loops.begin_table();
  Sum sum = taken_apart(u, loops);
  auto without = [&](const Field& field) {
    Sum rest = {{}, {}, sum.around};
    for (const UOp& f : sum.factors) {
      if (!(f->ranges & field.loop->ranges)) rest.factors.push_back(f);
    }
    for (const UOp& r : sum.loops) {
      if (r != field.loop) rest.loops.push_back(r);
    }
    return rest;
  };
  UOp result;
  // Integers are looked up byte by byte, where the processor can; else numbers as they are.
  Field field = best_field(sum, target.table_entries(1));
  if (field.length > 0 && pays(field, u)) {
    result = integer_sum(field, without(field), u->arg, loops);
  }
  if (!result) {
    field = best_field(sum, target.table_entries(byte_size(u->dtype)));
    if (field.length == 0 || !pays(field, u)) return {};
    Sum rest = without(field);
    rest.factors.push_back(looked_up(field, field.value, u->dtype, rest.all_loops(), loops));
    result = put_together(std::move(rest), u->arg);
  }
  make_loop = loops;
  return result;
}

}  // namespace

UOp tabulate(const UOp& ast, const Target& target) {
  NewLoops loops(ast);
  UOp result = ast;
  for (const UOp& u : toposort(ast)) {
    if (u->op != Op::Reduce) continue;
    UOp table = tabulated(u, target, loops);
    if (table) result = substitute(result, {{u, table}});
  }
  return result == ast ? ast : simplify(result);
}

}  // namespace niwaki
