// A language model that is ready to run: a file, its tokenizer, its weights as tensors, and the
// captured computations of prefill and decode.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/dtype.h"
#include "models/gguf.h"
#include "models/tokenizer.h"
#include "ops/tensor.h"

namespace niwaki {

struct ModelOptions {
  /// Tokens the KV cache holds; 0: the model's own, at most 4096.
  int64_t context = 0;
  /// Empty: NIWAKI_DEVICE.
  std::string device;
  /// 0: one a core.
  int64_t threads = 0;
  /// How activations are rounded before products with packed weights: one of precisions().
  std::string precision = "exact";
  /// What keys and values are rounded to as they enter the KV cache: f32, not at all, or f16, which
  /// halves it.
  DType cache_type = f32;
  /// Called while kernels are compiled, with what is done and what there is.
  std::function<void(int64_t done, int64_t all)> progress;
};

/// What activations can be rounded to: names, and bits beside a sign; of "exact" 0, as it rounds
/// nothing.
std::span<const std::pair<std::string_view, int64_t>> precisions();

class LanguageModel {
 public:
  /// Error, one line, where the file is no model that can run.
  static LanguageModel open(const std::string& path, const ModelOptions& options = {});
  /// The model that the program carries.
  static LanguageModel embedded(const ModelOptions& options = {});

  LanguageModel(LanguageModel&&) noexcept;
  LanguageModel& operator=(LanguageModel&&) noexcept;
  ~LanguageModel();

  const Gguf& file() const;
  const Tokenizer& tokenizer() const;
  /// Tokens the KV cache holds.
  int64_t context() const;
  int64_t vocabulary() const;
  /// "qwen3 1.7B Q1_0": architecture, parameters, the type of most weights.
  std::string description() const;
  int64_t n_parameters() const;
  /// Bytes of all tensors, and those that one decoded token reads.
  int64_t weight_bytes() const;
  int64_t bytes_per_token() const;
  /// Distinct kernels compiled so far.
  int64_t n_programs() const;
  const ModelOptions& options() const;

  /// Compiles what feed() needs now and not at its first call.
  void prepare();

  /// The logits that feed() computes, not yet computed: the graphs of its two kinds of steps.
  Tensor decode_graph() const;
  Tensor prefill_graph() const;

  /// Tokens fed since the last reset.
  int64_t position() const;
  void reset();
  /// Feeds tokens after those before; the logits [vocabulary] after the last one, valid until the
  /// next call. Error where they do not fit the context or an id is not in the vocabulary.
  std::span<const float> feed(std::span<const int64_t> tokens);
  /// The same, with the logits after every token: [n, vocabulary].
  std::vector<float> feed_all(std::span<const int64_t> tokens);

 private:
  struct State;
  explicit LanguageModel(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace niwaki
