// Bandwidth is measured by reading. Each thread reads its own part of a buffer, which it also wrote
// first, so that on a machine with several memories its part lies near it. The buffer is several
// times the last cache, or the second round would read from there.
//
// Operations are measured by chains of multiply-adds that stay in registers, as many as a register
// tile of ours may have, in vectors as wide as our kernels use. The text goes through the same
// compiler as a kernel, so the peak is that of the host's instructions and not of those that this
// file is compiled for.
//
// The best of several rounds counts: what disturbs a round only ever makes it slower, and a limit
// that a kernel could exceed would be none.
//
// Rejected: a vendor's figure. It leaves out the threads, the other guests of the machine and, on a
// small one, the fact that one core alone cannot ask for as much as the memory can give.
#include "runtimes/roofline.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
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

// Seconds that `body`, called on each of some threads with its number, takes at best.
double best_seconds(int64_t threads, int64_t rounds, const std::function<void(int64_t)>& body) {
  double best = INFINITY;
  for (int64_t round = 0; round < rounds; round++) {
    const Clock::time_point begin = Clock::now();
    {
      std::vector<std::jthread> running;
      for (int64_t i = 1; i < threads; i++) running.emplace_back(body, i);
      body(0);
    }
    best = std::min(best, std::chrono::duration<double>(Clock::now() - begin).count());
  }
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

double read_bandwidth(int64_t threads) {
  const size_t size = static_cast<size_t>(buffer_bytes() / threads);
  const size_t whole = size * static_cast<size_t>(threads);
  const std::unique_ptr<std::byte[]> memory(new std::byte[whole]);  // first written by its thread
  const auto part = [&](int64_t i) {
    return std::span<std::byte>(memory.get() + static_cast<size_t>(i) * size, size);
  };
  best_seconds(threads, 1, [&](int64_t i) { std::ranges::fill(part(i), std::byte{1}); });
  std::atomic<bool> unchanged = true;
  const double seconds = best_seconds(threads, 8, [&](int64_t i) {
    if (!read_all(part(i))) unchanged = false;
  });
  expect(unchanged, "bandwidth: the buffer changed while it was read");
  return static_cast<double>(whole) / seconds;
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

double multiply_add_peak(int64_t threads) {
  using Function = void (*)(float* memory, int64_t n);
  constexpr int64_t steps = 500'000;  // some milliseconds: starting threads is nothing beside them
  const Target& target = device("CPU").target();
  const int64_t lanes = target.lanes;
  const int64_t chains = target.registers - 4;
  Jit jit;
  const std::vector<char> object = jit.compile(chains_text(chains, lanes));
  const Function function = reinterpret_cast<Function>(jit.load(object, "chains"));
  const double seconds = best_seconds(threads, 20, [&](int64_t) {
    // Neither growing nor so small that a processor slows down over it.
    const std::shared_ptr<void> memory = allocate((chains + 2) * lanes * 4);
    float* const values = static_cast<float*>(memory.get());
    std::fill(values, values + (chains + 2) * lanes, 0.5f);
    function(values, steps);
  });
  return static_cast<double>(2 * lanes * chains * steps * threads) / seconds;
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

RooflineShare share_of(const Roofline& limits, double bytes, double operations, double seconds) {
  const double reading = bytes / limits.bytes;
  const double computing = operations / limits.operations;
  return {std::max(reading, computing) / seconds, reading >= computing};
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
