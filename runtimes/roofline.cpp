// Bandwidth is measured by reading. Each thread reads its own part of a buffer, piece by piece,
// which it also wrote first, so that on a machine with several memories its part lies near it. The
// buffer is several times the last cache, or the second pass would read from there.
//
// Operations are measured by chains of multiply-adds that stay in registers, as many as a register
// tile of ours may have, in vectors as wide as our kernels use. The text goes through the same
// compiler as a kernel, so the peak is that of the host's instructions and not of those that this
// file is compiled for.
//
// The best of many short rounds counts: what disturbs a round only ever makes it slower, and a
// limit that a kernel could exceed would be none.
//
// Rejected: a vendor's figure. It leaves out the threads, the other guests of the machine and, on a
// small one, the fact that one core alone cannot ask for as much as the memory can give.
#include "runtimes/roofline.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cmath>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <sstream>
#include <thread>
#include <vector>

#include "core/error.h"
#include "runtimes/cache.h"
#include "runtimes/device.h"
#include "runtimes/jit.h"

namespace niwaki {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double measuring = 0.5;  // seconds for each of the limits

struct Span {
  Clock::time_point begin;
  Clock::time_point end;

  double seconds() const { return std::chrono::duration<double>(end - begin).count(); }
};

// Of rounds that several threads began together.
struct Best {
  /// Seconds from the first thread's begin to the last one's end.
  double together = INFINITY;
  /// Seconds of each thread, in the round that was its best.
  std::vector<double> apart;
};

// The best of the rounds that are made in so much time. In each, `body` is called on every thread
// with its number and the round's. Rounds are to be short: on a machine that others use too, a
// moment in which all threads have a core comes sooner than a second.
Best best_of_rounds(int64_t threads, double seconds,
                    const std::function<void(int64_t thread, int64_t round)>& body) {
  std::vector<Span> spans(static_cast<size_t>(threads));
  Best best;
  best.apart.resize(spans.size(), INFINITY);
  double sum = 0;
  // Between two rounds, on one of the threads.
  const auto judge = [&]() noexcept {
    const Span whole = {std::ranges::min(spans, {}, &Span::begin).begin,
                        std::ranges::max(spans, {}, &Span::end).end};
    best.together = std::min(best.together, whole.seconds());
    for (size_t i = 0; i < spans.size(); i++) {
      best.apart[i] = std::min(best.apart[i], spans[i].seconds());
    }
    sum += whole.seconds();
  };
  std::barrier begun(threads);
  std::barrier ended(threads, judge);
  const auto work = [&](int64_t thread) {
    Span& span = spans[static_cast<size_t>(thread)];
    int64_t round = 0;
    do {
      begun.arrive_and_wait();
      span.begin = Clock::now();
      body(thread, round++);
      span.end = Clock::now();
      ended.arrive_and_wait();
    } while (sum < seconds);
  };
  std::vector<std::jthread> running;
  for (int64_t i = 1; i < threads; i++) running.emplace_back(work, i);
  work(0);
  running.clear();
  return best;
}

// The system knows the last cache of a usual machine; 0 or -1 where it does not.
int64_t buffer_bytes() {
  const int64_t cache = ::sysconf(_SC_LEVEL3_CACHE_SIZE);
  return std::clamp<int64_t>(4 * cache, int64_t{256} << 20, int64_t{1} << 30);
}

// Looks for a byte that is not there. A sum in a loop of ours would use the vectors that this file
// is compiled for; the C library's search uses the widest that the machine has, and one core needs
// them to reach its limit.
bool read_all(std::span<const std::byte> part) {
  return std::memchr(part.data(), 2, part.size()) == nullptr;
}

// Threads share the way to memory: what they read together counts.
double read_bandwidth(int64_t threads) {
  const int64_t share = buffer_bytes() / threads;
  const int64_t size = std::min(share, int64_t{4} << 20);  // less than a millisecond
  const int64_t pieces = share / size;
  const std::unique_ptr<std::byte[]> memory(new std::byte[threads * pieces * size]);
  const auto piece = [&](int64_t thread, int64_t number) {
    const int64_t begin = (thread * pieces + number) * size;
    return std::span(memory.get() + begin, static_cast<size_t>(size));
  };
  best_of_rounds(threads, 0, [&](int64_t thread, int64_t) {
    for (int64_t i = 0; i < pieces; i++) std::ranges::fill(piece(thread, i), std::byte{1});
  });
  std::atomic<bool> unchanged = true;
  const Best best = best_of_rounds(threads, measuring, [&](int64_t thread, int64_t round) {
    if (!read_all(piece(thread, round % pieces))) unchanged = false;
  });
  expect(unchanged, "bandwidth: the buffer changed while it was read");
  return static_cast<double>(threads * size) / best.together;
}

// void chains(ptr memory, i64 n): n times for each of `chains` vectors, vector = vector * x + y.
// Memory holds x, y and the vectors' first values, and at the end their sum.
std::string chains_text(int64_t chains, int64_t lanes) {
  const std::string type = fmt::format("<{} x float>", lanes);
  std::string loads;
  std::string phis;
  std::string steps;
  std::string sums;
  for (int64_t i = 0; i < chains + 2; i++) {
    loads += fmt::format("  %p{0} = getelementptr {1}, ptr %memory, i64 {0}\n", i, type);
    loads += fmt::format("  %v{0} = load {1}, ptr %p{0}\n", i, type);
  }
  for (int64_t i = 2; i < chains + 2; i++) {
    phis += fmt::format("  %a{0} = phi {1} [ %v{0}, %entry ], [ %b{0}, %loop ]\n", i, type);
    steps += fmt::format("  %b{0} = call {1} @llvm.fma.v{2}f32({1} %a{0}, {1} %v0, {1} %v1)\n", i,
                         type, lanes);
    sums += fmt::format("  %s{} = fadd {} %s{}, %b{}\n", i, type, i - 1, i);
  }
  return fmt::format(
      "declare {0} @llvm.fma.v{1}f32({0}, {0}, {0})\n"
      "define void @chains(ptr %memory, i64 %n) {{\n"
      "entry:\n{2}  br label %loop\n"
      "loop:\n  %i = phi i64 [ 0, %entry ], [ %next, %loop ]\n{3}{4}"
      "  %next = add i64 %i, 1\n  %more = icmp slt i64 %next, %n\n"
      "  br i1 %more, label %loop, label %done\n"
      "done:\n  %s1 = fadd {0} %v0, %v1\n{5}  store {0} %s{6}, ptr %memory\n  ret void\n}}\n",
      type, lanes, loads, phis, steps, sums, chains + 1);
}

// Threads have vector units of their own: what each does alone adds up.
double multiply_add_peak(int64_t threads) {
  using Function = void (*)(float* memory, int64_t n);
  constexpr int64_t steps = 100'000;  // about a millisecond
  const Target& target = device("CPU").target();
  const int64_t lanes = target.lanes;
  const int64_t chains = target.registers - 4;
  const int64_t floats = (chains + 2) * lanes;
  Jit jit;
  const std::vector<char> object = jit.compile(chains_text(chains, lanes));
  const Function function = reinterpret_cast<Function>(jit.load(object, "chains"));
  const std::shared_ptr<void> memory = allocate(threads * floats * 4);
  float* const values = static_cast<float*>(memory.get());
  // Neither growing nor so small that a processor slows down over it.
  std::fill(values, values + threads * floats, 0.5f);
  const Best best = best_of_rounds(threads, measuring, [&](int64_t thread, int64_t) {
    function(values + thread * floats, steps);
  });
  double peak = 0;
  for (const double seconds : best.apart) {
    peak += static_cast<double>(2 * lanes * chains * steps) / seconds;
  }
  return peak;
}

std::string key_of(int64_t threads) {
  return ProgramCache::key(
      fmt::format("roofline 1, {}, {}, {} threads", cpu_name(), Jit().machine(), threads));
}

// What was measured before, here or by another process; zeros where nothing was.
Roofline& known(int64_t threads) {
  static std::map<int64_t, Roofline> measured;
  const auto [place, first] = measured.try_emplace(threads);
  if (!first) return place->second;
  const std::vector<char> kept = ProgramCache().find(key_of(threads)).value_or(std::vector<char>());
  std::istringstream text(std::string(kept.begin(), kept.end()));
  Roofline found;
  text >> found.bytes >> found.operations;
  if (text && found.bytes > 0 && found.operations > 0) place->second = found;
  return place->second;
}

}  // namespace

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t value = line.find(": ");
    if (line.starts_with("model name") && value != std::string::npos) return line.substr(value + 2);
  }
  return "unknown";
}

LeastTime least_time(const Roofline& limits, double bytes, double operations) {
  const double reading = bytes / limits.bytes;
  const double computing = operations / limits.operations;
  return {std::max(reading, computing), reading >= computing};
}

Roofline measure_roofline(int64_t threads) {
  return {read_bandwidth(threads), multiply_add_peak(threads)};
}

const Roofline& roofline(int64_t threads) {
  const Roofline& limits = known(threads);
  return limits.bytes > 0 ? limits : remeasured_roofline(threads);
}

const Roofline& remeasured_roofline(int64_t threads) {
  Roofline& limits = known(threads);
  const Roofline now = measure_roofline(threads);
  limits.bytes = std::max(limits.bytes, now.bytes);
  limits.operations = std::max(limits.operations, now.operations);
  const std::string text = fmt::format("{:.6e} {:.6e}\n", limits.bytes, limits.operations);
  ProgramCache().keep(key_of(threads), {text.begin(), text.end()});
  return limits;
}

}  // namespace niwaki
