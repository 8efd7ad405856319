// Qwen3, the architecture of Bonsai: a decoder of equal blocks, each an attention with grouped
// heads whose queries and keys are normed one head at a time, and a gated feed-forward layer (Yang
// et al. 2025, arXiv 2505.09388). Positions are rotations, stretched to long contexts by YaRN where
// the file says so (Peng et al. 2023, arXiv 2309.00071).
//
// block(), forward() and logits() are the model; the rest makes sure that a file is one.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "models/gguf.h"
#include "ops/tensor.h"

namespace niwaki {

/// The numbers of a model, as its file gives them.
struct Qwen3Config {
  int64_t n_layers;
  int64_t dim;
  int64_t ffn_dim;
  int64_t n_heads;
  int64_t n_kv_heads;
  int64_t head_dim;
  int64_t vocabulary;
  /// Tokens that the model was made for.
  int64_t context;
  double norm_eps;
  double rope_base;
  /// How far YaRN stretches the positions, and of how many tokens; 1 where it does not.
  double yarn_factor;
  int64_t yarn_context;
  /// The output matrix is that of the embedding.
  bool tied;

  /// Error names the key that is missing, wrong or not understood.
  static Qwen3Config from(const Gguf& file);
};

/// A model's weights, under the names that they have in the file, and its KV caches.
struct Qwen3 {
  struct Layer {
    Tensor attn_norm;
    Tensor attn_q;
    Tensor attn_k;
    Tensor attn_v;
    Tensor attn_q_norm;
    Tensor attn_k_norm;
    Tensor attn_output;
    Tensor ffn_norm;
    Tensor ffn_gate;
    Tensor ffn_up;
    Tensor ffn_down;
    Tensor k_cache;
    Tensor v_cache;
  };

  Qwen3Config config;
  Tensor token_embd;
  std::vector<Layer> layers;
  Tensor output_norm;
  Tensor output;
  Tensor cos;
  Tensor sin;
  /// Of activations before they meet packed weights, in groups of 128; 0: they stay floats.
  int64_t bits = 0;

  /// Gives the weight of a name and shape.
  using Weights = std::function<Tensor(const std::string&, const std::vector<int64_t>&)>;
  /// A model of such weights. The caches, of dtype `cache`, and the tables of rotations have `rows`
  /// positions.
  static Qwen3 build(const Qwen3Config& config, int64_t rows, DType cache, const Weights& weights);
  /// Weights stay in the file; Error names a tensor that is missing, of another shape or too many.
  static Qwen3 load(const Gguf& file, const Qwen3Config& config, int64_t rows, DType cache);

  /// The ids i32[t] of the tokens from position `pos` on -> hidden states f32[t, dim]. Writes their
  /// keys and values into the caches and reads those of all tokens before.
  Tensor forward(const Tensor& ids, const UOp& pos) const;

  /// One block of forward(): hidden states f32[t, dim] -> f32[t, dim]. Keys and values are rounded
  /// to the dtype of the caches, also those of the tokens themselves.
  Tensor block(const Tensor& hidden, const Layer& w, const UOp& pos) const;

  /// Hidden states f32[t, dim] -> logits f32[t, vocabulary].
  Tensor logits(const Tensor& hidden) const;

  /// Activations as products with this weight take them: rounded to `bits` where it is packed.
  Tensor rounded(const Tensor& x, const Tensor& weight) const;
};

}  // namespace niwaki
