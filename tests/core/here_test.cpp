#include "core/here.h"

#include <doctest/doctest.h>

#include <functional>

#include "core/error.h"
#include "core/rewrite.h"
#include "core/uop.h"

namespace niwaki {
namespace {

uint32_t line_inside(Here = {}) { return Here::site().line; }

std::string what_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "nothing thrown";
}

}  // namespace

TEST_CASE("a default argument knows the line of the call") {
  CHECK(Here::site().file == nullptr);
  uint32_t line = __LINE__ + 1;
  CHECK(line_inside() == line);
  CHECK(Here::site().file == nullptr);
}

TEST_CASE("an error names the line in force, its text does not") {
  Site site{"model.cpp", 12};
  auto wrong = [&] {
    Here here(site);
    fail("add: no");
  };
  CHECK(what_of(wrong) == "add: no (at model.cpp:12)");
  CHECK(what_of([] { fail("add: no"); }) == "add: no");
  CHECK_THROWS_WITH(wrong(), "add: no");
}

TEST_CASE("a node keeps the line that made it first") {
  UOp v = variable("here_test", 0, 3);
  CHECK(v->site.file == nullptr);
  UOp sum;
  {
    Here here(Site{"model.cpp", 7});
    sum = v + index(1);
  }
  Here here(Site{"model.cpp", 8});
  UOp again = v + index(1);
  CHECK(again == sum);
  CHECK(to_string(again->site) == "model.cpp:7");
}

TEST_CASE("what rewriting makes of a node is of the node's line") {
  UOp product;
  {
    Here here(Site{"model.cpp", 9});
    product = variable("rewritten", 0, 9) * 7.0;
  }
  UOp sum = graph_rewrite(product + 1234.0, [](const UOp& u) -> UOp {
    return u->op == Op::Mul ? u[0] / 5.0 : UOp();
  });
  CHECK(sum[0]->op == Op::Div);
  CHECK(to_string(sum[0]->site) == "model.cpp:9");
  CHECK(sum->site.file == nullptr);
}

}  // namespace niwaki
