// Bandwidth is measured by reading. Each thread reads its own part of a buffer, which it also wrote
// first, so that on a machine with several memories its part lies near it. The best of several
// rounds counts: what disturbs a round only ever makes it slower, and a limit that the model could
// exceed would be none.
//
// The buffer is several times the last cache, or the second round would read from there. A vendor's
// figure was rejected: it leaves out the threads, the other guests of the machine and, on a small
// one, the fact that one core alone cannot ask for as much as the memory can give.
#include "cli/machine.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "core/error.h"

namespace niwaki {
namespace {

using Clock = std::chrono::steady_clock;

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

// Calls `body` with each thread's part of the buffer, on a thread of its own.
void each_part(std::span<std::byte> bytes, int64_t threads,
               const std::function<void(std::span<std::byte>)>& body) {
  const size_t size = bytes.size() / static_cast<size_t>(threads);
  std::vector<std::jthread> running;
  for (int64_t i = 0; i < threads; i++) {
    running.emplace_back(body, bytes.subspan(static_cast<size_t>(i) * size, size));
  }
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

double read_bandwidth(int64_t threads) {
  constexpr int64_t rounds = 8;
  const size_t size = static_cast<size_t>(buffer_bytes());
  const std::unique_ptr<std::byte[]> memory(new std::byte[size]);  // first written by its thread
  const std::span<std::byte> bytes(memory.get(), size);
  each_part(bytes, threads,
            [](std::span<std::byte> part) { std::ranges::fill(part, std::byte{1}); });
  double best = 0;
  for (int64_t round = 0; round < rounds; round++) {
    std::atomic<bool> whole = true;
    const Clock::time_point begin = Clock::now();
    each_part(bytes, threads, [&](std::span<std::byte> part) {
      if (!read_all(part)) whole = false;
    });
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    expect(whole, "bandwidth: the buffer changed while it was read");
    best = std::max(best, static_cast<double>(size) / seconds);
  }
  return best;
}

}  // namespace niwaki
