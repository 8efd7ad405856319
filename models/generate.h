// Generation: tokens one after another, and their text as it becomes whole.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "models/language_model.h"
#include "models/sampler.h"

namespace niwaki {

struct GenerateOptions {
  /// Tokens to make; -1: until the end of the context.
  int64_t n_tokens = -1;
  SamplingOptions sampling;
  /// Stop at a token that ends generation.
  bool stop_at_end = true;
};

struct GenerateResult {
  int64_t prompt_tokens = 0;
  int64_t tokens = 0;
  double prompt_seconds = 0;
  double seconds = 0;
  /// "end": the model ended; "length": n_tokens were made; "context": it is full; "stopped": by
  /// on_text.
  std::string stop_reason;
};

/// Feeds the prompt's ids and makes tokens; `on_text` gets whole UTF-8, possibly empty, after every
/// token, and stops generation by returning false. All tokens made are fed, so a conversation can
/// go on; a token that ends generation is neither counted nor fed.
GenerateResult generate(LanguageModel& model, std::span<const int64_t> prompt,
                        const GenerateOptions& options,
                        const std::function<bool(std::string_view text)>& on_text);

}  // namespace niwaki
