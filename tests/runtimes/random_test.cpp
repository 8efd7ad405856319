// Random numbers: the paper's answers, the same numbers everywhere, and numbers that are random.
// All statistics are of fixed seeds: a test that passes does so for ever, and its limits are those
// that one in a thousand seeds would miss.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "core/error.h"
#include "ops/random.h"
#include "runtimes/realize.h"

namespace niwaki::test {
namespace {

template <class T>
T* data(const Tensor& t) {
  return static_cast<T*>(t.uop()->get<BufferRef>()->data);
}

struct Moments {
  double mean;
  double variance;
};

Moments moments(const std::vector<double>& x) {
  double mean = std::accumulate(x.begin(), x.end(), 0.0) / double(x.size());
  double square = 0;
  for (double v : x) square += (v - mean) * (v - mean);
  return {mean, square / double(x.size())};
}

// Kolmogorov and Smirnov's distance from a distribution, times sqrt(n): above 1.95 for one sample
// in a thousand.
template <class Distribution>
double distance(std::vector<double> x, const Distribution& below) {
  std::sort(x.begin(), x.end());
  double n = double(x.size());
  double most = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    double p = below(x[i]);
    most = std::max({most, p - double(i) / n, double(i + 1) / n - p});
  }
  return most * std::sqrt(n);
}

double uniform_below(double x) { return std::clamp(x, 0.0, 1.0); }
double normal_below(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

// Of neighbours; times sqrt(n) it is above 3.29 for one sample in a thousand.
double correlation(const std::vector<double>& x, size_t apart) {
  Moments m = moments(x);
  double sum = 0;
  for (size_t i = 0; i + apart < x.size(); ++i) sum += (x[i] - m.mean) * (x[i + apart] - m.mean);
  return sum / m.variance / std::sqrt(double(x.size()));
}

double chi_square(const std::vector<double>& counts, const std::vector<double>& expected) {
  double sum = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    sum += (counts[i] - expected[i]) * (counts[i] - expected[i]) / expected[i];
  }
  return sum;
}

std::vector<double> histogram(const std::vector<int64_t>& x, int64_t lo, int64_t n) {
  std::vector<double> counts(size_t(n), 0.0);
  for (int64_t v : x) {
    REQUIRE(v >= lo);
    REQUIRE(v < lo + n);
    counts[size_t(v - lo)] += 1;
  }
  return counts;
}

int64_t kernels(const Tensor& t) { return Replay({t}, device("NULL")).n_kernels(); }

}  // namespace

TEST_CASE("random: threefry gives the answers of the paper's test vectors") {
  const std::vector<uint32_t> key0 = {0, 0xffffffff, 0x13198a2e};
  const std::vector<uint32_t> key1 = {0, 0xffffffff, 0x03707344};
  const std::vector<uint32_t> counter0 = {0, 0xffffffff, 0x243f6a88};
  const std::vector<uint32_t> counter1 = {0, 0xffffffff, 0x85a308d3};
  Words found = threefry({Tensor::from(key0, {3}), Tensor::from(key1, {3})},
                         {Tensor::from(counter0, {3}), Tensor::from(counter1, {3})});
  for (const char* where : {"INTERP", "CPU"}) {
    CHECK(to_vector<uint32_t>(found.a, device(where)) ==
          std::vector<uint32_t>{0x6b200159, 0x1cb996fc, 0xc4923a9c});
    CHECK(to_vector<uint32_t>(found.b, device(where)) ==
          std::vector<uint32_t>{0x99ba4efe, 0xbb002be7, 0x483df7a0});
  }
}

TEST_CASE("random: a draw is threefry of the position and the draw's number") {
  Random random(0x0370734413198a2e);
  random.bits({3});
  std::vector<uint32_t> second = to_vector<uint32_t>(random.bits({2, 3}));
  const std::vector<uint32_t> position = {0, 1, 2, 3, 4, 5};
  const std::vector<uint32_t> key0 = {0x13198a2e};
  const std::vector<uint32_t> key1 = {0x03707344};
  const std::vector<uint32_t> one = {1};
  Words block = threefry({Tensor::from(key0, {1}), Tensor::from(key1, {1})},
                         {Tensor::from(position, {6}), Tensor::from(one, {1})});
  CHECK(second == to_vector<uint32_t>(block.a));
  // A stream of its own has a key that no draw holds: the number under the last draw's number.
  const std::vector<uint32_t> five = {5};
  const std::vector<uint32_t> last = {0xffffffff};
  Words other = threefry({Tensor::from(key0, {1}), Tensor::from(key1, {1})},
                         {Tensor::from(five, {1}), Tensor::from(last, {1})});
  CHECK(to_vector<uint32_t>(random.fold(5).bits({4})) ==
        to_vector<uint32_t>(Random(cat({other.a, other.b}, 0)).bits({4})));
}

TEST_CASE("random: the same numbers on every device and number of threads") {
  Device& cpu = device("CPU");
  int64_t before = cpu.threads();
  const auto draws = [](Device& on) {
    Random random(7);
    std::vector<double> all;
    const std::vector<Tensor> tensors = {
        random.bits({3, 5}).cast(f64),
        random.uniform({1000}),
        random.uniform({2, 9}, -3, 0.1),
        random.uniform({33}, 0, 1, f64),
        random.uniform({33}, -1, 1, f16),
        random.uniform({33}, -1, 1, bf16),
        random.integers({50}, -9, 1000),
        random.bernoulli({40}, 0.3),
        random.permutation(37),
        random.uniform({5, 1}).expand({5, 4}),
        random.multinomial(Tensor::ones({9}), 9),
    };
    for (const Tensor& t : tensors) {
      std::vector<double> values = to_vector<double>(t, on);
      all.insert(all.end(), values.begin(), values.end());
    }
    return all;
  };
  std::vector<double> expected = draws(device("INTERP"));
  for (int64_t threads : {1, 3}) {
    cpu.set_threads(threads);
    CHECK(draws(cpu) == expected);
  }
  // Logarithm and sine are approximated.
  const auto normals = [](Device& on) { return to_vector<double>(Random(3).normal({999}), on); };
  std::vector<double> reference = normals(device("INTERP"));
  cpu.set_threads(1);
  std::vector<double> one = normals(cpu);
  cpu.set_threads(3);
  CHECK(normals(cpu) == one);
  cpu.set_threads(before);
  for (size_t i = 0; i < one.size(); ++i) CHECK(std::abs(one[i] - reference[i]) < 4e-6);
}

TEST_CASE("random: numbers are computed where they are used, and draws share programs") {
  Random random(1);
  Tensor x = Tensor::ones({64, 32});
  CHECK(kernels(x * random.uniform({64, 32})) == 1);
  CHECK(kernels(random.normal({64, 32}) + random.normal({64, 32})) == 1);
  CHECK(kernels(dropout(x, 0.5, random)) == 1);
  CHECK(kernels((x * random.fold(Tensor(variable("step", 0, 99))).uniform({64, 32})).sum()) == 1);
  // Twenty rounds of five operations, and little else: words that both halves use are shared.
  Replay one({random.uniform({40})}, device("NULL"));
  CHECK(toposort(one.schedule().kernels[0].ast).size() < 160);
  Replay replay({random.uniform({40}).contiguous(), random.uniform({40}).contiguous()},
                device("CPU"));
  CHECK(replay.n_kernels() == 2);
  CHECK(replay.programs().size() == 1);
}

TEST_CASE("random: a replay draws anew when its key or step is another") {
  Tensor key = Tensor::from<uint32_t>({5, 0}, {2});
  Tensor step(variable("step", 0, 1000));
  Random stepped = Random(9).fold(step);
  Replay replay({Random(key).uniform({16}), stepped.uniform({16})}, device("CPU"));
  const auto run = [&](uint32_t word, int64_t at) {
    data<uint32_t>(key)[1] = word;
    replay.run({{"step", at}});
    return std::pair(to_vector<float>(replay.tensor(0)), to_vector<float>(replay.tensor(1)));
  };
  auto first = run(0, 1);
  auto second = run(1, 2);
  for (size_t i = 0; i < 16; ++i) {
    CHECK(first.first[i] != second.first[i]);
    CHECK(first.second[i] != second.second[i]);
  }
  CHECK(run(0, 1) == first);
  CHECK(first.first == to_vector<float>(Random(5).uniform({16})));
  CHECK(first.second == to_vector<float>(Random(9).fold(1).uniform({16})));
}

TEST_CASE("random: a key that is written by the graph steps by itself") {
  Tensor key = Tensor::from<uint32_t>({5, 0}, {2});
  Tensor numbers = Random(key).uniform({16});
  Tensor next = key.assign(key + Tensor::from<uint32_t>({0, 1}, {2}));
  Replay replay({numbers, next}, device("CPU"));
  for (uint64_t step = 0; step < 3; ++step) {
    replay.run();
    Tensor expected = Random(5 + (step << 32)).uniform({16});
    CHECK(to_vector<float>(replay.tensor(0)) == to_vector<float>(expected));
  }
}

TEST_CASE("random: draws, seeds and folds differ, copies do not") {
  Random random(3);
  Random copy = random;
  Tensor first = random.bits({64});
  const std::vector<Tensor> streams = {
      first,
      random.bits({64}),
      Random(4).bits({64}),
      Random(uint64_t(3) << 32).bits({64}),
      Random(3).fold(0).bits({64}),
      Random(3).fold(1).bits({64}),
      Random(3).fold(1).fold(0).bits({64}),
  };
  std::vector<uint32_t> all;
  for (const Tensor& t : streams) {
    std::vector<uint32_t> values = to_vector<uint32_t>(t);
    all.insert(all.end(), values.begin(), values.end());
  }
  std::sort(all.begin(), all.end());
  CHECK(std::adjacent_find(all.begin(), all.end()) == all.end());
  CHECK(to_vector<uint32_t>(copy.bits({64})) == to_vector<uint32_t>(first));
}

TEST_CASE("random: every bit is 0 as often as 1, and as any two are the same") {
  const int64_t n = 1 << 16;
  std::vector<uint32_t> words = to_vector<uint32_t>(Random(11).bits({n}));
  for (int bit = 0; bit < 32; ++bit) {
    double ones = 0;
    double equal = 0;
    for (uint32_t w : words) {
      ones += w >> bit & 1;
      equal += ~(w >> bit ^ w >> (bit + 1) % 32) & 1;
    }
    CHECK(std::abs(ones - n / 2) < 4 * std::sqrt(n) / 2);
    CHECK(std::abs(equal - n / 2) < 4 * std::sqrt(n) / 2);
  }
  // Bytes, 255 degrees of freedom: 330.5 is passed by one in a thousand.
  for (int byte = 0; byte < 4; ++byte) {
    std::vector<double> counts(256, 0.0);
    for (uint32_t w : words) counts[w >> 8 * byte & 255] += 1;
    CHECK(chi_square(counts, std::vector<double>(256, n / 256)) < 330.5);
  }
}

TEST_CASE("random: uniform numbers") {
  const int64_t n = 100000;
  for (DType t : {f32, f64}) {
    std::vector<double> x = to_vector<double>(Random(13).uniform({n}, 0, 1, t));
    CHECK(*std::min_element(x.begin(), x.end()) >= 0);
    CHECK(*std::max_element(x.begin(), x.end()) < 1);
    Moments m = moments(x);
    CHECK(std::abs(m.mean - 0.5) < 3.3 * std::sqrt(1 / 12.0 / n));
    CHECK(std::abs(m.variance - 1 / 12.0) < 3.3 * std::sqrt(1 / 180.0 / n));
    CHECK(distance(x, uniform_below) < 1.95);
    for (size_t apart : {1, 2, 64, 256}) CHECK(std::abs(correlation(x, apart)) < 3.29);
    // All digits are there, and no more.
    double unit = t == f32 ? 0x1p24 : 0x1p53;
    bool odd = false;
    for (double v : x) {
      REQUIRE(v * unit == std::floor(v * unit));
      odd |= std::fmod(v * unit, 2) == 1;
    }
    CHECK(odd);
  }
  std::vector<double> x = to_vector<double>(Random(13).uniform({n}, -2, 6));
  CHECK(distance(x, [](double v) { return uniform_below((v + 2) / 8); }) < 1.95);
  for (DType t : {f16, bf16}) {
    std::vector<double> few = to_vector<double>(Random(13).uniform({n}, 0, 1, t));
    CHECK(*std::max_element(few.begin(), few.end()) == 1 - (t == f16 ? 0x1p-11 : 0x1p-8));
    CHECK(std::abs(moments(few).mean - 0.5) < 0.005);
  }
}

TEST_CASE("random: uniform numbers reach lo and never hi") {
  // So narrow that most products round to one of the two ends.
  for (DType t : {f16, bf16, f32, f64}) {
    double hi = 1 + (t == f64 ? 0x1p-52 : t == f32 ? 0x1p-23 : t == f16 ? 0x1p-10 : 0x1p-7);
    for (double v : to_vector<double>(Random(1).uniform({1000}, 1, hi, t))) REQUIRE(v == 1);
  }
  for (float v : to_vector<float>(Random(1).uniform({1000}, 0, 1e-45))) REQUIRE(v == 0);
  for (float v : to_vector<float>(Random(1).uniform({1000}, -1e-3, 1e9f))) REQUIRE(v < 1e9f);
}

TEST_CASE("random: normal numbers") {
  const int64_t n = 100000;
  for (DType t : {f32, f64}) {
    std::vector<double> x = to_vector<double>(Random(17).normal({n}, 0, 1, t));
    Moments m = moments(x);
    CHECK(std::abs(m.mean) < 3.3 / std::sqrt(n));
    CHECK(std::abs(m.variance - 1) < 3.3 * std::sqrt(2.0 / n));
    CHECK(distance(x, normal_below) < 1.95);
    CHECK(std::abs(correlation(x, 1)) < 3.29);
    CHECK(*std::max_element(x.begin(), x.end()) > 3.7);
    CHECK(*std::min_element(x.begin(), x.end()) < -3.7);
  }
  std::vector<double> x = to_vector<double>(Random(17).normal({n}, 10, 0.5, f16));
  CHECK(std::abs(moments(x).mean - 10) < 0.01);
  CHECK(std::abs(moments(x).variance - 0.25) < 0.01);
  for (float v : to_vector<float>(Random(17).normal({9}, 2, 0))) CHECK(v == 2);
}

TEST_CASE("random: integers") {
  const int64_t n = 70000;
  // 6 degrees of freedom: 22.46 is passed by one in a thousand.
  std::vector<int64_t> x = to_vector<int64_t>(Random(19).integers({n}, -3, 4));
  CHECK(chi_square(histogram(x, -3, 7), std::vector<double>(7, n / 7)) < 22.46);
  std::vector<double> wide;
  for (int64_t v : to_vector<int64_t>(Random(19).integers({n}, -(int64_t(1) << 31), 1ll << 31))) {
    wide.push_back((double(v) + 0x1p31) * 0x1p-32);
  }
  CHECK(distance(wide, uniform_below) < 1.95);
  for (int64_t v : to_vector<int64_t>(Random(1).integers({100}, INT64_MAX - 1, INT64_MAX))) {
    CHECK(v == INT64_MAX - 1);
  }
  for (int64_t v : to_vector<int64_t>(Random(1).integers({100}, INT64_MIN, INT64_MIN + 2))) {
    CHECK(v <= INT64_MIN + 1);
  }
  CHECK(Random(1).integers({3}, 0, 256, u8).dtype() == u8);
  histogram(to_vector<int64_t>(Random(1).integers({999}, -128, 128, i8)), -128, 256);
}

TEST_CASE("random: permutations") {
  std::vector<int64_t> p = to_vector<int64_t>(Random(23).permutation(500));
  CHECK(std::is_permutation(p.begin(), p.end(),
                            [] {
                              std::vector<int64_t> all(500);
                              std::iota(all.begin(), all.end(), 0);
                              return all;
                            }()
                                .begin()));
  double moved = 0;
  for (size_t i = 0; i < p.size(); ++i) moved += p[i] != int64_t(i);
  CHECK(moved > 490);
  // Each of the six orders of three, 5 degrees of freedom: 20.52 is passed by one in a thousand.
  Random random(29);
  std::vector<double> counts(6, 0.0);
  Tensor key = Tensor::from<uint32_t>({0, 29}, {2});
  Replay replay({Random(key).permutation(3)}, device("CPU"));
  for (uint32_t i = 0; i < 6000; ++i) {
    data<uint32_t>(key)[0] = i;
    replay.run();
    const int64_t* order = static_cast<const int64_t*>(replay.output(0).data);
    counts[size_t(order[0] * 2 + (order[1] > order[2]))] += 1;
  }
  CHECK(chi_square(counts, std::vector<double>(6, 1000)) < 20.52);
  CHECK(to_vector<int64_t>(random.permutation(0)).empty());
  CHECK(to_vector<int64_t>(random.permutation(1)) == std::vector<int64_t>{0});
}

TEST_CASE("random: bernoulli") {
  const int64_t n = 40000;
  Tensor p = Tensor::from<float>({0, 0.25f, 0.5f, 1}, {4, 1}).expand({4, n});
  std::vector<int64_t> ones = to_vector<int64_t>(Random(31).bernoulli(p).sum({1}));
  CHECK(ones[0] == 0);
  CHECK(ones[3] == n);
  CHECK(std::abs(double(ones[1]) - n * 0.25) < 3.3 * std::sqrt(n * 0.25 * 0.75));
  CHECK(std::abs(double(ones[2]) - n * 0.5) < 3.3 * std::sqrt(n * 0.25));
  CHECK(Random(31).bernoulli({3}, 0.5).dtype() == boolean);
}

TEST_CASE("random: multinomial with replacement") {
  const int64_t n = 20000;
  Tensor weights = Tensor::from<float>({0, 1, 0, 3, 4, 0}, {6});
  std::vector<int64_t> x = to_vector<int64_t>(Random(37).multinomial(weights, n, true));
  std::vector<double> counts = histogram(x, 0, 6);
  CHECK(counts[0] + counts[2] + counts[5] == 0);
  // 2 degrees of freedom: 13.82 is passed by one in a thousand.
  CHECK(chi_square({counts[1], counts[3], counts[4]}, {n / 8.0, n * 3 / 8.0, n / 2.0}) < 13.82);
  Tensor rows = Tensor::from<float>({0, 1, 1, 0}, {2, 2});
  CHECK(to_vector<int64_t>(Random(1).multinomial(rows, 3, true)) ==
        std::vector<int64_t>{1, 1, 1, 0, 0, 0});
}

TEST_CASE("random: multinomial without replacement") {
  // The first of two, weights 1, 3: the second category three times in four; never one twice.
  const int64_t n = 4000;
  Tensor weights = Tensor::from<float>({1, 0, 3}, {1, 3}).expand({n, 3});
  std::vector<int64_t> x = to_vector<int64_t>(Random(41).multinomial(weights, 3));
  double second = 0;
  for (int64_t i = 0; i < n; ++i) {
    REQUIRE(x[size_t(3 * i)] + x[size_t(3 * i + 1)] == 2);
    REQUIRE(x[size_t(3 * i + 2)] == 1);
    second += x[size_t(3 * i)] == 2;
  }
  CHECK(std::abs(second - n * 0.75) < 3.3 * std::sqrt(n * 0.75 * 0.25));
  Tensor negative = Tensor::from<float>({-1, 2, -3}, {3});
  CHECK(to_vector<int64_t>(Random(41).multinomial(negative, 1)) == std::vector<int64_t>{1});
}

TEST_CASE("random: dropout") {
  const int64_t n = 40000;
  Random random(43);
  Tensor x = Tensor::full({n}, 3);
  double kept = 0;
  for (double v : to_vector<double>(dropout(x, 0.25, random))) {
    REQUIRE((v == 0 || v == 4));
    kept += v == 4;
  }
  CHECK(std::abs(kept - n * 0.75) < 3.3 * std::sqrt(n * 0.75 * 0.25));
  CHECK(dropout(x, 0, random).uop() == x.uop());
  Tensor infinite = Tensor::full({4}, INFINITY, f16);
  CHECK(to_vector<double>(dropout(infinite, 1, random)) == std::vector<double>(4, 0.0));
  CHECK(dropout(infinite, 1, random).dtype() == f16);
  CHECK(dropout(infinite, 0.5, random).dtype() == f16);
}

TEST_CASE("random: initial weights have the spread of their formulas") {
  // Fan in 64 * 9, fan out 128 * 9.
  const std::vector<int64_t> shape = {128, 64, 3, 3};
  Random random(47);
  struct Row {
    const char* name;
    Tensor weights;
    double std;
    bool uniform;
  };
  const std::vector<Row> rows = {
      {"kaiming_uniform", random.kaiming_uniform(shape), std::sqrt(2.0 / 576), true},
      {"kaiming_uniform, a", random.kaiming_uniform(shape, 2), std::sqrt(2.0 / 5 / 576), true},
      {"kaiming_normal", random.kaiming_normal(shape), std::sqrt(2.0 / 576), false},
      {"kaiming_normal, a", random.kaiming_normal(shape, 2), std::sqrt(2.0 / 5 / 576), false},
      {"glorot_uniform", random.glorot_uniform(shape), std::sqrt(2.0 / 1728), true},
      {"glorot_normal", random.glorot_normal(shape), std::sqrt(2.0 / 1728), false},
      {"scaled_uniform", random.scaled_uniform(shape), std::sqrt(1.0 / 73728 / 3), true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    std::vector<double> x = to_vector<double>(row.weights);
    double n = double(x.size());
    Moments m = moments(x);
    CHECK(std::abs(m.mean) < 3.3 * row.std / std::sqrt(n));
    CHECK(std::abs(std::sqrt(m.variance) / row.std - 1) < 3.3 / std::sqrt(2 * n));
    double most = *std::max_element(x.begin(), x.end()) / row.std;
    CHECK((row.uniform ? most <= std::sqrt(3) + 1e-6 && most > 1.73 : most > 3.5));
  }
}

TEST_CASE("random: scalars, no elements, symbolic shapes") {
  Random random(53);
  CHECK(random.uniform({}).rank() == 0);
  CHECK(item<float>(random.uniform({})) < 1);
  CHECK(std::isfinite(item<float>(random.normal({}))));
  for (Tensor t :
       {random.uniform({0}), random.normal({3, 0}), random.integers({0, 2}, 0, 5),
        random.bernoulli({0}, 0.5), random.kaiming_uniform({0, 4}), random.glorot_normal({4, 0}),
        random.scaled_uniform({0}), random.multinomial(Tensor::ones({3}), 0),
        random.multinomial(Tensor::ones({0}), 0, true), random.multinomial(Tensor::ones({0, 3}), 2),
        dropout(Tensor::zeros({0, 3}), 0.5, random)}) {
    CAPTURE(to_string(t.shape()));
    CHECK(to_vector<double>(t).empty());
  }
  // The numbers of a shorter draw are the first of a longer one.
  UOp n = variable("n", 1, 8);
  Tensor drawn = realize(Random(2).uniform({n, 2}), {{"n", 3}});
  Tensor whole = Random(2).uniform({6});
  CHECK(to_vector<float>(drawn) == to_vector<float>(whole));
}

TEST_CASE("random: a draw of more than 2^32 elements") {
  Random random(59);
  int64_t half = int64_t(1) << 32;
  Tensor x = random.bits({2, half + 3});
  Tensor after = random.bits({2});
  // Position 2^32 is the beginning of the next draw, and the draw after that comes after the last.
  Random again(59);
  again.bits({1});
  Tensor second = again.bits({2});
  CHECK(to_vector<uint32_t>(x.slice(0, 0, 1).slice(1, half, half + 2)) ==
        to_vector<uint32_t>(second));
  again.bits({1});
  CHECK(to_vector<uint32_t>(after) == to_vector<uint32_t>(again.bits({2})));
}

TEST_CASE("random: what is refused") {
  Random random(1);
  const double nan = std::nan("");
  CHECK_THROWS_WITH(Random(Tensor::ones({2})), "random: the key is f32 (2): give u32 (2)");
  CHECK_THROWS_WITH(Random(Tensor::zeros({3}, u32)), "random: the key is u32 (3): give u32 (2)");
  CHECK_THROWS_WITH(random.fold(0.5), "random: fold of f64 (): give an integer scalar");
  CHECK_THROWS_WITH(random.fold(Tensor::zeros({1}, i64)),
                    "random: fold of i64 (1): give an integer scalar");
  CHECK_THROWS_WITH(random.uniform({2}, 0, 1, i32), "uniform: numbers of i32: give a float dtype");
  CHECK_THROWS_WITH(random.uniform({2}, 1, 1), "uniform: no finite numbers of f32 in [1, 1)");
  CHECK_THROWS_WITH(random.uniform({2}, nan, 1), "uniform: no finite numbers of f32 in [nan, 1)");
  CHECK_THROWS_WITH(random.uniform({2}, 0, INFINITY),
                    "uniform: no finite numbers of f32 in [0, inf)");
  CHECK_THROWS_WITH(random.uniform({2}, -3e38, 3e38),
                    "uniform: no finite numbers of f32 in [-3e+38, 3e+38)");
  CHECK_THROWS_WITH(random.normal({2}, 0, 1, u8), "normal: numbers of u8: give a float dtype");
  CHECK_THROWS_WITH(random.normal({2}, 0, -1),
                    "normal: mean 0 and standard deviation -1: give finite numbers, the second not "
                    "negative");
  CHECK_THROWS_WITH(random.normal({2}, nan, 1),
                    "normal: mean nan and standard deviation 1: give finite numbers, the second "
                    "not negative");
  CHECK_THROWS_WITH(random.integers({2}, 0, 2, f32),
                    "integers: numbers of f32: give an integer dtype");
  CHECK_THROWS_WITH(random.integers({2}, 3, 3), "integers: [3, 3) is empty or not in i64");
  CHECK_THROWS_WITH(random.integers({2}, 0, 257, u8), "integers: [0, 257) is empty or not in u8");
  CHECK_THROWS_WITH(random.integers({2}, -1, 2, u64), "integers: [-1, 2) is empty or not in u64");
  CHECK_THROWS_WITH(random.integers({2}, 0, (int64_t(1) << 32) + 1),
                    "integers: [0, 4294967297) has more than 2^32 numbers");
  CHECK_THROWS_WITH(random.bernoulli({2}, 1.5), "bernoulli: the probability 1.5 is not in [0, 1]");
  CHECK_THROWS_WITH(random.multinomial(Tensor::ones({2, 2, 2}), 1),
                    "multinomial: the weights (2, 2, 2) are not [k] or [m, k]");
  CHECK_THROWS_WITH(random.multinomial(Tensor::ones({3}), 4),
                    "multinomial: 4 of 3 categories without replacement");
  CHECK_THROWS_WITH(random.multinomial(Tensor::ones({0}), 1, true),
                    "multinomial: 1 of 0 categories with replacement");
  CHECK_THROWS_WITH(dropout(Tensor::ones({2}), -0.1, random),
                    "dropout: the probability -0.1 is not in [0, 1]");
  CHECK_THROWS_WITH(dropout(Tensor::ones({2}), nan, random),
                    "dropout: the probability nan is not in [0, 1]");
  CHECK_THROWS_WITH(random.kaiming_uniform({3}),
                    "kaiming_uniform: the shape (3) has no fan in: give [out, in, ...]");
  CHECK_THROWS_WITH(random.kaiming_normal({}),
                    "kaiming_normal: the shape () has no fan in: give [out, in, ...]");
  CHECK_THROWS_WITH(random.glorot_uniform({3}),
                    "glorot_uniform: the shape (3) has no fan in: give [out, in, ...]");
  CHECK_THROWS_WITH(random.glorot_normal({3}),
                    "glorot_normal: the shape (3) has no fan in: give [out, in, ...]");
}

}  // namespace niwaki::test
