// The kernels of every shared case, as text: what was fused, what is stored and why.
#include <doctest/doctest.h>

#include "cases/cases.h"
#include "core/text.h"
#include "schedule/schedule.h"
#include "support/golden.h"

namespace niwaki::test {
namespace {

std::string describe(const Schedule& schedule) {
  std::string text;
  for (const Kernel& kernel : schedule.kernels) {
    text += "# " + kernel.reason + "\n" + print(kernel.ast) + "\n";
  }
  return text;
}

std::vector<UOp> roots(const Case& c) {
  std::vector<UOp> uops;
  for (const Tensor& t : c.make()) uops.push_back(t.uop());
  return uops;
}

}  // namespace

TEST_CASE("goldens of the tensor graph and of the schedule") {
  register_packed(one_bit_type().packed);
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    std::vector<UOp> uops = roots(c);
    UOp sink = make(Op::Sink, uops);
    check_golden("tensor", c.name, print(sink));
    CHECK(parse(print(sink), buffers_of(sink)) == sink);
    Schedule made = schedule(uops);
    check_golden("schedule", c.name, describe(made));
    for (const Kernel& kernel : made.kernels) CHECK(parse(print(kernel.ast)) == kernel.ast);
  }
}

TEST_CASE("the same graph on other buffers is the same kernels") {
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    Schedule a = schedule(roots(c));
    Schedule b = schedule(roots(c));
    REQUIRE(a.kernels.size() == b.kernels.size());
    for (size_t i = 0; i < a.kernels.size(); ++i) CHECK(a.kernels[i].ast == b.kernels[i].ast);
  }
}

TEST_CASE("weights are unpacked where they are read, never into memory") {
  for (const char* name : {"q1_0_matvec", "q1_0_matmul"}) {
    CAPTURE(name);
    CHECK(schedule(roots(find_case(name))).temporaries.empty());
  }
}

TEST_CASE("buffers that are alive together do not share memory") {
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    Schedule s = schedule(roots(c));
    auto life = [&](const BufferRef& b) {
      std::pair<size_t, size_t> span = {s.kernels.size(), 0};
      for (size_t k = 0; k < s.kernels.size(); ++k) {
        for (const BufferRef& arg : s.kernels[k].args) {
          if (arg == b) span = {std::min(span.first, k), k};
        }
      }
      return span;
    };
    for (const Temporary& a : s.temporaries) {
      for (const Temporary& b : s.temporaries) {
        if (a.buffer == b.buffer) continue;
        auto [a_first, a_last] = life(a.buffer);
        auto [b_first, b_last] = life(b.buffer);
        bool together = a_first <= b_last && b_first <= a_last;
        bool apart =
            a.offset + a.buffer->bytes() <= b.offset || b.offset + b.buffer->bytes() <= a.offset;
        CHECK((!together || apart));
      }
      CHECK(a.offset + a.buffer->bytes() <= s.arena_bytes);
    }
  }
}

TEST_CASE("a value needed before and after its buffer is written is an error") {
  Tensor x = input({4}, 1);
  Tensor after = x.assign(x + 1.0);
  CHECK_THROWS_WITH(
      schedule({(x.flip({0}) * after).uop()}),
      "assign: a value is needed both before and after its buffer is written; store a copy with "
      "contiguous()");
}

}  // namespace niwaki::test
