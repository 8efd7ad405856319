// The sampler: from the logits of a step to the next token.
//
// The cuts come in the order of llama.cpp, so that the flags mean what users expect: top_k, top_p,
// min_p, then temperature. The first three look at the model's own probabilities and only shorten
// the list of candidates; the temperature then decides how boldly to draw from what is left.
//
// A vocabulary has 150,000 tokens and a step a few milliseconds, so nothing sorts all of it: top_k
// keeps a heap of the k best while it scans once, and top_p takes the best from a heap only until
// the mass is reached. Both orders are total (ties go to the lower id), so the list does not depend
// on the standard library.
//
// A seed means the same tokens everywhere. std::discrete_distribution is left to the
// implementation, so the generator (SplitMix64) and the draw are written out. What remains is exp,
// whose last bit may differ between maths libraries; it matters only where a draw falls within that
// bit of a bound.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace niwaki {

/// How to choose the next token. Defaults are those of llama.cpp.
struct SamplingOptions {
  double temperature = 0.8;  // --temp, 0 or more; 0: always the likeliest token
  int64_t top_k = 40;        // --top-k: keep the k likeliest; 0: all
  double top_p = 0.95;       // --top-p, 0 to 1: keep the likeliest that together reach p; 1: all
  double min_p = 0.05;  // --min-p, 0 to 1: keep what has p of the likeliest's probability; 0: all
  uint64_t seed = 0;    // the same seed, the same tokens
};

/// Draws tokens. Its state is the random generator: one a conversation.
class Sampler {
 public:
  /// Error names the flag that is out of range.
  explicit Sampler(const SamplingOptions& options);

  /// The id of the next token given logits[vocab]; -inf is never drawn. Error if there is nothing
  /// to draw from, or on NaN and +inf, which say that the model computed nonsense.
  int64_t sample(std::span<const float> logits);

 private:
  void keep_top_k(std::span<const float> logits);
  void keep_top_p(std::span<const float> logits);
  void keep_min_p(std::span<const float> logits);
  int64_t draw(std::span<const float> logits);
  double uniform();

  SamplingOptions options_;
  uint64_t state_;
  float highest_ = 0;             // the largest logit
  std::vector<int64_t> kept_;     // the candidates left, kept from call to call for its storage
  std::vector<int64_t> nucleus_;  // likewise
};

}  // namespace niwaki
