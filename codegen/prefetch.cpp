// Rows that are gone through more than once are read ahead.
//
// A kernel over rows waits for memory in the first of its loops alone: the others find the row in a
// cache, and memory has nothing to do while they compute. A processor fetches what comes next in a
// stream by itself, but not the next row while it is still busy with this one. So the last loop
// that reads a row asks for the same place of the next, and the first finds that in the cache too.
//
// This is done to memory too large for the caches, where neighbouring iterations read what lies
// side by side, all of a row, in whole vectors. The row after the last is asked for as well: a
// prefetch of what is not there does nothing.
//
// Rejected: to ask for it in the first loop of the row; then memory is asked for two rows at once,
// and in the last it still has nothing to do.
#include <algorithm>
#include <unordered_map>

#include "codegen/lower.h"
#include "ops/linear_form.h"

namespace niwaki {
namespace {

constexpr int64_t least_bytes = 4 << 20;
constexpr int64_t least_stream_bytes = 256 << 10;
// Rows that share the second cache with the row that is gone through.
constexpr int64_t most_row_bytes = 128 << 10;

// A load in an innermost loop, of which each iteration of the loop around reads the next row.
struct RowLoad {
  size_t at;         // in the code
  const Node* rows;  // the loop around
  size_t loop;       // where the innermost one begins
  const Node* memory;
  int64_t row;  // elements
};

int64_t factor_of(const LinearForm& form, const UOp& range) {
  for (const LinearForm::Term& term : form.terms) {
    if (term.node == range) return term.factor;
  }
  return 0;
}

std::vector<RowLoad> row_loads(const std::vector<UOp>& code) {
  std::vector<RowLoad> found;
  std::vector<std::pair<UOp, size_t>> open;
  for (size_t i = 0; i < code.size(); ++i) {
    const UOp& u = code[i];
    if (u->op == Op::Range) open.emplace_back(u, i);
    if (u->op == Op::End) open.pop_back();
    if (u->op != Op::Load || u->src.size() > 2 || u->dtype.lanes == 1 || open.size() < 2) continue;
    if (u[0]->op != Op::Param) continue;
    const ParamInfo& memory = u[0]->get<ParamInfo>();
    if (memory.size * byte_size(memory.dtype) < least_bytes) continue;
    const auto& [inner, begin] = open.back();
    const UOp& outer = open[open.size() - 2].first;
    LinearForm form = LinearForm::of(u[1]);
    int64_t row = factor_of(form, outer);
    const int64_t* end = const_int(inner[0]);
    bool whole = row > 0 && end && factor_of(form, inner) * *end == row;
    if (!whole || row * byte_size(memory.dtype) > most_row_bytes) continue;
    found.push_back({i, outer.get(), begin, u[0].get(), row});
  }
  return found;
}

// Elements from what a load reads to what it is going to read in a while, where an innermost loop
// goes through a constant without a gap; 0: it does not.
int64_t ahead(const UOp& load, const UOp& inner) {
  constexpr int64_t distance = 2048;
  bool vector = load->op == Op::Load && load->src.size() == 2 && load->dtype.lanes > 1;
  if (!vector || load[0]->op != Op::Param || !load[0]->get<ParamInfo>().constant) return 0;
  int64_t width = byte_size(load->dtype.scalar());
  if (memory_size(load[0]) * width < least_stream_bytes) return 0;
  int64_t step = factor_of(LinearForm::of(load[1]), inner);
  return step == load->dtype.lanes ? distance / width : 0;
}

// Places in the code behind which memory is asked for, and how many elements ahead.
using Prefetches = std::unordered_map<size_t, int64_t>;

Prefetches streams(const std::vector<UOp>& code) {
  Prefetches found;
  std::vector<UOp> open;
  for (size_t i = 0; i < code.size(); ++i) {
    if (code[i]->op == Op::Range) open.push_back(code[i]);
    if (code[i]->op == Op::End) open.pop_back();
    int64_t elements = open.empty() ? 0 : ahead(code[i], open.back());
    if (elements > 0) found[i] = elements;
  }
  return found;
}

}  // namespace

void prefetch_rows(LinearCode& linear, const Target& target) {
  if (target.lanes == 1) return;
  std::vector<RowLoad> loads = row_loads(linear.code);
  Prefetches rows = streams(linear.code);
  for (const RowLoad& load : loads) {
    auto reads_row = [&](const RowLoad& other) {
      return other.memory == load.memory && other.rows == load.rows && other.row == load.row;
    };
    size_t last = load.loop;
    bool again = false;
    for (const RowLoad& other : loads) {
      if (!reads_row(other)) continue;
      again |= other.loop != load.loop;
      last = std::max(last, other.loop);
    }
    if (again && load.loop == last) rows[load.at] = load.row;
  }
  if (rows.empty()) return;
  std::vector<UOp> code;
  for (size_t i = 0; i < linear.code.size(); ++i) {
    const UOp& u = linear.code[i];
    code.push_back(u);
    auto found = rows.find(i);
    if (found == rows.end()) continue;
    code.push_back(make(Op::Add, {u[1], index(found->second)}));
    code.push_back(make(Op::Prefetch, {u[0], code.back()}));
  }
  linear.code = std::move(code);
}

}  // namespace niwaki
