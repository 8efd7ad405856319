// `niwaki logits` and `niwaki tokenize`: what goes into a model and what comes out, as JSON, for
// scripts that compare one implementation with another. The form is that of tests/golden/models:
//
//   {"file": "m.gguf", "tokens": [1, 5], "vocab": 300, "positions":
//    [{"argmax": 136, "logits": [0.099601483, ...]}, ...]}
//
// Nine digits give each float back exactly. JSON this small is written by hand, which also lets it
// leave position by position: the logits of 4,096 tokens are two gigabytes in a common vocabulary.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "cli/commands.h"
#include "cli/open_model.h"

namespace niwaki {
namespace {

// JSON has no infinity and no NaN.
std::string number_text(float value) {
  return std::isfinite(value) ? fmt::format("{:.9g}", value) : "null";
}

// The ids of the `count` highest logits, highest first, ties by id; a NaN comes last.
std::vector<int64_t> highest(std::span<const float> logits, int64_t count) {
  const auto rank = [&](int64_t id) { return std::isnan(logits[id]) ? -INFINITY : logits[id]; };
  std::vector<int64_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), int64_t{0});
  const auto end = ids.begin() + std::min(count, std::ssize(ids));
  std::partial_sort(ids.begin(), end, ids.end(), [&](int64_t a, int64_t b) {
    return rank(a) != rank(b) ? rank(a) > rank(b) : a < b;
  });
  ids.erase(end, ids.end());
  return ids;
}

std::string position_text(std::span<const float> logits, int64_t top) {
  std::string values;
  if (top == 0) {
    for (const float value : logits) values += number_text(value) + ", ";
  } else {
    for (const int64_t id : highest(logits, top)) {
      values += fmt::format("[{}, {}], ", id, number_text(logits[id]));
    }
  }
  values.resize(values.size() - 2);
  return fmt::format("{{\"argmax\": {}, \"logits\": [{}]}}", highest(logits, 1)[0], values);
}

}  // namespace

int logits_command(const Args& args) {
  if (!args.given("--tokens")) throw UsageError("logits: there are no tokens: give -t 1,2,3");
  const std::vector<int64_t> tokens = args.integers("--tokens");
  ProgressLine progress;
  LanguageModel model = open_model(args, progress);
  for (const int64_t id : tokens) {
    check(id < model.vocabulary(), "logits: there is no token {}: the vocabulary has {}", id,
          model.vocabulary());
  }
  check(std::ssize(tokens) <= model.context(),
        "logits: there are {} tokens and the context has {}: give fewer or raise --ctx-size",
        tokens.size(), model.context());
  std::string text =
      fmt::format("{{\"file\": {}, \"tokens\": [{}], \"vocab\": {}, \"positions\": [",
                  json_string(file_name(model)), fmt::join(tokens, ", "), model.vocabulary());
  constexpr size_t chunk = 64;
  for (size_t at = 0; at < tokens.size(); at += chunk) {
    const size_t count = std::min(chunk, tokens.size() - at);
    const std::vector<float> logits = model.feed_all(std::span(tokens).subspan(at, count));
    progress.erase();
    for (size_t i = 0; i < count; i++) {
      const size_t size = static_cast<size_t>(model.vocabulary());
      const std::span<const float> row = std::span(logits).subspan(i * size, size);
      text += (at + i == 0 ? "" : ", ") + position_text(row, args.integer("--top"));
      write_out(text);
      text.clear();
    }
  }
  write_out("]}\n");
  return 0;
}

int tokenize_command(const Args& args) {
  ModelOptions options;
  options.context = 1;  // nothing is fed
  const LanguageModel model = open_model(args, options);
  const std::vector<int64_t> ids = model.tokenizer().encode(args.operand(), true, true);
  write_out(fmt::format("[{}]\n", fmt::join(ids, ", ")));
  return 0;
}

}  // namespace niwaki
