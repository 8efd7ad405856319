// A walk from the heuristic's list of moves to faster ones: the neighbours of the best list so far
// are compiled and timed, those that look cheapest first, and the first that is clearly faster
// takes its place. When the tries are used up, the two ends of the walk are timed once more in
// turn: what was luck is not kept.
//
// A kernel runs on memory of the search's own, of the sizes of its buffers: nothing of the user's
// is written, and only constants are read. Variables are in the middle of their bounds. What is
// timed is the best of a few runs one after another, so what fits into a cache is there; a kernel
// that finds its data in memory, because others ran in between, is judged too well, but alike for
// all candidates.
//
// Rejected: to try all neighbours before the first step. A kernel of a few loops has thirty of
// them, and one that is better makes most of the others better too.
#include "runtimes/search.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>
#include <string>

#include "codegen/search.h"
#include "core/env.h"
#include "core/error.h"
#include "core/scalar.h"
#include "core/text.h"
#include "runtimes/debug.h"

namespace niwaki {
namespace {

// Part of the key: results of another way to search, or of moves that mean something else.
constexpr std::string_view version = "search 1";
// What counts as faster.
constexpr double clearly = 0.97;
// A candidate whose first run takes this many times the best is not run again.
constexpr double hopeless = 1.5;

// Ones where a kernel computes with floats, because zeroed pages are all the same page, and numbers
// near zero are slow; bytes of 1 elsewhere.
void fill(const Buffer& b, char* memory) {
  if (!is_float(b.dtype)) {
    std::fill_n(memory, b.bytes(), char(1));
    return;
  }
  for (int64_t i = 0; i < b.size(); ++i) {
    store_value(b.dtype, memory + i * byte_size(b.dtype), Value::of(1.0));
  }
}

// A kernel with memory to run on.
class Bench {
 public:
  Bench(const Kernel& kernel, Device& device) : kernel_(kernel), device_(device) {
    for (const BufferRef& b : kernel.args) {
      if (b->constant && b->data) {
        buffers_.push_back(b->data);
        continue;
      }
      owners_.push_back(allocate(b->bytes()));
      fill(*b, static_cast<char*>(owners_.back().get()));
      buffers_.push_back(owners_.back().get());
    }
  }

  // Seconds of a launch, at least: the best of a few, or the first where that is hopeless.
  double seconds(const std::vector<Move>& moves, double best) {
    constexpr int repetitions = 5;
    constexpr double least_timed = 200e-6;
    LinearCode linear =
        lower(kernel_.ast, device_.target(), {}, [&](const UOp&, const Target&) { return moves; });
    std::shared_ptr<Program> program = device_.compile(linear);
    std::vector<int64_t> variables;
    for (const UOp& v : linear.variables) {
      const Symbol& s = v->get<Symbol>();
      variables.push_back(s.min + (s.max - s.min) / 2);
    }
    Launch launch = {program.get(), buffers_, variables};
    double least = time({launch});
    if (least > hopeless * best) least = std::min(least, time({launch}));
    if (least > hopeless * best) return least;
    // A clock and the waking of threads take longer than a small kernel.
    std::vector<Launch> many(size_t(std::clamp(least_timed / least, 1.0, 200.0)), launch);
    for (int i = 0; i < repetitions; ++i) least = std::min(least, time(many));
    return least;
  }

 private:
  // Seconds of one of the launches.
  double time(const std::vector<Launch>& launches) {
    auto start = std::chrono::steady_clock::now();
    device_.run(launches);
    std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    return spent.count() / double(launches.size());
  }

  const Kernel& kernel_;
  Device& device_;
  std::vector<void*> buffers_;
  std::vector<std::shared_ptr<void>> owners_;
};

std::vector<Move> walk(const Kernel& kernel, Device& device, int64_t tries) {
  std::vector<Move> start;
  lower(kernel.ast, device.target(), {},
        [&](const UOp& ast, const Target& target) { return start = choose_axes(ast, target); });
  Bench bench(kernel, device);
  auto measured = [&](const std::vector<Move>& moves, double best) {
    double seconds = bench.seconds(moves, best);
    report_candidate(moves, seconds);
    return seconds;
  };
  // The first run finds nothing in any cache.
  bench.seconds(start, 0);
  std::vector<Move> best = start;
  double least = bench.seconds(start, HUGE_VAL);
  report_candidate(start, least);
  std::set<std::string> tried = {to_string(start)};
  auto step = [&] {
    for (const std::vector<Move>& moves : neighbours(kernel.ast, device.target(), best)) {
      if (std::ssize(tried) >= tries) return false;
      if (!tried.insert(to_string(moves)).second) continue;
      double seconds = measured(moves, least);
      if (seconds > clearly * least) continue;
      least = seconds;
      best = moves;
      return true;
    }
    return false;
  };
  while (step()) continue;
  if (best == start) return start;
  double first = HUGE_VAL;
  double last = HUGE_VAL;
  for (int i = 0; i < 2; ++i) {
    first = std::min(first, measured(start, HUGE_VAL));
    last = std::min(last, measured(best, HUGE_VAL));
  }
  return last < clearly * first ? best : start;
}

}  // namespace

std::vector<Move> search(const Kernel& kernel, Device& device, int64_t tries,
                         const ProgramCache& cache) {
  std::string sizes;
  for (const BufferRef& b : kernel.args) sizes += fmt::format("{} ", b->bytes());
  std::string key =
      ProgramCache::key(fmt::format("{} {} {} {}\n{}{}", version, tries, device.machine(),
                                    device.threads(), sizes, print(kernel.ast)));
  if (std::optional<std::vector<char>> kept = cache.find(key)) {
    std::optional<std::vector<Move>> moves = parse_moves({kept->begin(), kept->end()});
    if (moves && is_legal(kernel.ast, device.target(), *moves)) return *moves;
  }
  std::vector<Move> found = walk(kernel, device, tries);
  std::string text = to_string(found);
  cache.keep(key, {text.begin(), text.end()});
  return found;
}

MoveChoice choice_for(const Kernel& kernel, Device& device) {
  int64_t tries = env_int("NIWAKI_SEARCH");
  check(tries >= 0, "env: NIWAKI_SEARCH={}: give the number of candidates, or 0 for none", tries);
  if (tries == 0 || device.machine().empty()) return choose_axes;
  std::vector<Move> found = search(kernel, device, tries, ProgramCache());
  return [found](const UOp&, const Target&) { return found; };
}

}  // namespace niwaki
