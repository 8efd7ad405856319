// Qwen3 at the shapes of Bonsai, without a file: its graphs can be scheduled and compiled where no
// model is at hand.
#pragma once

#include "models/formats.h"
#include "models/qwen3.h"

namespace niwaki::test {

/// Bonsai 1.7B.
inline Qwen3Config shape_1_7b() {
  return {.n_layers = 28,
          .dim = 2048,
          .ffn_dim = 6144,
          .n_heads = 16,
          .n_kv_heads = 8,
          .head_dim = 128,
          .vocabulary = 151669,
          .context = 32768,
          .norm_eps = 1e-6,
          .rope_base = 1e6,
          .yarn_factor = 1,
          .yarn_context = 1,
          .tied = true};
}

/// Bonsai 8B.
inline Qwen3Config shape_8b() {
  return {.n_layers = 36,
          .dim = 4096,
          .ffn_dim = 12288,
          .n_heads = 32,
          .n_kv_heads = 8,
          .head_dim = 128,
          .vocabulary = 151669,
          .context = 65536,
          .norm_eps = 1e-6,
          .rope_base = 1e6,
          .yarn_factor = 4,
          .yarn_context = 16384,
          .tied = false};
}

/// The same with fewer layers.
inline Qwen3Config with_layers(Qwen3Config config, int64_t n) {
  config.n_layers = n;
  return config;
}

/// Such a model of Q1_0 matrices whose weights are not there: to be scheduled, never run.
inline Qwen3 hollow_qwen3(const Qwen3Config& config, int64_t rows) {
  static const char nothing = 0;
  const DType q1_0 = format_of(41, "").dtype;
  return Qwen3::build(config, rows, f32,
                      [&](const std::string&, const std::vector<int64_t>& dims) -> Tensor {
                        return Tensor::view(&nothing, dims.size() > 1 ? q1_0 : f32, dims, nullptr);
                      });
}

}  // namespace niwaki::test
