// block(), forward() and logits() are the published model and nothing else; how it is fused, stored
// and run is the compiler's work.
//
// The letters of the shapes: t tokens now, s those before too, v the vocabulary; d the width of the
// model, f of its feed-forward layers, e of a head; h heads, of which g have keys and values.
#include "models/qwen3.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>
#include <numeric>
#include <set>

#include "core/error.h"
#include "models/formats.h"

namespace niwaki {

Tensor Qwen3::block(const Tensor& hidden, const Layer& w, const UOp& pos) const {
  const int64_t h = config.n_heads;
  const int64_t g = config.n_kv_heads;
  const int64_t e = config.head_dim;
  const double eps = config.norm_eps;
  const UOp t = hidden.dim(0);
  const UOp s = dim_add(pos, t);
  Tensor cos_t = cos.narrow(0, pos, t).unsqueeze(1);                    // t 1 e/2
  Tensor sin_t = sin.narrow(0, pos, t).unsqueeze(1);                    // t 1 e/2
  Tensor x = hidden;                                                    // t d
  Tensor y = rounded(x.rms_norm(w.attn_norm, eps), w.attn_q);           // t d
  Tensor q = y.linear(w.attn_q).reshape({t, h, e});                     // t h e
  Tensor k = y.linear(w.attn_k).reshape({t, g, e});                     // t g e
  Tensor v = y.linear(w.attn_v).reshape({t, g, e});                     // t g e
  q = q.rms_norm(w.attn_q_norm, eps).rope(cos_t, sin_t);                // t h e
  k = k.rms_norm(w.attn_k_norm, eps).rope(cos_t, sin_t);                // t g e
  k = w.k_cache.narrow(0, pos, t).assign(k).narrow(0, 0, s).cast(f32);  // s g e
  v = w.v_cache.narrow(0, pos, t).assign(v).narrow(0, 0, s).cast(f32);  // s g e
  Tensor mixed = attention(q, k, v, pos);                               // t h e
  mixed = rounded(mixed.reshape({t, h * e}), w.attn_output);            // t h*e
  x = x + mixed.linear(w.attn_output);                                  // t d
  y = rounded(x.rms_norm(w.ffn_norm, eps), w.ffn_gate);                 // t d
  Tensor gated = y.linear(w.ffn_gate).silu() * y.linear(w.ffn_up);      // t f
  return x + rounded(gated, w.ffn_down).linear(w.ffn_down);             // t d
}

Tensor Qwen3::rounded(const Tensor& x, const Tensor& weight) const {
  if (bits == 0 || !weight.dtype().packed) return x;
  return x.quantize(std::gcd(*const_int(x.dim(-1)), 128), bits);
}

Tensor Qwen3::forward(const Tensor& ids, const UOp& pos) const {
  // The rows of a table of f16 are f16; from here on all is f32.
  Tensor x = token_embd.embedding(ids).cast(f32);  // t d
  for (const Layer& w : layers) x = block(x, w, pos);
  return x;
}

Tensor Qwen3::logits(const Tensor& hidden) const {
  Tensor y = rounded(hidden.rms_norm(output_norm, config.norm_eps), output);  // t d
  return y.linear(output);                                                    // t v
}

namespace {

// What no model exceeds; products of two such sizes do not overflow.
constexpr int64_t max_size = 1 << 24;
constexpr int64_t max_context = int64_t{1} << 31;

// How the file stretches positions. What is not understood is refused: a model that runs with other
// positions than it was trained on answers, only badly.
std::string_view rope_scaling(const Gguf& file) {
  const std::string prefix = "qwen3.rope.scaling.";
  const std::set<std::string_view> known = {"type", "factor", "original_context_length",
                                            "finetuned"};
  for (const Gguf::Entry& entry : file.metadata()) {
    const bool scales = entry.key.starts_with(prefix);
    check(!scales || known.contains(entry.key.substr(prefix.size())),
          "qwen3: {}: the key {} is not understood: niwaki reads type, factor and "
          "original_context_length",
          file.name(), printable(entry.key));
  }
  // A factor without a type has always meant linear.
  const std::string_view type =
      file.string_or(prefix + "type", file.find(prefix + "factor") ? "linear" : "none");
  check(type == "none" || type == "yarn",
        "qwen3: {}: the positions are scaled by {}: niwaki knows none and yarn", file.name(),
        printable(type));
  return type;
}

}  // namespace

Qwen3Config Qwen3Config::from(const Gguf& file) {
  const bool yarn = rope_scaling(file) == "yarn";
  const Qwen3Config c = {
      .n_layers = file.integer("qwen3.block_count", 1, 1024),
      .dim = file.integer("qwen3.embedding_length", 1, max_size),
      .ffn_dim = file.integer("qwen3.feed_forward_length", 1, max_size),
      .n_heads = file.integer("qwen3.attention.head_count", 1, max_size),
      .n_kv_heads = file.integer("qwen3.attention.head_count_kv", 1, max_size),
      .head_dim = file.integer("qwen3.attention.key_length", 1, max_size),
      .vocabulary = std::ssize(file.strings("tokenizer.ggml.tokens")),
      .context = file.integer("qwen3.context_length", 1, max_context),
      .norm_eps = file.number("qwen3.attention.layer_norm_rms_epsilon", 0, 1),
      .rope_base = file.number("qwen3.rope.freq_base", 2, 1e12),
      .yarn_factor = yarn ? file.number("qwen3.rope.scaling.factor", 1, 1e6) : 1,
      .yarn_context =
          yarn ? file.integer("qwen3.rope.scaling.original_context_length", 1, max_context) : 1,
      .tied = file.find_tensor("output.weight") == nullptr,
  };
  check(c.n_heads % c.n_kv_heads == 0,
        "qwen3: {}: {} heads do not divide into {} heads of keys and values", file.name(),
        c.n_heads, c.n_kv_heads);
  check(c.head_dim % 2 == 0, "qwen3: {}: heads of {} values have no halves to rotate", file.name(),
        c.head_dim);
  for (const char* same : {"qwen3.attention.value_length", "qwen3.rope.dimension_count"}) {
    file.integer_or(same, c.head_dim, c.head_dim, c.head_dim);
  }
  return c;
}

namespace {

// Takes tensors out of a file and remembers which.
class Loader {
 public:
  explicit Loader(const Gguf& file) : file_(file) {}

  Tensor operator()(const std::string& name, const std::vector<int64_t>& shape) {
    const GgufTensor* found = file_.find_tensor(name);
    check(found != nullptr, "qwen3: {}: the tensor {} is missing: expected the shape ({})",
          file_.name(), printable(name), fmt::join(shape, ", "));
    check(found->shape == shape, "qwen3: {}: the tensor {} has the shape ({}): expected ({})",
          file_.name(), printable(name), fmt::join(found->shape, ", "), fmt::join(shape, ", "));
    taken_.insert(name);
    return weight(file_, name);
  }

  // A tensor left over is a term of the model that would be left out.
  void finish() const {
    for (const GgufTensor& tensor : file_.tensors()) {
      check(taken_.contains(tensor.name), "qwen3: {}: the tensor {} is not part of this model",
            file_.name(), printable(tensor.name));
    }
  }

 private:
  const Gguf& file_;
  std::set<std::string> taken_;
};

struct Rotations {
  Tensor cos;
  Tensor sin;
};

// The angle of pair i of a head at position p is p * base^(-2i / e). YaRN divides it by its factor
// where a pair makes less than one turn within the original context, leaves it where it makes more
// than 32, and mixes the two in between; and it lengthens what is rotated. A factor of 1 changes
// nothing.
Rotations rotations(const Qwen3Config& c, int64_t rows) {
  const int64_t pairs = c.head_dim / 2;
  const double width = static_cast<double>(c.head_dim);
  const auto pair_of_turns = [&](double turns) {
    const double context = static_cast<double>(c.yarn_context);
    return width * std::log(context / (turns * 2 * std::numbers::pi)) / (2 * std::log(c.rope_base));
  };
  const double low = std::max(0.0, std::floor(pair_of_turns(32)));
  const double high = std::min(width - 1, std::ceil(pair_of_turns(1)));
  const double length = 1 + 0.1 * std::log(c.yarn_factor);

  auto cos = std::make_shared<std::vector<float>>(rows * pairs);  // rows e/2
  auto sin = std::make_shared<std::vector<float>>(rows * pairs);  // rows e/2
  for (int64_t i = 0; i < pairs; i++) {
    const double mix = std::clamp((double(i) - low) / std::max(0.001, high - low), 0.0, 1.0);
    const double own = std::pow(c.rope_base, -2 * double(i) / width);
    const double turn = own * (1 - mix) + own / c.yarn_factor * mix;
    for (int64_t p = 0; p < rows; p++) {
      (*cos)[p * pairs + i] = static_cast<float>(std::cos(double(p) * turn) * length);
      (*sin)[p * pairs + i] = static_cast<float>(std::sin(double(p) * turn) * length);
    }
  }
  return {Tensor::view(cos->data(), f32, {rows, pairs}, cos),
          Tensor::view(sin->data(), f32, {rows, pairs}, sin)};
}

}  // namespace

Qwen3 Qwen3::build(const Qwen3Config& c, int64_t rows, DType cache, const Weights& take) {
  const int64_t queries = c.n_heads * c.head_dim;
  const int64_t keys = c.n_kv_heads * c.head_dim;
  const Tensor token_embd = take("token_embd.weight", {c.vocabulary, c.dim});
  std::vector<Layer> layers;
  for (int64_t i = 0; i < c.n_layers; i++) {
    const std::string blk = fmt::format("blk.{}.", i);
    layers.push_back({
        .attn_norm = take(blk + "attn_norm.weight", {c.dim}),
        .attn_q = take(blk + "attn_q.weight", {queries, c.dim}),
        .attn_k = take(blk + "attn_k.weight", {keys, c.dim}),
        .attn_v = take(blk + "attn_v.weight", {keys, c.dim}),
        .attn_q_norm = take(blk + "attn_q_norm.weight", {c.head_dim}),
        .attn_k_norm = take(blk + "attn_k_norm.weight", {c.head_dim}),
        .attn_output = take(blk + "attn_output.weight", {c.dim, queries}),
        .ffn_norm = take(blk + "ffn_norm.weight", {c.dim}),
        .ffn_gate = take(blk + "ffn_gate.weight", {c.ffn_dim, c.dim}),
        .ffn_up = take(blk + "ffn_up.weight", {c.ffn_dim, c.dim}),
        .ffn_down = take(blk + "ffn_down.weight", {c.dim, c.ffn_dim}),
        .k_cache = Tensor::empty({rows, c.n_kv_heads, c.head_dim}, cache),
        .v_cache = Tensor::empty({rows, c.n_kv_heads, c.head_dim}, cache),
    });
  }
  const auto [cos, sin] = rotations(c, rows);
  return {
      .config = c,
      .token_embd = token_embd,
      .layers = std::move(layers),
      .output_norm = take("output_norm.weight", {c.dim}),
      .output = c.tied ? token_embd : take("output.weight", {c.vocabulary, c.dim}),
      .cos = cos,
      .sin = sin,
  };
}

Qwen3 Qwen3::load(const Gguf& file, const Qwen3Config& c, int64_t rows, DType cache) {
  Loader take(file);
  Qwen3 model = build(c, rows, cache, std::ref(take));
  take.finish();
  return model;
}

}  // namespace niwaki
