// The map from nodes: against the library's, through growth, with values that can only be moved.
#include "core/node_map.h"

#include <doctest/doctest.h>

#include <memory>
#include <unordered_map>

#include "core/uop.h"

using namespace niwaki;

TEST_CASE("a map from nodes holds what it was given") {
  NodeMap<std::unique_ptr<int64_t>> map;
  std::unordered_map<const Node*, int64_t> expected;
  std::vector<UOp> keep;
  CHECK(map.find(index(0).get()) == nullptr);
  for (int64_t i = 0; i < 5000; ++i) {
    keep.push_back(index(i % 3000));
    std::unique_ptr<int64_t>& value = map[keep.back().get()];
    CHECK(bool(value) == (i >= 3000));
    value = std::make_unique<int64_t>(i);
    expected[keep.back().get()] = i;
  }
  CHECK(map.size() == 3000);
  for (const UOp& u : keep) {
    REQUIRE(map.find(u.get()));
    CHECK(**map.find(u.get()) == expected.at(u.get()));
  }
  CHECK(map.find(index(-1).get()) == nullptr);
  NodeMap<std::unique_ptr<int64_t>> moved = std::move(map);
  CHECK(moved.size() == 3000);
}
