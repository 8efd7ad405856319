#include "cases/cases.h"

#include <memory>

#include "core/error.h"

namespace niwaki {
namespace {

uint64_t next_random(uint64_t& state) {
  state += 0x9e3779b97f4a7c15;
  uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

Tensor decode_one_bit(const Tensor& block) {
  Tensor scale = block.slice(1, 0, 2).bitcast(f16).cast(f32);
  Tensor bits = (block.slice(1, 2, 18).reshape({-1, 16, 1}) >> Tensor::arange(8)) & 1;
  return scale * (bits.reshape({-1, 128}).cast(f32) * 2 - 1);
}

Tensor integers(std::vector<int64_t> shape, int64_t lo, int64_t hi, uint64_t seed) {
  int64_t n = 1;
  for (int64_t dim : shape) n *= dim;
  std::vector<int32_t> values;
  for (int64_t i = 0; i < n; ++i) {
    values.push_back(int32_t(lo + int64_t(next_random(seed) % uint64_t(hi - lo))));
  }
  return Tensor::from(values, shape);
}

UOp pos() { return variable("pos", 0, 16); }
UOp tokens() { return variable("t", 1, 8); }

std::vector<Tensor> cached_attention(const UOp& t) {
  Tensor q = input({8, 4, 16}, 1).narrow(0, 0, t);
  Tensor k = input({8, 2, 16}, 2).narrow(0, 0, t);
  Tensor v = input({8, 2, 16}, 3).narrow(0, 0, t);
  UOp seen = dim_add(pos(), t);
  Tensor keys = Tensor::empty({24, 2, 16}).narrow(0, pos(), t).assign(k);
  Tensor values = Tensor::empty({24, 2, 16}).narrow(0, pos(), t).assign(v);
  return {attention(q, keys.narrow(0, 0, seen), values.narrow(0, 0, seen), pos())};
}

std::vector<Case> make_cases() {
  std::vector<Case> list;
  auto add = [&](std::string name, std::function<Tensor()> make) {
    list.push_back({std::move(name), [make] { return std::vector<Tensor>{make()}; }});
  };
  add("add", [] { return input({4, 32}, 1) + input({4, 32}, 2); });
  add("broadcast", [] { return input({4, 1}, 1) * input({8}, 2) + 1.0; });
  add("movement", [] {
    return input({4, 6}, 1).permute({1, 0}).flip({0}).slice(0, 1, 5).reshape({2, 8});
  });
  add("pad", [] { return input({3, 4}, 1).pad({{1, 0}, {0, 2}}) + 1.0; });
  add("cat", [] { return cat({input({2, 3}, 1), input({2, 5}, 2)}, 1); });
  add("sum", [] { return input({8, 64}, 1).sum({1}); });
  add("sum_all", [] { return input({8, 8}, 1).sum(); });
  add("sum_columns", [] { return input({64, 32}, 1).sum({0}); });
  add("max", [] { return input({8, 24}, 1).max({1}); });
  add("argmax", [] { return input({4, 24}, 1).argmax(1); });
  add("softmax", [] { return input({4, 64}, 1).softmax(-1); });
  add("log_softmax", [] { return input({4, 20}, 1).log_softmax(-1); });
  add("rms_norm", [] { return input({4, 64}, 1).rms_norm(input({64}, 2), 1e-6); });
  add("layer_norm", [] { return input({4, 64}, 1).layer_norm(1e-5); });
  add("matmul", [] { return input({16, 32}, 1).matmul(input({32, 16}, 2)); });
  add("matmul_bias_relu", [] {
    return (input({9, 20}, 1).matmul(input({20, 7}, 2)) + input({7}, 3)).relu();
  });
  add("embedding", [] { return input({10, 16}, 1).embedding(integers({6}, -1, 12, 2)); });
  add("silu_product", [] {
    Tensor x = input({1, 64}, 1);
    return x.linear(input({32, 64}, 2)).silu() * x.linear(input({32, 64}, 3));
  });
  add("rope", [] { return input({4, 2, 16}, 1).rope(input({4, 1, 8}, 2), input({4, 1, 8}, 3)); });
  add("q1_0_matvec", [] { return input({1, 256}, 1).linear(one_bit_weights(32, 256, 2)); });
  add("fixed12_matvec", [] {
    return input({1, 256}, 1).quantize(128, 12).linear(one_bit_weights(64, 256, 2));
  });
  add("q1_0_matmul", [] {
    return input({8, 256}, 1).narrow(0, 0, tokens()).linear(one_bit_weights(32, 256, 2));
  });
  add("half", [] { return (input({4, 8}, 1).cast(f16) * input({4, 8}, 2).cast(f16)).cast(f32); });
  add("bfloat", [] { return (input({4, 8}, 1).cast(bf16) + input({4, 8}, 2).cast(bf16)) * 3.0; });
  add("integers", [] {
    Tensor a = integers({32}, -50, 50, 1);
    Tensor b = integers({32}, -5, 6, 2);
    return a.floor_divide(b) + (a % b) * (a >> 2) + (a << b) + (a ^ b);
  });
  add("bools", [] {
    Tensor a = input({32}, 1);
    return ((a < 1.0) & (a != 0.0)) | (a > 3.0);
  });
  add("transcendental", [] {
    Tensor x = input({2, 16}, 1);
    return x.exp() + x.abs().log2() * x.sin() + x.abs().sqrt();
  });
  add("casts",
      [] { return (input({32}, 1) * 100.0).cast(i8).cast(f32) + input({32}, 2).cast(u8); });
  add("bitcast", [] { return input({4, 8}, 1).bitcast(u8).bitcast(u16).cast(f32); });
  list.push_back({"attention_prefill", [] { return cached_attention(tokens()); }});
  list.push_back({"attention_decode", [] { return cached_attention(index(1)); }});
  list.push_back({"two_outputs", [] {
                    Tensor x = input({4, 16}, 1) * 2.0;
                    return std::vector<Tensor>{x.sum({1}), x.max({0})};
                  }});
  return list;
}

}  // namespace

const std::vector<Case>& cases() {
  static const std::vector<Case> list = make_cases();
  return list;
}

const Case& find_case(const std::string& name) {
  for (const Case& c : cases()) {
    if (c.name == name) return c;
  }
  fail("cases: there is no {}", name);
}

DType one_bit_type() {
  static const PackedType type = {
      "q1_0", 128, 18, [](const UOp& blocks) { return decode_one_bit(Tensor(blocks)).uop(); }};
  return {Kind::Packed, 1, &type};
}

Tensor input(std::vector<int64_t> shape, uint64_t seed) {
  int64_t n = 1;
  for (int64_t dim : shape) n *= dim;
  std::vector<float> values;
  for (int64_t i = 0; i < n; ++i) {
    values.push_back(float(int64_t(next_random(seed) % 64) - 32) / 8);
  }
  return Tensor::from(values, shape);
}

Tensor one_bit_weights(int64_t rows, int64_t columns, uint64_t seed) {
  int64_t bytes = rows * columns / 128 * 18;
  auto memory = std::make_shared<std::vector<uint8_t>>();
  for (int64_t i = 0; i < bytes; ++i) {
    bool scale = i % 18 < 2;
    memory->push_back(scale ? uint8_t(i % 18 ? 0x3c : 0x00) : uint8_t(next_random(seed)));
  }
  return Tensor::view(memory->data(), one_bit_type(), {rows, columns}, memory);
}

}  // namespace niwaki
