// What a kernel of a replay costs beyond its own work. A chain of small kernels, each of which
// needs all that the one before wrote, is launched again and again on one and on two threads. A
// kernel of 16 numbers does nothing that can be measured, so its time on one thread is the cost of
// a launch; what a longer one takes more is its own work, of which a thread of two does half. What
// two threads take beyond that half is the price of sharing: telling the other one, and waiting for
// it.
//
// What it costs to begin at all is measured with one such kernel: a run of a Replay, and a call of
// a captured function, which compares its arguments with what was recorded.
//
// The least of many runs, one and two threads in turn: whatever else the machine does only adds.
// Each thread is held on a processor of its own, because a busy machine puts both on one. Where two
// processors are rarely free at once, give it more seconds.
#include <fmt/core.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <string>

#include "runtimes/capture.h"

using namespace niwaki;

namespace {

using Clock = std::chrono::steady_clock;
using Micros = std::chrono::duration<double, std::micro>;

constexpr int64_t n_kernels = 200;

// Microseconds of what is done n_kernels times: the least of the runs that fit the time.
template <class Run>
double time_of(const Run& run, double seconds) {
  double least = 1e30;
  Clock::time_point begin = Clock::now();
  while (Clock::now() - begin < std::chrono::duration<double>(seconds)) {
    Clock::time_point start = Clock::now();
    run();
    least = std::min(least, Micros(Clock::now() - start).count() / double(n_kernels));
  }
  return least;
}

// Threads inherit the processor of the one that starts them.
void hold_on(int processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  sched_setaffinity(0, sizeof set, &set);
}

void set_threads(Device& device, int64_t threads) {
  hold_on(1);
  device.set_threads(threads);
  hold_on(0);
}

void print_beginnings(Device& device, double seconds) {
  Tensor x = Tensor::from(std::vector<float>(16, 1.0f), {16});
  Replay replay({x * 2}, device);
  Captured captured =
      capture([](const std::vector<Tensor>& a) { return std::vector{a[0] * 2}; }, device);
  double run = time_of(
      [&] {
        for (int64_t i = 0; i < n_kernels; ++i) replay.run();
      },
      seconds);
  double call = time_of(
      [&] {
        for (int64_t i = 0; i < n_kernels; ++i) captured({x});
      },
      seconds);
  fmt::print("a run of a Replay {:.3f} us, a call of a captured function {:.3f} us\n", run, call);
}

// Kernels that are separate, since each stores what it computes.
Replay chain(int64_t n, Device& device) {
  Tensor x = Tensor::from(std::vector<float>(size_t(n), 1.0f), {n});
  for (int64_t i = 0; i < n_kernels; ++i) x = (x * 0.5 + 1.0).contiguous();
  return Replay({x}, device);
}

}  // namespace

int main(int argc, char** argv) {
  double seconds = argc > 1 ? std::stod(argv[1]) : 1;
  constexpr int64_t rounds = 4;
  Device& cpu = device("CPU");
  double launch = 0;
  fmt::print("{:>8} {:>12} {:>12} {:>12}\n", "numbers", "1 thread", "2 threads", "beyond");
  for (int64_t n : {16, 1024, 4096, 16384, 32768, 65536, 131072}) {
    Replay replay = chain(n, cpu);
    if (replay.n_kernels() != n_kernels) return 1;
    double times[2] = {1e30, 1e30};
    for (int64_t round = 0; round < rounds; ++round) {
      for (int64_t threads : {1, 2}) {
        set_threads(cpu, threads);
        double& least = times[threads - 1];
        least = std::min(least, time_of([&] { replay.run(); }, seconds / rounds));
      }
    }
    if (n == 16) launch = times[0];
    double own = times[0] - launch;
    bool shared = times[1] < 0.9 * times[0];
    double beyond = times[1] - (shared ? own / 2 : own);
    fmt::print("{:8} {:9.3f} us {:9.3f} us {:9.3f} us {}\n", n, times[0], times[1], beyond,
               shared ? "shared" : "");
  }
  set_threads(cpu, 1);
  print_beginnings(cpu, seconds);
}
