// What a `.contiguous()` would buy. A user who has to say where values are stored, to be fast,
// does the scheduler's work. So one block of Qwen3 is taken, and for every node of its graph that
// computes, the same graph with that one value stored is timed beside the graph as it is: none
// should be faster by more than noise.
//
//   bench_contiguous [ROUNDS [MODEL.gguf]]
//
// Without a file the block has the shape of Bonsai 1.7B and weights of seeded noise. Decode is a
// token at position 256, prefill 64 tokens from there. A line a node, the greatest gain first: its
// number, sources before users, the line of the definition that made it, its op and value, the
// kernels of the changed graph, and its time over that of the unchanged one. The exit status is 1
// if any is below 0.95.
//
// Both graphs run by turns, and a ratio is one of medians, as others use the machine too. Of many
// ratios the least is luck: what seems to gain is timed again, longer, and by that judged. What is
// slower by far is not timed to the end. One block's weights may stay in the processor's cache, as
// those of a model do not.
//
// Rejected: editing the source of the definition. It sees no node between two tensors of a line,
// and would have to be compiled once a node.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <random>
#include <set>

#include "core/error.h"
#include "core/rewrite.h"
#include "core/text.h"
#include "runtimes/realize.h"
#include "support/qwen3_shapes.h"

using namespace niwaki;

namespace {

constexpr int64_t chunk = 64;
constexpr int64_t context = 512;
constexpr int64_t depth = 256;
constexpr int64_t enough_if_slow = 5;
constexpr double slow = 1.25;
constexpr double gain_worth_a_second_look = 0.97;
constexpr double allowed_gain = 0.95;

// Q1_0: of 18 bytes the first two are the scale, 1/64 in f16, the others random bits. Vectors are
// ones.
Tensor noise(const std::vector<int64_t>& shape, std::mt19937_64& random) {
  if (shape.size() == 1) {
    return Tensor::from(std::vector<float>(size_t(shape[0]), 1.0f), shape);
  }
  const DType type = format_of(41, "").dtype;
  const int64_t bytes = storage_bytes(type, shape[0] * shape[1]);
  std::shared_ptr<void> memory = allocate(bytes);
  uint8_t* const data = static_cast<uint8_t*>(memory.get());
  for (int64_t i = 0; i < bytes; i += 18) {
    data[i] = 0x00;
    data[i + 1] = 0x24;
    for (int64_t k = 2; k < 18; ++k) data[i + k] = uint8_t(random());
  }
  return Tensor::view(data, type, shape, memory);
}

Qwen3 model_of_noise() {
  Qwen3Config config = test::with_layers(test::shape_1_7b(), 1);
  config.vocabulary = 128;  // a block has no use for it
  std::mt19937_64 random(1);
  return Qwen3::build(
      config, context + chunk, f32,
      [&](const std::string&, const std::vector<int64_t>& shape) { return noise(shape, random); });
}

Tensor hidden_states(int64_t dim) {
  std::mt19937_64 random(2);
  std::normal_distribution<float> normal;
  std::vector<float> values(size_t(chunk * dim));
  for (float& value : values) value = normal(random);
  return Tensor::from(values, {chunk, dim});
}

// The nodes below `root` that compute, sources before users. A dim is no value.
std::vector<UOp> computing_nodes(const UOp& root) {
  std::vector<UOp> todo = {root};
  std::set<const Node*> values;
  while (!todo.empty()) {
    UOp u = todo.back();
    todo.pop_back();
    if (u->op == Op::Iota || !values.insert(u.get()).second) continue;
    size_t n = is_movement(u->op) ? 1 : u->src.size();
    todo.insert(todo.end(), u->src.begin(), u->src.begin() + int64_t(n));
  }
  std::vector<UOp> found;
  for (const UOp& u : toposort(root)) {
    bool computes = is_elementwise(u->op) || u->op == Op::Reduce;
    if (computes && u != root && values.contains(u.get())) found.push_back(u);
  }
  return found;
}

double seconds_of(Replay& replay, const Bindings& bindings) {
  auto start = std::chrono::steady_clock::now();
  replay.run(bindings);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + int64_t(values.size() / 2), values.end());
  return values[values.size() / 2];
}

// The time of `changed` over that of `plain`.
double ratio(Replay& changed, Replay& plain, const Bindings& bindings, int64_t n) {
  std::vector<double> times[2];
  seconds_of(changed, bindings);
  for (int64_t i = 0; i < n; ++i) {
    times[0].push_back(seconds_of(changed, bindings));
    times[1].push_back(seconds_of(plain, bindings));
    if (i + 1 == enough_if_slow && median(times[0]) > slow * median(times[1])) break;
  }
  return median(times[0]) / median(times[1]);
}

// Both computed the same. Sums may be taken in another order.
void check_equal(const Replay& changed, const Replay& plain, int64_t n) {
  const float* a = static_cast<const float*>(changed.output(0).data);
  const float* b = static_cast<const float*>(plain.output(0).data);
  double differences = 0;
  double squares = 0;
  for (int64_t i = 0; i < n; ++i) {
    differences += double(a[i] - b[i]) * (a[i] - b[i]);
    squares += double(b[i]) * b[i];
  }
  expect(differences <= 1e-8 * squares, "the graphs differ by {} of {}", differences, squares);
}

struct Row {
  int64_t number;
  UOp node;
  int64_t kernels;
  double ratio;
};

std::string text(const Row& row) {
  return fmt::format("| {} | {} | {} | {} {} | {} | {:.2f} |", row.number,
                     to_string(row.node->site), info(row.node->op).name, name(row.node->dtype),
                     to_string(row.node->shape), row.kernels, row.ratio);
}

// The table of one graph; whether no node gained more than is allowed.
bool measure(const char* title, const Tensor& output, const Bindings& bindings, int64_t n_values,
             int64_t rounds) {
  Device& device = default_device();
  Replay plain({output}, device);
  const double alone = median(
      {seconds_of(plain, bindings), seconds_of(plain, bindings), seconds_of(plain, bindings)});
  std::vector<Row> rows;
  for (const UOp& node : computing_nodes(output.uop())) {
    const UOp stored = make(Op::Contiguous, {node});
    const Tensor changed_output(substitute(output.uop(), {{node, stored}}));
    Replay changed({changed_output}, device);
    Row row = {std::ssize(rows) + 1, node, changed.n_kernels(),
               ratio(changed, plain, bindings, rounds)};
    check_equal(changed, plain, n_values);
    if (row.ratio < gain_worth_a_second_look) {
      row.ratio = ratio(changed, plain, bindings, 4 * rounds);
    }
    rows.push_back(row);
    fmt::print(stderr, "{}\n", text(row));
  }
  std::ranges::sort(rows, {}, &Row::ratio);
  fmt::print("## {}: {} nodes, {} kernels and {:.3f} ms as it is\n\n", title, rows.size(),
             plain.n_kernels(), alone * 1e3);
  fmt::print("| node | line | op | value | kernels | time |\n|---|---|---|---|---|---|\n");
  for (const Row& row : rows) fmt::print("{}\n", text(row));
  fmt::print("\n");
  return rows.front().ratio >= allowed_gain;
}

}  // namespace

int main(int argc, char** argv) try {
  const int64_t rounds = argc > 1 ? std::atoll(argv[1]) : 15;
  check(rounds > 0, "bench_contiguous: {} rounds: give a number from 1", argv[1]);
  std::optional<Gguf> file;
  if (argc > 2) file.emplace(open_weights(argv[2]));
  const Qwen3 model =
      file ? Qwen3::load(*file, Qwen3Config::from(*file), context + chunk, f32) : model_of_noise();
  const Tensor hidden = hidden_states(model.config.dim);
  const UOp pos = variable("pos", 0, context);
  const auto block = [&](const UOp& t) {
    return model.block(hidden.narrow(0, 0, t), model.layers[0], pos);
  };
  const int64_t dim = model.config.dim;
  const bool decode = measure("decode", block(index(1)), {{"pos", depth}}, dim, rounds);
  const bool prefill = measure("prefill", block(variable("t", 1, chunk)),
                               {{"pos", depth}, {"t", chunk}}, chunk * dim, rounds);
  fmt::print("{}\n", decode && prefill ? "no node gains more than 5 %"
                                       : "a node gains more than 5 %: store it");
  return decode && prefill ? 0 : 1;
} catch (const Error& error) {
  fmt::print(stderr, "error: {}\n", error.what());
  return 1;
}
