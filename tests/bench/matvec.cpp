// How fast a vector is multiplied with the matrices of an 8B model, alone: packed weights a second,
// and their share of what this machine reads.
//
//   bench_matvec [FORMAT] [THREADS] [REPEATS] [BITS] [MB] [VECTORS]
// BITS of the vector's elements: it is rounded to them; 0: it stays in floats. VECTORS that are
// multiplied at once, as those of a prompt are: packed weights are then counted once for each.
//
// Enough copies of a matrix, MB of them, follow each other in one Replay that none of them is still
// in a cache; 0: one, which may be.
// In each repetition the memory is read by a plain loop too, as much as the matrices take: the
// share is of that. Weights are random bytes; scales are halves near 1.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <random>
#include <string>

#include "bench/machine/limits.h"
#include "core/error.h"
#include "models/formats.h"
#include "runtimes/realize.h"

using namespace niwaki;

namespace {

double seconds_of(const std::function<void()>& run) {
  auto start = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

const Format& format_named(const std::string& name) {
  for (const Format& format : formats()) {
    if (format.name == name) return format;
  }
  fail("bench_matvec: no format {}", name);
}

Tensor weights(const Format& format, int64_t rows, int64_t columns, uint64_t seed) {
  const int64_t bytes = rows * columns / format.values * format.bytes;
  auto data = std::make_shared<std::vector<uint8_t>>(size_t(bytes));
  std::mt19937_64 random(seed);
  for (size_t i = 0; i + 8 <= data->size(); i += 8) {
    const uint64_t word = random();
    std::memcpy(data->data() + i, &word, 8);
  }
  // The exponent of every half that a scale may be: 1 to 2, whatever its place in the block.
  for (int64_t i = 0; i + format.bytes <= bytes; i += format.bytes) {
    for (int64_t at : {int64_t(0), format.bytes - 2}) (*data)[size_t(i + at + 1)] = 0x3c;
  }
  return Tensor::view(data->data(), format.dtype, {rows, columns}, data);
}

}  // namespace

int main(int argc, char** argv) try {
  const Format& format = format_named(argc > 1 ? argv[1] : "Q1_0");
  const int64_t threads = argc > 2 ? std::stoi(argv[2]) : 1;
  const int64_t repeats = argc > 3 ? std::stoi(argv[3]) : 7;
  const int64_t bits = argc > 4 ? std::stoi(argv[4]) : 0;
  const double least_bytes = argc > 5 ? std::stod(argv[5]) * 1e6 : 96e6;
  const int64_t vectors = argc > 6 ? std::stoi(argv[6]) : 1;
  Device& cpu = device("CPU");
  cpu.set_threads(threads);
  Pool pool(threads);
  fmt::print("{} on {} threads, medians of {}\n", format.name, threads, repeats);
  fmt::print("{:>16} {:>10} {:>10} {:>14}\n", "rows x columns", "us", "GB/s", "of read GB/s");
  for (auto [rows, columns] : {std::pair<int64_t, int64_t>{4096, 4096},
                               {12288, 4096},
                               {4096, 12288},
                               {151936, 4096}}) {
    const double bytes = double(rows * columns) / double(format.values) * double(format.bytes);
    const int64_t copies = std::max<int64_t>(1, int64_t(least_bytes / bytes));
    std::vector<float> ones(size_t(vectors * columns), 0.5f);
    Tensor x = Tensor::from(ones, {vectors, columns});
    if (bits > 0) x = x.quantize(128, bits);
    std::vector<Tensor> products;
    for (int64_t i = 0; i < copies; ++i) {
      products.push_back(x.linear(weights(format, rows, columns, uint64_t(i))));
    }
    Replay replay(products, cpu);
    replay.run();
    std::vector<char> memory(size_t(double(copies) * bytes), 1);
    std::vector<double> times;
    std::vector<double> reads;
    for (int64_t i = 0; i < repeats; ++i) {
      times.push_back(seconds_of([&] { replay.run(); }) / double(copies * vectors));
      reads.push_back(
          seconds_of([&] { bench::read_memory(memory.data(), memory.size(), pool); }) /
          double(copies));
    }
    const double time = median(times);
    const double read = median(reads);
    fmt::print("{:>16} {:>10.1f} {:>10.2f} {:>6.0f} % {:>6.1f}\n",
               fmt::format("{}x{}", rows, columns), time * 1e6, bytes / time * 1e-9,
               100 * read / time, bytes / read * 1e-9);
  }
} catch (const std::exception& error) {
  fmt::print(stderr, "{}\n", error.what());
  return 1;
}
