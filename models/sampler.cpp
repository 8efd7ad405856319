#include "models/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"

namespace niwaki {

namespace {

// Orders ids by logit, highest first, ties by id: a total order.
auto likelier(std::span<const float> logits) {
  return [logits](int64_t a, int64_t b) {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  };
}

// The likeliest id; Error where there is none, which is also where softmax has no meaning.
int64_t argmax(std::span<const float> logits) {
  check(!logits.empty(), "sample: no logits");
  int64_t best = 0;
  for (int64_t id = 0; id < std::ssize(logits); id++) {
    const float logit = logits[id];
    check(!std::isnan(logit) && logit != INFINITY,
          "sample: logit {} of {} is {}: the model computed nonsense; is its file damaged?", id,
          logits.size(), std::isnan(logit) ? "NaN" : "+inf");
    if (logit > logits[best]) best = id;
  }
  check(logits[best] != -INFINITY, "sample: all {} logits are -inf: no token can be drawn",
        logits.size());
  return best;
}

}  // namespace

Sampler::Sampler(const SamplingOptions& options) : options_(options), state_(options.seed) {
  // Written so that NaN fails too.
  check(options.temperature >= 0 && options.temperature < INFINITY,
        "sampler: --temp {} is out of range: it is 0 (always the likeliest token) or more",
        options.temperature);
  check(options.top_k >= 0, "sampler: --top-k {} is out of range: it is 0 (keep all) or more",
        options.top_k);
  check(options.top_p >= 0 && options.top_p <= 1,
        "sampler: --top-p {} is out of range: it is 0 to 1 (keep all)", options.top_p);
  check(options.min_p >= 0 && options.min_p <= 1,
        "sampler: --min-p {} is out of range: it is 0 (keep all) to 1", options.min_p);
}

int64_t Sampler::sample(std::span<const float> logits) {
  const int64_t best = argmax(logits);
  if (options_.temperature == 0) return best;
  highest_ = logits[best];
  keep_top_k(logits);
  keep_top_p(logits);
  keep_min_p(logits);
  return draw(logits);
}

void Sampler::keep_top_k(std::span<const float> logits) {
  kept_.resize(logits.size());
  std::iota(kept_.begin(), kept_.end(), int64_t{0});
  if (options_.top_k == 0 || options_.top_k >= std::ssize(kept_)) return;
  std::partial_sort(kept_.begin(), kept_.begin() + options_.top_k, kept_.end(), likelier(logits));
  kept_.resize(static_cast<size_t>(options_.top_k));
}

void Sampler::keep_top_p(std::span<const float> logits) {
  if (options_.top_p == 1) return;
  const auto weight = [&](int64_t id) { return std::exp(double{logits[id]} - highest_); };
  const auto less_likely = [order = likelier(logits)](int64_t a, int64_t b) { return order(b, a); };
  double missing = 0;
  for (const int64_t id : kept_) missing += weight(id);
  missing *= options_.top_p;
  std::ranges::make_heap(kept_, less_likely);
  nucleus_.clear();
  do {
    std::ranges::pop_heap(kept_, less_likely);
    nucleus_.push_back(kept_.back());
    missing -= weight(kept_.back());
    kept_.pop_back();
  } while (missing > 0 && !kept_.empty());
  kept_.swap(nucleus_);
}

void Sampler::keep_min_p(std::span<const float> logits) {
  const double lowest = highest_ + std::log(options_.min_p);  // log 0 is -inf: all stay
  std::erase_if(kept_, [&](int64_t id) { return logits[id] < lowest; });
}

int64_t Sampler::draw(std::span<const float> logits) {
  const auto weight = [&](int64_t id) {
    return std::exp((double{logits[id]} - highest_) / options_.temperature);
  };
  double total = 0;
  for (const int64_t id : kept_) total += weight(id);
  double left = uniform() * total;
  int64_t drawn = kept_.front();
  for (const int64_t id : kept_) {
    if (weight(id) == 0) continue;  // so that rounding cannot end on what has no chance
    drawn = id;
    left -= weight(id);
    if (left < 0) break;
  }
  return drawn;
}

// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014), of which
// the upper 53 bits are a double in [0, 1).
double Sampler::uniform() {
  state_ += 0x9E3779B97F4A7C15;
  uint64_t z = state_;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
  z = (z ^ z >> 27) * 0x94D049BB133111EB;
  z = z ^ z >> 31;
  return static_cast<double>(z >> 11) * 0x1p-53;
}

}  // namespace niwaki
