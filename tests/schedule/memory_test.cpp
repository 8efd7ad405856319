// What is reported of the memory between kernels: lives, and the most that is needed at once.
// That the plan keeps apart what is alive together is tested with the goldens.
#include <doctest/doctest.h>

#include "cases/cases.h"
#include "schedule/memory.h"

namespace niwaki::test {
namespace {

// A chain of kernels, each of which reads what the one before it wrote.
Schedule chain(int64_t kernels) {
  Tensor x = Tensor::empty({100});
  for (int64_t k = 0; k + 1 < kernels; ++k) x = (x.flip({0}) + 1.0).contiguous();
  return schedule({(x.flip({0}) * 2.0).uop()});
}

}  // namespace

TEST_CASE("a buffer lives from the kernel that writes it to the last that reads it") {
  Schedule s = chain(4);
  REQUIRE(s.kernels.size() == 4);
  REQUIRE(s.temporaries.size() == 3);
  std::vector<BufferRef> buffers = s.outputs;
  for (size_t k = 0; k < 3; ++k) buffers.push_back(s.kernels[k].args[0]);
  buffers.push_back(std::make_shared<Buffer>());
  std::vector<Life> found = lives(s.kernels, buffers);
  CHECK(found[0].first == 3);
  CHECK(found[0].last == 3);
  for (int64_t k = 0; k < 3; ++k) {
    CHECK(found[size_t(k + 1)].first == k);
    CHECK(found[size_t(k + 1)].last == k + 1);
  }
  CHECK(found[4].first == -1);
}

TEST_CASE("the peak of a chain is two of its buffers, and so is its arena") {
  Schedule s = chain(6);
  const int64_t one = arena_bytes_of(*s.temporaries[0].buffer);
  CHECK(one > 400);
  CHECK(peak(s).bytes == 2 * one);
  CHECK(peak(s).kernel == 1);
  CHECK(s.arena_bytes == 2 * one);
  CHECK(peak(chain(2)).bytes == one);
  CHECK(peak(chain(1)).bytes == 0);
  CHECK(peak(chain(1)).kernel == -1);
}

TEST_CASE("no arena is smaller than its peak") {
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    std::vector<UOp> uops;
    for (const Tensor& t : c.make()) uops.push_back(t.uop());
    Schedule s = schedule(uops);
    CHECK(peak(s).bytes <= s.arena_bytes);
    CHECK((peak(s).bytes > 0) == !s.temporaries.empty());
  }
}

}  // namespace niwaki::test
