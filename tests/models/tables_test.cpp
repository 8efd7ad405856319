// Products that are looked up in tables: by the oracle before and after each rewrite, by the CPU
// with any number of threads and with each rewrite left out, and against sums in double.
#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "codegen/prepare.h"
#include "core/error.h"
#include "models/formats.h"
#include "runtimes/realize.h"
#include "schedule/schedule.h"
#include "support/own.h"

namespace niwaki::test {
namespace {

// Weights of a format: random bytes, but for scales, which are 1.
Tensor weights(const char* format, int64_t rows, int64_t columns, uint64_t seed) {
  for (const Format& f : formats()) {
    if (f.name != format) continue;
    auto data =
        std::make_shared<std::vector<uint8_t>>(size_t(rows * columns / f.values * f.bytes));
    std::mt19937_64 random(seed);
    for (uint8_t& byte : *data) byte = uint8_t(random());
    const int64_t scale = f.name == "TQ2_0" ? 64 : 0;
    for (size_t i = 0; i < data->size(); i += size_t(f.bytes)) {
      (*data)[i + size_t(scale)] = 0;
      (*data)[i + size_t(scale) + 1] = 0x3c;
    }
    return Tensor::view(data->data(), f.dtype, {rows, columns}, data);
  }
  fail("no format {}", format);
}

// Whole numbers whose greatest is 4095 in every group, so that rounding to 12 bits leaves them.
std::vector<float> whole_numbers(int64_t n) {
  std::vector<float> values;
  for (int64_t i = 0; i < n; ++i) {
    values.push_back(i % 128 == 0 ? 4095 : float(i * 997 % 8191) - 4095);
  }
  return values;
}

std::vector<double> product(const std::vector<float>& x, const Tensor& w) {
  std::vector<float> values = to_vector<float>(w, device("INTERP"));
  std::vector<double> sums(values.size() / x.size());
  for (size_t i = 0; i < values.size(); ++i) {
    sums[i / x.size()] += double(values[i]) * x[i % x.size()];
  }
  return sums;
}

// One kernel by the oracle, in the code of a target.
void interpret(const UOp& ast, const std::vector<BufferRef>& args, const Target* target) {
  Device& interp = device("INTERP");
  std::shared_ptr<Program> program = interp.compile(lower(ast, target ? *target : interp.target()));
  std::vector<void*> memory;
  for (const BufferRef& b : args) memory.push_back(b->data);
  Launch launch = {program.get(), memory, {}};
  interp.run({&launch, 1});
}

void give_memory(const BufferRef& b) {
  std::shared_ptr<void> memory = allocate(b->bytes());
  b->data = memory.get();
  b->owner = memory;
}

BufferRef memory_of(DType t, int64_t size) {
  auto b = std::make_shared<Buffer>(Buffer{t, {size}, nullptr, nullptr, false});
  give_memory(b);
  return b;
}

// The values of a tensor by the oracle, in its own code or prepared and lowered for a target, and
// whether that changed a kernel before it was lowered.
std::vector<float> interpreted(const Tensor& t, const Target* target, bool* changed = nullptr) {
  Schedule all = schedule({t.uop()});
  for (const Kernel& kernel : all.kernels) {
    for (const BufferRef& b : kernel.args) {
      if (!b->data) give_memory(b);
    }
    if (!target) {
      interpret(kernel.ast, kernel.args, target);
      continue;
    }
    Prepared p = prepare(kernel.ast, *target);
    if (changed) *changed |= p.ast != kernel.ast;
    std::vector<BufferRef> args = kernel.args;
    for (const Shared& table : p.shared) {
      std::vector<BufferRef> own = {memory_of(table.dtype, table.size)};
      for (int64_t source : table.sources) own.push_back(kernel.args[size_t(source)]);
      interpret(table.ast, own, target);
      args.push_back(own[0]);
    }
    for (const LaidOut& copy : p.constants) {
      BufferRef made = memory_of(copy.dtype, copy.size);
      interpret(copy.ast, {made, kernel.args[size_t(copy.source)]}, target);
      args.push_back(made);
    }
    std::vector<BufferRef> own;
    for (int64_t param : p.params) own.push_back(args[size_t(param)]);
    interpret(p.ast, own, target);
  }
  const auto* values = static_cast<const float*>(all.outputs[0]->data);
  return {values, values + all.outputs[0]->size()};
}

const char* const coded[] = {"Q1_0", "Q2_0", "TQ2_0", "Q4_0"};
const char* const rewrites[] = {"tabulate", "limbs", "share", "pack",
                                "select",   "factor", "groups", "widen", "prefetch"};

// Whole numbers are exact in any order, so the oracle has to give the same before and after.
void check_rewrites(const Target& target, const char* format, int64_t rows) {
  CAPTURE(target.lanes);
  CAPTURE(std::string(format));
  CAPTURE(rows);
  Tensor w = weights(format, rows, 256, 1);
  std::vector<float> x = whole_numbers(256);
  std::vector<double> sums = product(x, w);
  for (int64_t bits : {0, 12}) {
    CAPTURE(bits);
    Tensor input = Tensor::from(x, {1, 256});
    Tensor y = (bits ? input.quantize(128, bits) : input).linear(w);
    std::vector<float> plain = interpreted(y, nullptr);
    CHECK(std::vector<double>(plain.begin(), plain.end()) == sums);
    bool changed = false;
    CHECK(interpreted(y, &target, &changed) == plain);
    CHECK((changed || bits == 0));
    for (const char* off : rewrites) {
      CAPTURE(std::string(off));
      OwnSetting without("NIWAKI_OFF", off);
      CHECK(interpreted(y, &target) == plain);
    }
  }
}

}  // namespace

TEST_CASE("tables: each rewrite keeps the value, in vectors of either width") {
  Target wide = target_of("llvm");
  wide.lanes = 16;
  wide.registers = 32;
  wide.masks = true;
  wide.lookups = lookups_of("avx512");
  for (const Target& target : {target_of("llvm"), wide}) {
    for (const char* format : coded) {
      for (int64_t rows : {64, 100, 128}) check_rewrites(target, format, rows);
    }
  }
}

TEST_CASE("tables: the CPU gives the same for any number of threads and rows behind whole blocks") {
  Device& cpu = device("CPU");
  int64_t threads = cpu.threads();
  for (const char* format : coded) {
    for (int64_t rows : {32, 100, 1000}) {
      CAPTURE(format);
      CAPTURE(rows);
      Tensor w = weights(format, rows, 512, 2);
      std::vector<float> x = whole_numbers(512);
      std::vector<double> sums = product(x, w);
      Tensor y = Tensor::from(x, {1, 512}).quantize(128, 12).linear(w);
      for (int64_t n : {1, 2, 3}) {
        cpu.set_threads(n);
        std::vector<float> got = to_vector<float>(y, cpu);
        CHECK(std::vector<double>(got.begin(), got.end()) == sums);
      }
    }
  }
  cpu.set_threads(threads);
}

TEST_CASE("tables: with each rewrite left out the CPU still gives the product") {
  Tensor w = weights("Q1_0", 256, 512, 3);
  std::vector<float> x = whole_numbers(512);
  std::vector<double> sums = product(x, w);
  for (const char* off : rewrites) {
    for (int64_t bits : {0, 12, 24}) {
      CAPTURE(off);
      CAPTURE(bits);
      OwnSetting without("NIWAKI_OFF", off);
      Tensor input = Tensor::from(x, {1, 512});
      std::vector<float> got =
          to_vector<float>((bits ? input.quantize(128, bits) : input).linear(w), device("CPU"));
      for (size_t i = 0; i < sums.size(); ++i) {
        CHECK(std::abs(got[i] - sums[i]) <= 1e-6 * 512 * 4095);
      }
    }
  }
}

// A prompt: as many vectors as its tokens, a number that is known when it runs.
TEST_CASE("tables: each vector of a matrix has its own, also where their number is a variable") {
  constexpr int64_t most = 5;
  Device& cpu = device("CPU");
  int64_t threads = cpu.threads();
  Tensor w = weights("Q1_0", 256, 512, 10);
  std::vector<float> matrix;
  std::vector<double> sums;
  for (int64_t i = 0; i < most; ++i) {
    std::vector<float> x = whole_numbers(512);
    for (size_t j = size_t(i); j < x.size(); j += 3) x[j] = j % 128 == 0 ? 4095 : float(i);
    std::vector<double> own = product(x, w);
    matrix.insert(matrix.end(), x.begin(), x.end());
    sums.insert(sums.end(), own.begin(), own.end());
  }
  Tensor x = Tensor::from(matrix, {most, 512}).narrow(0, 0, variable("t", 1, most));
  for (int64_t bits : {0, 12}) {
    Tensor y = (bits ? x.quantize(128, bits) : x).linear(w);
    bool looks_up = false;
    for (const Kernel& kernel : schedule({y.uop()}).kernels) {
      looks_up |= tabulate(kernel.ast, target_of("llvm")) != kernel.ast;
    }
    CHECK(looks_up);
    for (int64_t n_threads : {1, 2}) {
      cpu.set_threads(n_threads);
      Replay replay({y}, cpu);
      for (int64_t t : {most, int64_t(1), int64_t(3)}) {
        CAPTURE(bits);
        CAPTURE(t);
        replay.run({{"t", t}});
        const auto* got = static_cast<const float*>(replay.output(0).data);
        CHECK(std::equal(got, got + t * 256, sums.begin()));
      }
    }
  }
  cpu.set_threads(threads);
}

// A layer's own weights in tables, and those of its neighbours: what reads one vector reads one
// table, and the copy of a weight is made once.
TEST_CASE("tables: products with one vector share a table, launches share copies") {
  Tensor x = Tensor::from(whole_numbers(512), {1, 512}).quantize(128, 12);
  Tensor a = weights("Q1_0", 512, 512, 4);
  Tensor b = weights("Q1_0", 256, 512, 5);
  Replay one({x.linear(a)}, device("CPU"));
  Replay two({x.linear(a), x.linear(b)}, device("CPU"));
  CHECK(two.n_kernels() == one.n_kernels() + 1);
  auto constants = [](const Replay& replay) {
    std::vector<const Buffer*> found;
    for (const Kernel& kernel : replay.schedule().kernels) {
      for (const BufferRef& arg : kernel.args) {
        if (arg->constant && !arg->dtype.packed) found.push_back(arg.get());
      }
    }
    return found;
  };
  std::vector<const Buffer*> first = constants(one);
  std::vector<const Buffer*> second = constants(two);
  CHECK(first.size() == 2);
  CHECK(second.size() == 4);
  for (const Buffer* copy : first) CHECK(std::count(second.begin(), second.end(), copy) == 1);
}

// A table that is read after what it was made of has been written over is made anew.
TEST_CASE("tables: a vector that changes between two products has two tables") {
  Tensor w = weights("Q1_0", 256, 256, 6);
  std::vector<float> x = whole_numbers(256);
  Tensor state = realize(Tensor::from(x, {1, 256}).contiguous());
  Tensor before = state.linear(w);
  Tensor after = state.assign(before + state).linear(w);
  std::vector<Tensor> got = realize({before, after}, {}, device("CPU"));
  std::vector<double> sums = product(x, w);
  std::vector<float> moved = x;
  for (size_t i = 0; i < x.size(); ++i) moved[i] += float(sums[i]);
  std::vector<double> then = product(moved, w);
  std::vector<float> first = to_vector<float>(got[0]);
  std::vector<float> second = to_vector<float>(got[1]);
  for (size_t i = 0; i < sums.size(); ++i) {
    CHECK(first[i] == doctest::Approx(sums[i]));
    CHECK(std::abs(second[i] - then[i]) <= 1e-6 * 256 * 1e6);
  }
}

// Three bits in groups of 40, which nobody tuned anything for: eight codes in three bytes, behind a
// scale of a half.
TEST_CASE("tables: a format invented here") {
  auto decode = [](const UOp& blocks) {
    Tensor block(blocks);                                                    // n 17
    Tensor scale = block.slice(1, 0, 2).bitcast(f16).cast(f32);              // n 1
    Tensor bytes = block.slice(1, 2, 17).reshape({-1, 5, 3, 1}).cast(u32);   // n 5 3 1
    Tensor word = bytes.slice(2, 0, 1) + (bytes.slice(2, 1, 2) << 8) + (bytes.slice(2, 2, 3) << 16);
    Tensor codes = (word >> (Tensor::arange(8) * 3)) & 7;                    // n 5 1 8
    return (scale * (codes.reshape({-1, 40}).cast(f32) - 4)).uop();          // n 40
  };
  static const PackedType type = {"three_bits", 40, 17, decode};
  register_packed(&type);
  constexpr int64_t rows = 96;
  constexpr int64_t columns = 320;
  auto data = std::make_shared<std::vector<uint8_t>>(size_t(rows * columns / 40 * 17));
  std::mt19937_64 random(7);
  for (uint8_t& byte : *data) byte = uint8_t(random());
  for (size_t i = 0; i < data->size(); i += 17) {
    (*data)[i] = 0;
    (*data)[i + 1] = 0x3c;
  }
  Tensor w = Tensor::view(data->data(), DType{Kind::Packed, 1, &type}, {rows, columns}, data);
  std::vector<float> x;
  for (int64_t i = 0; i < columns; ++i) {
    x.push_back(i % 40 == 0 ? 4095 : float(i * 31 % 4000) - 2000);
  }
  std::vector<double> sums = product(x, w);
  for (int64_t bits : {0, 12}) {
    CAPTURE(bits);
    Tensor input = Tensor::from(x, {1, columns});
    Tensor y = (bits ? input.quantize(40, bits) : input).linear(w);
    std::vector<float> got = to_vector<float>(y, device("CPU"));
    for (size_t i = 0; i < sums.size(); ++i) {
      CHECK(got[i] == doctest::Approx(sums[i]).epsilon(1e-5));
    }
  }
}

// docs/low-bits.md has the table; 1.5 times its figures are the bound.
TEST_CASE("tables: the error of each precision") {
  constexpr int64_t columns = 4096;
  constexpr int64_t rows = 256;
  Tensor w = weights("Q1_0", rows, columns, 8);
  std::mt19937_64 random(9);
  std::normal_distribution<float> normal;
  std::vector<float> gaussian;
  for (int64_t i = 0; i < columns; ++i) gaussian.push_back(normal(random));
  std::vector<float> outliers = gaussian;
  for (int64_t i = 0; i < columns; i += 100) outliers[size_t(i)] *= 20;
  std::vector<float> one = gaussian;
  for (int64_t i = 5; i < columns; i += 1024) one[size_t(i)] *= 300;
  const std::pair<int64_t, std::array<double, 3>> table[] = {
      {0, {1.7e-7, 1.7e-7, 2.1e-7}},
      {24, {1.8e-7, 2.5e-7, 2.4e-7}},
      {18, {9.5e-6, 1.4e-5, 1.2e-5}},
      {12, {4.3e-4, 7.4e-4, 8.3e-4}},
  };
  for (const auto& [bits, bounds] : table) {
    size_t i = 0;
    for (const std::vector<float>* x : {&gaussian, &outliers, &one}) {
      Tensor input = Tensor::from(*x, {1, columns});
      Tensor y = (bits ? input.quantize(128, bits) : input).linear(w);
      std::vector<float> got = to_vector<float>(y, device("CPU"));
      std::vector<double> sums = product(*x, w);
      double error = 0;
      double size = 0;
      for (size_t n = 0; n < sums.size(); ++n) {
        error += (got[n] - sums[n]) * (got[n] - sums[n]);
        size += sums[n] * sums[n];
      }
      CAPTURE(bits);
      CAPTURE(i);
      double relative = std::sqrt(error / size);
      CAPTURE(relative);
      CHECK(relative <= 1.5 * bounds[i++]);
    }
  }
}

TEST_CASE("quantize: groups that do not divide, and bits that there are none of") {
  Tensor x = Tensor::empty({2, 100});
  const char* divides = "quantize: groups of 64 do not divide the last dim of (2, 100)";
  CHECK_THROWS_WITH(x.quantize(64, 12), doctest::Contains(divides));
  CHECK_THROWS_WITH(x.quantize(50, 1), doctest::Contains("quantize: to 1 bits: 2 to 24"));
  CHECK_THROWS_WITH(x.quantize(50, 25), doctest::Contains("quantize: to 25 bits: 2 to 24"));
}

TEST_CASE("quantize: whole multiples of the step of a group") {
  std::vector<float> x = {0, 0, 0, 0, 1, -7, 3.2f, 0.4f, 1e-30f, -2e-30f, 0, 0};
  std::vector<float> got = to_vector<float>(Tensor::from(x, {1, 12}).quantize(4, 3));
  CHECK(got == std::vector<float>{0, 0, 0, 0, 1, -7, 3, 0, float(1e-30f / 2e-30f * 7 + 0.5f) *
                                                              (2e-30f / 7),
                                  -7 * (2e-30f / 7), 0, 0});
}

}  // namespace niwaki::test
