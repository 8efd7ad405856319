// How near kernels come to what the machine can do: products of matrices against OpenBLAS, what
// reads and writes 64 MB against a loop that only copies or reads, a convolution against the rate
// of multiply-adds.
//
//   bench_kernels [--json] [--repeats N] [--only TEXT]
//
// The two sides of a ratio are measured in turn, so that whatever else the machine does meets both;
// a figure is the median of the repeats. One sample runs a case as often as takes about 20 ms.
// OpenBLAS is opened when it is there and chooses its kernels by the processor, which one of an
// older release may not know: the first line says which it took.
#include <dlfcn.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <thread>

#include "bench/machine/limits.h"
#include "core/error.h"
#include "runtimes/realize.h"

namespace niwaki::bench {
namespace {

// --- the peer ---

struct OpenBlas {
  using Sgemm = void (*)(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
                         const float* a, int lda, const float* b, int ldb, float beta, float* c,
                         int ldc);
  Sgemm sgemm = nullptr;
  void (*set_threads)(int) = nullptr;
  std::string core = "none";

  OpenBlas() {
    void* library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!library) return;
    sgemm = reinterpret_cast<Sgemm>(dlsym(library, "cblas_sgemm"));
    set_threads = reinterpret_cast<void (*)(int)>(dlsym(library, "openblas_set_num_threads"));
    auto name = reinterpret_cast<char* (*)()>(dlsym(library, "openblas_get_corename"));
    if (name) core = name();
  }

  void multiply(const Tensor& a, const Tensor& b, std::vector<float>& c, int64_t n) const {
    constexpr int row_major = 101;
    constexpr int as_it_is = 111;
    const float* left = static_cast<const float*>(a.uop()->get<BufferRef>()->data);
    const float* right = static_cast<const float*>(b.uop()->get<BufferRef>()->data);
    int size = int(n);
    sgemm(row_major, as_it_is, as_it_is, size, size, size, 1, left, size, right, size, 0, c.data(),
          size);
  }
};

// --- cases ---

enum class Limit { Multiply, Read, Copy };

// A computation over memory that exists.
struct Work {
  Tensor output;
  /// What is read; of the output's size where the limit is a copy.
  Tensor input;
  /// Null where there is no peer but the limit itself.
  std::function<void()> peer = {};
  /// What the peer computed.
  std::shared_ptr<std::vector<float>> expected = {};
};

struct Case {
  std::string name;
  /// Of one run, in units of 1e9: floating-point operations, or bytes read and written.
  double size = 0;
  Limit limit = Limit::Copy;
  std::function<Work()> make;
};

// Numbers around 0 that differ from their neighbours.
Tensor noise(const std::vector<int64_t>& shape) {
  Tensor t = Tensor::empty(shape);
  const Buffer& b = *t.uop()->get<BufferRef>();
  uint32_t state = 1;
  for (int64_t i = 0; i < b.size(); ++i) {
    state = state * 1664525U + 1013904223U;
    static_cast<float*>(b.data)[i] = float(state >> 8) / float(1 << 23) - 1;
  }
  return t;
}

Case product(int64_t n, const OpenBlas& blas) {
  double flops = 2e-9 * double(n * n * n);
  return {fmt::format("matmul {0} x {0} x {0}", n), flops, Limit::Multiply, [n, &blas] {
            Tensor a = noise({n, n});
            Tensor b = noise({n, n});
            Work work = {a.matmul(b), a};
            work.expected = std::make_shared<std::vector<float>>(static_cast<size_t>(n * n));
            if (blas.sgemm) {
              work.peer = [&blas, a, b, c = work.expected, n] { blas.multiply(a, b, *c, n); };
            }
            return work;
          }};
}

Case over_rows(const std::string& name, Limit limit, const std::function<Tensor(Tensor)>& f) {
  constexpr int64_t rows = 4096;
  double bytes = (limit == Limit::Copy ? 2 : 1) * 4e-9 * rows * rows;
  return {name + ", 64 MB", bytes, limit, [f] {
            Tensor x = noise({rows, rows});
            return Work{f(x), x};
          }};
}

std::vector<Case> all_cases(const OpenBlas& blas) {
  return {
      product(512, blas),
      product(1024, blas),
      product(2048, blas),
      product(1000, blas),
      over_rows("x * 2 + 1", Limit::Copy, [](const Tensor& x) { return x * 2.0 + 1.0; }),
      over_rows("sum", Limit::Read, [](const Tensor& x) { return x.sum(); }),
      over_rows("softmax of rows", Limit::Copy, [](const Tensor& x) { return x.softmax(); }),
      over_rows("layer_norm of rows", Limit::Copy, [](const Tensor& x) { return x.layer_norm(); }),
      {"conv 3 x 3, 64 to 64, 56 x 56", 2e-9 * 56 * 56 * 64 * 64 * 9, Limit::Multiply,
       [] {
         Tensor image = noise({1, 64, 56, 56});
         Tensor weight = noise({64, 64, 3, 3});
         return Work{image.conv2d(weight, {.padding = {1}}), image};
       }},
  };
}

// --- measuring ---

double seconds_of(const std::function<void()>& body, int64_t times) {
  auto begin = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < times; ++i) body();
  std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
  return spent.count() / double(times);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct Row {
  std::string name;
  int64_t threads = 0;
  bool multiplies = false;
  double seconds = 0;
  double rate = 0;
  double peer = 0;  // 0: there is none
  double limit = 0;
};

// Threads of the other side still wait for more work when it is over: they get the time to go to
// sleep. Then ours are woken, and get the time to spread over the processors.
double seconds_warm(const std::function<void()>& body, int64_t times) {
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
  seconds_of(body, times);
  return seconds_of(body, times);
}

// A wrong product is not fast.
void check_equal(const Buffer& ours, const std::vector<float>& expected) {
  const float* values = static_cast<const float*>(ours.data);
  for (size_t i = 0; i < expected.size(); ++i) {
    check(std::abs(values[i] - expected[i]) < 1e-3, "bench_kernels: element {} is {}, not {}", i,
          values[i], expected[i]);
  }
}

Row measure(const Case& c, int64_t threads, int64_t repeats, const OpenBlas& blas) {
  Pool pool(threads);
  default_device().set_threads(threads);
  if (blas.set_threads) blas.set_threads(int(threads));
  Work work = c.make();
  Replay replay({work.output}, default_device());
  auto ours = [&] { replay.run(); };
  constexpr double sample = 0.02;
  ours();
  int64_t times = std::max<int64_t>(1, int64_t(sample / seconds_of(ours, 1)));
  int64_t peer_times = 1;
  if (work.peer) {
    work.peer();
    peer_times = std::max<int64_t>(1, int64_t(sample / seconds_of(work.peer, 1)));
  }
  // Memory is read and written where the kernel does it, so that both find it in the same caches.
  const Buffer& input = *work.input.uop()->get<BufferRef>();
  const Buffer& output = replay.output(0);
  auto limit = [&] {
    if (c.limit == Limit::Multiply) multiply_adds(1e9 * c.size, pool);
    else if (c.limit == Limit::Read) read_memory(input.data, input.bytes(), pool);
    else copy_memory(output.data, input.data, input.bytes(), pool);
  };
  if (work.peer) check_equal(replay.output(0), *work.expected);
  std::vector<double> own;
  std::vector<double> peers;
  std::vector<double> limits;
  for (int64_t i = 0; i < repeats; ++i) {
    own.push_back(seconds_warm(ours, times));
    if (work.peer) peers.push_back(c.size / seconds_warm(work.peer, peer_times));
    limits.push_back(c.size / seconds_warm(limit, times));
  }
  Row row = {c.name, threads, c.limit == Limit::Multiply};
  row.seconds = median(own);
  row.rate = c.size / row.seconds;
  row.peer = work.peer ? median(peers) : 0;
  row.limit = median(limits);
  return row;
}

// --- output ---

void print_table(const Row& row) {
  std::string peer = row.peer > 0 ? fmt::format("{:8.1f} {:6.2f}", row.peer, row.rate / row.peer)
                                  : fmt::format("{:>8} {:>6}", "", "");
  fmt::print("{:<30} {} {:9.3f} {:9.1f} {} {} {:8.1f} {:6.2f}\n", row.name, row.threads,
             row.seconds * 1e3, row.rate, row.multiplies ? "GFLOP/s" : "GB/s   ", peer, row.limit,
             row.rate / row.limit);
  std::fflush(stdout);
}

std::string json(const Row& row) {
  std::string peer = row.peer > 0 ? fmt::format(R"("peer": {:.2f}, "of_peer": {:.3f}, )", row.peer,
                                                row.rate / row.peer)
                                  : "";
  return fmt::format(
      R"({{"case": "{}", "threads": {}, "ms": {:.4f}, "rate": {:.2f}, "unit": "{}", {})"
      R"("limit": {:.2f}, "of_limit": {:.3f}}})",
      row.name, row.threads, row.seconds * 1e3, row.rate, row.multiplies ? "GFLOP/s" : "GB/s", peer,
      row.limit, row.rate / row.limit);
}

int run(const std::vector<std::string>& args) {
  bool as_json = false;
  int64_t repeats = 7;
  std::string only;
  for (size_t i = 0; i < args.size(); ++i) {
    bool has_value = i + 1 < args.size();
    if (args[i] == "--json") as_json = true;
    else if (args[i] == "--repeats" && has_value) repeats = std::stoll(args[++i]);
    else if (args[i] == "--only" && has_value) only = args[++i];
    else fail("bench_kernels: unknown argument {}: [--json] [--repeats N] [--only TEXT]", args[i]);
  }
  OpenBlas blas;
  if (!as_json) {
    fmt::print("OpenBLAS core: {}; medians of {}\n", blas.core, repeats);
    fmt::print("{:<30} {} {:>9} {:>9} {:<7} {:>8} {:>6} {:>8} {:>6}\n", "case", "t", "ms", "rate",
               "", "peer", "ratio", "limit", "share");
  }
  std::vector<std::string> objects;
  int64_t most = std::min<int64_t>(2, std::max(1U, std::thread::hardware_concurrency()));
  for (const Case& c : all_cases(blas)) {
    if (c.name.find(only) == std::string::npos) continue;
    for (int64_t threads = 1; threads <= most; ++threads) {
      Row row = measure(c, threads, std::max<int64_t>(repeats, 1), blas);
      if (as_json) objects.push_back(json(row));
      else print_table(row);
    }
  }
  if (as_json) {
    fmt::print("{{\"openblas_core\": \"{}\", \"repeats\": {}, \"rows\": [\n  {}\n]}}\n", blas.core,
               repeats, fmt::join(objects, ",\n  "));
  }
  return 0;
}

}  // namespace
}  // namespace niwaki::bench

int main(int argc, char** argv) {
  try {
    return niwaki::bench::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
