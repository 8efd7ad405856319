// A search may choose any list of moves near the heuristic's: all of them compute the same. What it
// found is kept, and no file is trusted.
#include "runtimes/search.h"

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "cases/cases.h"
#include "codegen/search.h"
#include "core/error.h"
#include "core/scalar.h"
#include "runtimes/borrowed_code.h"
#include "runtimes/realize.h"
#include "support/own.h"
#include "support/random_graph.h"

namespace niwaki::test {
namespace {

namespace fs = std::filesystem;

std::vector<Kernel> kernels_of(const std::vector<Tensor>& tensors) {
  std::vector<UOp> roots;
  for (const Tensor& t : tensors) roots.push_back(t.uop());
  return schedule(roots).kernels;
}

// What all buffers of a kernel hold afterwards; those without memory begin with multiples of 1/8,
// whose sums are exact.
std::vector<std::vector<Value>> run(const Kernel& kernel, Device& device,
                                    const MoveChoice& choose = choose_axes) {
  LinearCode linear = lower(kernel.ast, device.target(), {}, choose);
  std::shared_ptr<Program> program = device.compile(linear);
  std::vector<std::shared_ptr<void>> owners;
  std::vector<void*> memory;
  for (const BufferRef& b : kernel.args) {
    owners.push_back(allocate(b->bytes()));
    memory.push_back(owners.back().get());
    char* to = static_cast<char*>(memory.back());
    if (b->data) {
      std::copy_n(static_cast<const char*>(b->data), b->bytes(), to);
      continue;
    }
    for (int64_t i = 0; i < b->size(); ++i) {
      store_value(b->dtype, to + i * byte_size(b->dtype),
                  value_of(b->dtype, double(i * 37 % 64 - 32) / 8));
    }
  }
  std::vector<int64_t> variables;
  for (const UOp& v : linear.variables) variables.push_back(v->get<Symbol>().max / 2);
  Launch launch = {program.get(), memory, variables};
  device.run({&launch, 1});
  std::vector<std::vector<Value>> results;
  for (size_t i = 0; i < memory.size(); ++i) {
    const Buffer& b = *kernel.args[i];
    if (b.dtype.packed) continue;
    std::vector<Value>& values = results.emplace_back();
    for (int64_t j = 0; j < b.size(); ++j) {
      values.push_back(load_value(b.dtype, static_cast<char*>(memory[i]) + j * byte_size(b.dtype)));
      if (!is_float(b.dtype)) values.back().f = double(values.back().i);
    }
  }
  return results;
}

void check_close(const std::vector<std::vector<Value>>& a,
                 const std::vector<std::vector<Value>>& b) {
  REQUIRE(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    REQUIRE(a[i].size() == b[i].size());
    for (size_t j = 0; j < a[i].size(); ++j) {
      double x = a[i][j].f;
      double y = b[i][j].f;
      bool same =
          x == y || (x != x && y != y) || std::abs(x - y) <= 2e-6 * std::max(1.0, std::abs(x));
      if (!same) FAIL_CHECK("buffer ", i, " element ", j, ": ", x, " and ", y);
    }
  }
}

// Each neighbour of the heuristic's choice, on INTERP, which looks at every address, and natively.
void check_candidates(const Kernel& kernel, bool natively) {
  BorrowedCode checked("llvm");
  std::vector<Device*> devices = {&checked};
  if (natively) devices.push_back(&device("CPU"));
  std::vector<std::vector<Value>> expected = run(kernel, device("INTERP"));
  for (Device* d : devices) {
    std::vector<Move> first = choose_axes(kernel.ast, d->target());
    for (const std::vector<Move>& moves : neighbours(kernel.ast, d->target(), first)) {
      CAPTURE(to_string(moves));
      check_close(expected, run(kernel, *d, [&](const UOp&, const Target&) { return moves; }));
    }
  }
}

}  // namespace

TEST_CASE("every candidate of every case computes what INTERP computes") {
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    for (const Kernel& kernel : kernels_of(c.make())) check_candidates(kernel, true);
  }
}

TEST_CASE("every candidate of random graphs computes what INTERP computes") {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    for (const Kernel& kernel : kernels_of({random_graph(seed).result})) {
      check_candidates(kernel, false);
    }
  }
}

TEST_CASE("what a search found is kept, and a file is believed if it is whole and legal") {
  OwnDirectory directory("search_test");
  ProgramCache cache(directory.path.string());
  Kernel kernel = kernels_of(find_case("matmul").make())[0];
  Device& cpu = device("CPU");
  std::vector<Move> found = search(kernel, cpu, 3, cache);
  std::vector<fs::path> files(fs::directory_iterator(directory.path), fs::directory_iterator());
  REQUIRE(files.size() == 1);
  std::string key = files[0].stem().string();
  auto kept = [&] {
    std::optional<std::vector<char>> text = cache.find(key);
    return text ? std::string(text->begin(), text->end()) : "none";
  };
  auto keep = [&](const std::string& text) { cache.keep(key, {text.begin(), text.end()}); };
  CHECK(kept() == to_string(found));
  // Not what anybody would have chosen: it comes from the file.
  keep("unroll k2 by 2");
  CHECK(to_string(search(kernel, cpu, 3, cache)) == "unroll k2 by 2");
  for (const char* text : {"rubbish", "unroll k2 by 3", "vector r9 by 8", "parallel k2"}) {
    CAPTURE(text);
    keep(text);
    CHECK(to_string(search(kernel, cpu, 3, cache)) != text);
    CHECK(kept() != text);
  }
  keep("unroll k2 by 2");
  std::fstream(files[0], std::ios::in | std::ios::out | std::ios::binary).put('x');
  CHECK(to_string(search(kernel, cpu, 3, cache)) != "unroll k2 by 2");
  // Another number of tries or threads is another search.
  search(kernel, cpu, 2, cache);
  int64_t threads = cpu.threads();
  cpu.set_threads(threads + 1);
  search(kernel, cpu, 2, cache);
  cpu.set_threads(threads);
  CHECK(std::distance(fs::directory_iterator(directory.path), fs::directory_iterator()) == 3);
}

TEST_CASE("a search writes nothing of the user's") {
  OwnSetting tries("NIWAKI_SEARCH", "4");
  OwnSetting cache("NIWAKI_CACHE", "off");
  Tensor x = Tensor::from(std::vector<float>{1, 2, 3, 4, 5, 6, 7}, {7});
  Tensor state = realize(x * 3.0, {}, device("CPU"));
  realize(state.assign(state + 11.0), {}, device("CPU"));
  CHECK(to_vector<float>(state, device("CPU")) == std::vector<float>{14, 17, 20, 23, 26, 29, 32});
}

TEST_CASE("a number of tries is one") {
  Tensor x = Tensor::from(std::vector<float>{1, 2, 3}, {3});
  {
    OwnSetting tries("NIWAKI_SEARCH", "many");
    CHECK_THROWS_WITH_AS(realize(x * 17.25, {}, device("CPU")),
                         "env: NIWAKI_SEARCH=many is no integer", Error);
  }
  OwnSetting tries("NIWAKI_SEARCH", "-1");
  CHECK_THROWS_WITH_AS(realize(x * 17.25, {}, device("CPU")),
                       "env: NIWAKI_SEARCH=-1: give the number of candidates, or 0 for none",
                       Error);
}

TEST_CASE("devices that compute nothing fast are not measured") {
  OwnSetting tries("NIWAKI_SEARCH", "4");
  Kernel kernel = kernels_of(find_case("add").make())[0];
  for (const char* name : {"INTERP", "NULL"}) {
    CHECK(device(name).machine().empty());
    lower(kernel.ast, device(name).target(), {}, choice_for(kernel, device(name)));
  }
}

}  // namespace niwaki::test
