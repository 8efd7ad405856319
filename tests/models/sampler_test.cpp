// The sampler on logits made by hand: what is kept can be counted, and what is drawn can be
// compared with the probabilities.
#include "models/sampler.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <set>

#include "core/error.h"

using namespace niwaki;

namespace {

constexpr float kInf = INFINITY;

// Keeps all and changes nothing: a test sets the one option that it is about.
SamplingOptions neutral() {
  return {.temperature = 1, .top_k = 0, .top_p = 1, .min_p = 0, .seed = 1};
}

std::vector<float> logits_of(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  return logits;
}

// The ids that come out in many draws.
std::set<int64_t> drawn(const SamplingOptions& options, std::span<const float> logits,
                        int64_t draws = 5000) {
  Sampler sampler(options);
  std::set<int64_t> ids;
  for (int64_t i = 0; i < draws; i++) ids.insert(sampler.sample(logits));
  return ids;
}

using Set = std::set<int64_t>;

}  // namespace

TEST_CASE("sampler: temperature 0 takes the likeliest, the lowest id on ties") {
  SamplingOptions options;
  options.temperature = 0;
  Sampler sampler(options);
  CHECK(sampler.sample(std::vector<float>{1, 3, 2}) == 1);
  CHECK(sampler.sample(std::vector<float>{-kInf, 2, 5, 5, 5}) == 2);
  CHECK(sampler.sample(std::vector<float>{-7}) == 0);
}

TEST_CASE("sampler: top_k") {
  const std::vector<float> logits = {0, 3, 3, 1, 3, 2};
  SamplingOptions options = neutral();
  options.top_k = 1;
  CHECK(drawn(options, logits) == Set{1});
  options.top_k = 2;
  CHECK(drawn(options, logits) == Set{1, 2});
  options.top_k = 4;
  CHECK(drawn(options, logits) == Set{1, 2, 4, 5});
  options.top_k = 100;
  CHECK(drawn(options, logits) == Set{0, 1, 2, 3, 4, 5});
}

TEST_CASE("sampler: top_p keeps the token that reaches p") {
  const std::vector<float> logits = logits_of({0.1, 0.5, 0.05, 0.3, 0.05});
  SamplingOptions options = neutral();
  const std::pair<double, Set> cases[] = {
      {0, {1}},          {0.49, {1}},          {0.51, {1, 3}},          {0.79, {1, 3}},
      {0.81, {0, 1, 3}}, {0.91, {0, 1, 2, 3}}, {0.96, {0, 1, 2, 3, 4}},
  };
  for (const auto& [p, expected] : cases) {
    options.top_p = p;
    CAPTURE(options.top_p);
    CHECK(drawn(options, logits) == expected);
  }
  // It sees what top_k left: of 0.5 and 0.3, the first is 0.625 of the mass.
  options.top_k = 2;
  options.top_p = 0.6;
  CHECK(drawn(options, logits) == Set{1});
  // It comes before the temperature, however high.
  options.temperature = 1000;
  CHECK(drawn(options, logits) == Set{1});
}

TEST_CASE("sampler: min_p is a share of the highest probability") {
  const std::vector<float> logits = logits_of({0.1, 0.5, 0.05, 0.3, 0.05});
  SamplingOptions options = neutral();
  const std::pair<double, Set> cases[] = {
      {1, {1}}, {0.61, {1}}, {0.59, {1, 3}}, {0.19, {0, 1, 3}}, {0.09, {0, 1, 2, 3, 4}},
  };
  for (const auto& [p, expected] : cases) {
    options.min_p = p;
    CAPTURE(options.min_p);
    CHECK(drawn(options, logits) == expected);
  }
}

TEST_CASE("sampler: -inf is never drawn") {
  SamplingOptions options = neutral();
  const std::vector<float> logits = {-kInf, 0, -kInf, 0, -kInf};
  CHECK(drawn(options, logits) == Set{1, 3});
  options.top_k = 4;
  options.top_p = 0.99;
  CHECK(drawn(options, logits) == Set{1, 3});
  options.temperature = 1e-300;
  CHECK(drawn(options, std::vector<float>{0, 1}) == Set{1});
}

TEST_CASE("sampler: draws follow the probabilities") {
  const double scale = 0.7;
  std::vector<float> logits;
  for (int64_t id = 0; id < 8; id++) logits.push_back(static_cast<float>(id % 5) - 2);
  double total = 0;
  for (const float logit : logits) total += std::exp(logit / scale);

  SamplingOptions options = neutral();
  options.temperature = scale;
  Sampler sampler(options);
  const int64_t draws = 100'000;
  std::vector<int64_t> count(logits.size());
  for (int64_t i = 0; i < draws; i++) count[sampler.sample(logits)]++;
  double chi_squared = 0;
  for (size_t id = 0; id < logits.size(); id++) {
    const double expected = draws * std::exp(logits[id] / scale) / total;
    chi_squared += (count[id] - expected) * (count[id] - expected) / expected;
  }
  CHECK(chi_squared < 24.3);  // the bound that one fair sampler in a thousand exceeds
}

TEST_CASE("sampler: a seed is the same tokens on every platform") {
  const std::vector<float> logits(16, 0);  // so an id is the upper four bits of SplitMix64's output
  std::vector<int64_t> ids;
  Sampler sampler(neutral());
  for (int64_t i = 0; i < 12; i++) ids.push_back(sampler.sample(logits));
  CHECK(ids == std::vector<int64_t>{9, 11, 15, 7, 7, 12, 14, 8, 4, 12, 6, 9});
}

TEST_CASE("sampler: the cuts equal a full sort on a whole vocabulary") {
  const uint64_t seed = 23;
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  std::vector<float> logits(151'669);
  for (float& logit : logits) logit = static_cast<float>(random() % 4000) / 250;  // many ties
  std::vector<int64_t> order(logits.size());
  for (size_t i = 0; i < order.size(); i++) order[i] = static_cast<int64_t>(i);
  std::ranges::stable_sort(order, [&](int64_t a, int64_t b) { return logits[a] > logits[b]; });

  SamplingOptions options = neutral();
  options.top_k = 5;
  CHECK(drawn(options, logits, 200) == Set(order.begin(), order.begin() + 5));
}

TEST_CASE("sampler: errors") {
  using Change = void (*)(SamplingOptions&);
  const std::pair<Change, const char*> cases[] = {
      {[](SamplingOptions& o) { o.temperature = -0.5; },
       "sampler: --temp -0.5 is out of range: it is 0 (always the likeliest token) or more"},
      {[](SamplingOptions& o) { o.temperature = kInf; },
       "sampler: --temp inf is out of range: it is 0 (always the likeliest token) or more"},
      {[](SamplingOptions& o) { o.temperature = NAN; },
       "sampler: --temp nan is out of range: it is 0 (always the likeliest token) or more"},
      {[](SamplingOptions& o) { o.top_k = -1; },
       "sampler: --top-k -1 is out of range: it is 0 (keep all) or more"},
      {[](SamplingOptions& o) { o.top_p = 1.5; },
       "sampler: --top-p 1.5 is out of range: it is 0 to 1 (keep all)"},
      {[](SamplingOptions& o) { o.min_p = -0.1; },
       "sampler: --min-p -0.1 is out of range: it is 0 (keep all) to 1"},
  };
  for (const auto& [change, text] : cases) {
    SamplingOptions options;
    change(options);
    CHECK_THROWS_WITH_AS(Sampler{options}, text, Error);
  }

  Sampler sampler(SamplingOptions{});
  CHECK_THROWS_WITH_AS(
      sampler.sample(std::vector<float>{0, NAN}),
      "sample: logit 1 of 2 is NaN: the model computed nonsense; is its file damaged?", Error);
  CHECK_THROWS_WITH_AS(
      sampler.sample(std::vector<float>{kInf, 0}),
      "sample: logit 0 of 2 is +inf: the model computed nonsense; is its file damaged?", Error);
  CHECK_THROWS_WITH_AS(sampler.sample(std::vector<float>{-kInf, -kInf}),
                       "sample: all 2 logits are -inf: no token can be drawn", Error);
  CHECK_THROWS_WITH_AS(sampler.sample({}), "sample: no logits", Error);
}
