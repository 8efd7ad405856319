// slice(), set() and assign() against plain loops: which element each of a part is, found one by
// one from the meaning of an index. A table of what NumPy and torch are tested with, and random
// indices.
#include <doctest/doctest.h>

#include <random>

#include "core/error.h"
#include "runtimes/bindings.h"
#include "runtimes/realize.h"
#include "schedule/schedule.h"

using namespace niwaki;

namespace {

using Ints = std::vector<int64_t>;
using Indices = std::vector<Index>;

Tensor ids(std::vector<int32_t> values, Ints shape) { return Tensor::from(values, shape); }
Tensor ids(std::vector<int32_t> values) { return ids(values, {int64_t(values.size())}); }

int64_t product(const Ints& dims) {
  int64_t n = 1;
  for (int64_t dim : dims) n *= dim;
  return n;
}

Ints unravel(int64_t flat, const Ints& shape) {
  Ints at(shape.size());
  for (size_t d = shape.size(); d-- > 0; flat /= shape[d]) at[d] = flat % shape[d];
  return at;
}

Tensor numbered(const Ints& shape, int64_t first) {
  std::vector<float> values;
  for (int64_t i = 0; i < product(shape); ++i) values.push_back(float(first + i));
  return Tensor::from(values, shape);
}

// Python's range(n)[start:stop:step], step by step.
Ints range_of(const Index::Range& range, int64_t n) {
  auto end = [&](const Bound& bound, int64_t otherwise) {
    if (!bound) return otherwise;
    int64_t at = *const_int(*bound);
    return at < 0 ? at + n : at;
  };
  Ints found;
  if (range.step > 0) {
    int64_t stop = std::min(end(range.stop, n), n);
    for (int64_t i = std::max<int64_t>(end(range.start, 0), 0); i < stop; i += range.step) {
      found.push_back(i);
    }
  } else {
    int64_t stop = std::max<int64_t>(end(range.stop, -1), -1);
    for (int64_t i = std::min(end(range.start, n - 1), n - 1); i > stop; i += range.step) {
      found.push_back(i);
    }
  }
  return found;
}

// A part of a tensor: its shape, and where each of its elements is; -1 is nowhere.
struct Part {
  Ints shape;
  Ints offsets;
  bool points = false;
};

Part part_of(const Ints& shape, Indices indices) {
  size_t used = 0;
  for (const Index& i : indices) used += i.what.index() <= 2;
  auto open_at = std::find_if(indices.begin(), indices.end(), [](const Index& i) {
    return std::holds_alternative<Ellipsis>(i.what);
  });
  Indices all(shape.size() - used);
  if (open_at != indices.end()) open_at = indices.erase(open_at);
  indices.insert(open_at, all.begin(), all.end());

  // A dim of the part is positions of an axis, or a new one; -2 marks a tensor of points.
  struct Dimension {
    int64_t axis;
    Ints positions;
  };
  struct Points {
    size_t axis;
    Ints shape;
    std::vector<int32_t> values;
  };
  std::vector<Dimension> dimensions;
  std::vector<Points> points;
  Ints at(shape.size());
  size_t axis = 0;
  for (const Index& i : indices) {
    if (std::holds_alternative<NewAxis>(i.what)) {
      dimensions.push_back({-1, {0}});
    } else if (const Index::Range* range = std::get_if<Index::Range>(&i.what)) {
      dimensions.push_back({int64_t(axis), range_of(*range, shape[axis])});
      ++axis;
    } else if (const UOp* position = std::get_if<UOp>(&i.what)) {
      int64_t p = *const_int(*position);
      at[axis] = p < 0 ? p + shape[axis] : p;
      ++axis;
    } else {
      const Tensor& t = std::get<Tensor>(i.what);
      points.push_back({axis, {}, to_vector<int32_t>(t, device("INTERP"))});
      for (const UOp& dim : t.shape()) points.back().shape.push_back(*const_int(dim));
      dimensions.push_back({-2, {}});
      ++axis;
    }
  }
  Ints together;
  for (const Points& p : points) {
    while (together.size() < p.shape.size()) together.insert(together.begin(), 1);
    size_t lead = together.size() - p.shape.size();
    for (size_t d = 0; d < p.shape.size(); ++d) {
      if (p.shape[d] != 1) together[lead + d] = p.shape[d];
    }
  }
  // Where the points' dims go: to the first tensor if all are side by side, or in front.
  auto is_point = [](const Dimension& d) { return d.axis == -2; };
  auto first = std::find_if(dimensions.begin(), dimensions.end(), is_point);
  auto end = std::find_if_not(first, dimensions.end(), is_point);
  bool apart = std::find_if(end, dimensions.end(), is_point) != dimensions.end();
  size_t where_points = apart ? 0 : size_t(first - dimensions.begin());
  std::erase_if(dimensions, is_point);

  Part part;
  part.points = !points.empty();
  for (const Dimension& d : dimensions) part.shape.push_back(int64_t(d.positions.size()));
  if (part.points) {
    part.shape.insert(part.shape.begin() + int64_t(where_points), together.begin(), together.end());
  }
  for (int64_t flat = 0; flat < product(part.shape); ++flat) {
    Ints position = unravel(flat, part.shape);
    Ints point;
    if (part.points) {
      auto from = position.begin() + int64_t(where_points);
      point.assign(from, from + int64_t(together.size()));
      position.erase(from, from + int64_t(together.size()));
    }
    for (size_t d = 0; d < dimensions.size(); ++d) {
      if (dimensions[d].axis < 0) continue;
      at[size_t(dimensions[d].axis)] = dimensions[d].positions[size_t(position[d])];
    }
    for (const Points& p : points) {
      int64_t offset = 0;
      size_t lead = together.size() - p.shape.size();
      for (size_t d = 0; d < p.shape.size(); ++d) {
        offset = offset * p.shape[d] + (p.shape[d] == 1 ? 0 : point[lead + d]);
      }
      int64_t id = p.values[size_t(offset)];
      at[p.axis] = id < 0 ? id + shape[p.axis] : id;
    }
    int64_t offset = 0;
    bool inside = true;
    for (size_t d = 0; d < shape.size(); ++d) {
      inside &= at[d] >= 0 && at[d] < shape[d];
      offset = offset * shape[d] + at[d];
    }
    part.offsets.push_back(inside ? offset : -1);
  }
  return part;
}

Ints shape_of(const Tensor& t) {
  Ints shape;
  for (const UOp& dim : t.shape()) shape.push_back(*const_int(dim));
  return shape;
}

// Reads the part; replaces it; writes it into memory, where no tensor chooses.
void check_part(const Ints& shape, const Indices& indices) {
  Part part = part_of(shape, indices);
  std::vector<float> old;
  for (int64_t i = 0; i < product(shape); ++i) old.push_back(float(1 + i));
  std::vector<float> wanted;
  std::vector<float> replaced = old;
  for (size_t i = 0; i < part.offsets.size(); ++i) {
    int64_t offset = part.offsets[i];
    wanted.push_back(offset < 0 ? 0 : old[size_t(offset)]);
    if (offset >= 0) replaced[size_t(offset)] = float(1000 + i);
  }
  for (const char* name : {"INTERP", "CPU"}) {
    INFO("on ", std::string(name));
    Tensor x = numbered(shape, 1);
    Tensor value = numbered(part.shape, 1000);
    Tensor found = x.slice(indices);
    CHECK(shape_of(found) == part.shape);
    CHECK(to_vector<float>(found, device(name)) == wanted);
    CHECK(to_vector<float>(x.set(indices, value), device(name)) == replaced);
    if (part.points) continue;
    CHECK(to_vector<float>(x.slice(indices).assign(value), device(name)) == replaced);
    CHECK(to_vector<float>(x, device(name)) == replaced);
  }
}

}  // namespace

TEST_CASE("indexing: as NumPy") {
  Index back(open, open, -1);
  Index every_second(open, open, 2);
  Tensor two = ids({1, 0});
  Tensor column = ids({0, 2, 1}, {3, 1});
  Tensor none_at_all = Tensor::empty({0}, i32);
  struct Row {
    const char* name;
    Ints shape;
    Indices indices;
  };
  const Row rows[] = {
      {"all", {3, 4}, {}},
      {"all, said", {3, 4}, {{}}},
      {"ellipsis", {3, 4}, {ellipsis}},
      {"a position", {3, 4}, {1}},
      {"the last", {3, 4}, {-1}},
      {"one element", {3, 4}, {2, -2}},
      {"one element and an ellipsis", {3, 4}, {ellipsis, 2, 1}},
      {"an ellipsis of nothing", {3, 4}, {2, ellipsis, 1}},
      {"a column", {3, 4}, {{}, 2}},
      {"new in front", {3, 4}, {newaxis}},
      {"new inside", {3, 4}, {{}, newaxis, 1}},
      {"new at the end", {3, 4}, {ellipsis, newaxis}},
      {"several new", {3, 4}, {newaxis, 0, newaxis, ellipsis, newaxis}},
      {"a scalar", {}, {}},
      {"a scalar, new dims", {}, {newaxis, ellipsis, newaxis}},
      {"steps", {5, 7}, {every_second, {1, open, 3}}},
      {"a step beyond", {5}, {{1, open, 100}}},
      {"the greatest step", {5}, {{0, open, INT64_MAX}}},
      {"the least step", {5}, {{open, open, INT64_MIN}}},
      {"backwards", {5, 3}, {back, back}},
      {"backwards in steps", {7}, {{5, 0, -2}}},
      {"backwards from beyond", {7}, {{100, -100, -3}}},
      {"backwards, nothing", {7}, {{2, 5, -1}}},
      {"clamped", {4}, {{-100, 100}}},
      {"ends of int64", {4}, {{INT64_MIN, INT64_MAX}}},
      {"nothing", {4, 3}, {{2, 2}}},
      {"nothing at the end", {4}, {{4, open}}},
      {"nothing of nothing", {0, 3}, {{}, 1}},
      {"ids", {4}, {ids({3, 0, 0, -1})}},
      {"one id", {4, 3}, {ids({2}, {})}},
      {"a table of ids", {4, 3}, {ids({0, 1, 2, 3}, {2, 2})}},
      {"ids of the last dim", {4, 3}, {ellipsis, two}},
      {"no ids", {4, 3}, {none_at_all}},
      {"no ids of several", {4, 3}, {{}, none_at_all}},
      {"pairs", {4, 3}, {two, two}},
      {"an outer product", {4, 3}, {column, two}},
      {"ids in the middle", {2, 4, 3}, {{}, two}},
      {"a table in the middle", {2, 4, 3}, {{}, column}},
      {"apart", {2, 4, 3}, {two, {}, two}},
      {"apart by a new dim", {2, 4, 3}, {two, newaxis, two}},
      {"side by side after a dim", {2, 4, 3}, {{}, two, two}},
      {"a position drops first", {2, 4, 3}, {two, 1, two}},
      {"ids and a range", {4, 5}, {two, {1, 4, 2}}},
      {"ids and backwards", {4, 5}, {back, two}},
      {"broadcast with one", {2, 3, 4}, {ids({1}), {}, ids({0, 3})}},
      {"three together", {2, 3, 4}, {ids({1}), column, two}},
      {"outside", {3}, {ids({-4, -3, 2, 3, 100, INT32_MIN, INT32_MAX})}},
      {"outside of one", {2, 3}, {ids({0, 1, 2}), ids({5, 1, 1})}},
      {"the same twice", {3, 2}, {ids({1, 1, 1})}},
      {"the same twice, of pairs", {3, 2}, {ids({1, 1, 0}), ids({0, 0, 1})}},
  };
  for (const Row& row : rows) {
    INFO(std::string(row.name));
    check_part(row.shape, row.indices);
  }
}

TEST_CASE("indexing: random") {
  std::mt19937 random(1);
  auto below = [&](int64_t n) { return int64_t(random() % uint64_t(n)); };
  for (int round = 0; round < 60; ++round) {
    INFO("round ", round);
    Ints shape;
    for (int64_t d = below(4); d-- > 0;) shape.push_back(1 + below(5));
    Indices indices;
    bool open_left = true;
    // Tensors of one round broadcast: some are columns.
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      int64_t n = shape[axis];
      auto end = [&]() -> Bound {
        if (below(3) == 0) return open;
        return below(2 * n + 5) - n - 2;
      };
      switch (below(7)) {
        case 0: indices.push_back({}); break;
        case 1: indices.push_back(below(2 * n) - n); break;
        case 2:
        case 3: {
          int64_t step = 1 + below(3);
          indices.push_back({end(), end(), below(2) ? step : -step});
          break;
        }
        case 4: {
          std::vector<int32_t> some;
          for (int i = 0; i < 3; ++i) some.push_back(int32_t(below(2 * n + 1) - n));
          indices.push_back(below(2) ? ids(some) : ids(some, {3, 1}));
          break;
        }
        case 5: indices.push_back({}); break;
        default:
          if (open_left) indices.push_back(ellipsis);
          open_left = false;
          axis = shape.size();
      }
      if (below(5) == 0) indices.push_back(newaxis);
    }
    check_part(shape, indices);
  }
}

TEST_CASE("indexing: symbolic ends") {
  UOp pos = variable("pos", 0, 5);
  UOp n = variable("n", 2, 6);
  for (const char* name : {"INTERP", "CPU"}) {
    INFO("on ", std::string(name));
    Tensor x = numbered({8}, 0);
    auto run = [&](const Tensor& t) {
      Bindings bindings = {{"pos", 3}, {"n", 4}};
      Tensor sum = (t * t).sum() + t.sum();
      sum = realize(sum, test::needed({sum}, bindings), device(name));
      return item<float>(sum, device(name));
    };
    auto wanted = [](std::vector<float> values) {
      float sum = 0;
      for (float v : values) sum += v * v + v;
      return sum;
    };
    CHECK(run(x.slice({pos})) == wanted({3}));
    CHECK(run(x.slice({{pos, pos + 2.0}})) == wanted({3, 4}));
    CHECK(run(x.slice({{pos, open}})) == wanted({3, 4, 5, 6, 7}));
    CHECK(run(x.slice({{open, n}})) == wanted({0, 1, 2, 3}));
    CHECK(run(x.slice({{open, n}}).slice({{open, -1}})) == wanted({0, 1, 2}));
    CHECK(run(x.slice({{open, n}}).slice({-2})) == wanted({2}));
    CHECK(run(x.slice({{open, n}}).slice({{open, open, -1}}).slice({0})) == wanted({3}));
    CHECK(run(x.slice({Tensor(pos)})) == wanted({3}));
    CHECK(run(x.set({{pos, pos + 2.0}}, 9)) == wanted({0, 1, 2, 9, 9, 5, 6, 7}));
    CHECK(run(x.set({Tensor(pos)}, -1)) == wanted({0, 1, 2, -1, 4, 5, 6, 7}));
  }
  CHECK_THROWS_WITH(numbered({8}, 0).slice({{pos + 4.0, open}}),
                    "slice: the end (pos + 4) may be outside of the dim 8");
  CHECK_THROWS_WITH(numbered({5}, 0).slice({pos}),
                    "slice: the position pos is outside of the dim 5 of (5)");
}

TEST_CASE("set: values broadcast and take the dtype; chains; in place") {
  for (const char* name : {"INTERP", "CPU"}) {
    INFO("on ", std::string(name));
    auto values = [&](const Tensor& t) { return to_vector<float>(t, device(name)); };
    using V = std::vector<float>;
    Tensor x = numbered({2, 3}, 0);
    CHECK(values(x.set({0}, 7)) == V{7, 7, 7, 3, 4, 5});
    CHECK(values(x.set({{}, 1}, Tensor::from<float>({8, 9}, {2}))) == V{0, 8, 2, 3, 9, 5});
    CHECK(values(x.set({ids({1, 0}), ids({0, 2})}, -1)) == V{0, 1, -1, -1, 4, 5});
    CHECK(values(x.set({0}, x.slice({0}) + 10)) == V{10, 11, 12, 3, 4, 5});
    CHECK(values(x.set({0}, 7).set({{}, 0}, 8).set({1, 1}, INFINITY)) ==
          V{8, 7, 7, 8, INFINITY, 5});
    CHECK(values(x) == V{0, 1, 2, 3, 4, 5});
    // In place, where the positions are data.
    CHECK(values(x.assign(x.set({{}, ids({2, 0})}, numbered({2, 2}, 20)))) ==
          V{21, 1, 20, 23, 4, 22});
    CHECK(values(x) == V{21, 1, 20, 23, 4, 22});
    Tensor whole = Tensor::from<int32_t>({1, 2, 3}, {3}).set({1}, 9.75);
    CHECK(whole.dtype() == i32);
    CHECK(values(whole) == V{1, 9, 3});
    Tensor flags = Tensor::from<bool>({true, true, true}, {3});
    CHECK(values(flags.set({ids({0, 2})}, false)) == V{0, 1, 0});
    CHECK(values(flags.slice({ids({0, 5})})) == V{1, 0});
  }
  Tensor x = numbered({2, 3}, 0);
  CHECK_THROWS_AS(x.set({0}, numbered({2}, 0)), Error);
  CHECK_THROWS_AS(x.set({ids({0, 1})}, numbered({3, 3}, 0)), Error);
}

TEST_CASE("indexing: what is chosen by positions is read, not searched for") {
  Tensor x = numbered({50, 60, 70}, 0);
  Tensor rows = ids({3, 4, -1}, {3, 1});
  Tensor columns = ids({3, 40});
  Tensor like = Tensor::empty({2, 3, 4}, i32);
  const std::pair<const char*, Tensor> rows_of_table[] = {
      {"ids", x.slice({columns})},
      {"ids of the last dim", x.slice({ellipsis, columns})},
      {"pairs", x.slice({rows, columns})},
      {"triples", x.slice({rows, columns, columns})},
      {"apart", x.slice({rows, {}, columns})},
      {"with a step", x.slice({{open, open, -3}, columns})},
      {"gather", x.gather(1, like)},
      {"index_select", x.index_select(-1, columns)},
      {"take", x.take(like)},
      {"halves", x.cast(f16).take(like)},
      {"of a table of ids", x.take(rows.take(columns))},
      {"bools", (x < 9).slice({rows, columns})},
      {"one_hot", like.one_hot(100)},
      {"roll, repeat and pad", x.roll({5}, {1}).repeat({2, 1, 1}).pad({{1, 1}, {0, 0}, {0, 0}})},
  };
  for (const auto& [name, tensor] : rows_of_table) {
    INFO(std::string(name));
    // Beside the reads there may be kernels that make positions count from the beginning.
    for (const Kernel& kernel : schedule({tensor.uop()}).kernels) {
      for (const UOp& u : toposort(kernel.ast)) CHECK(u->op != Op::Reduce);
    }
  }
  // The places of what a mask chooses are found by halving: the one loop left counts.
  Tensor chosen = numbered({4096}, 0).masked_select(numbered({4096}, 0) < 9, 100);
  int64_t loops = 0;
  for (const Kernel& kernel : schedule({chosen.uop()}).kernels) {
    for (const UOp& u : toposort(kernel.ast)) loops += u->op == Op::Reduce;
  }
  CHECK(loops == 1);
}
