#include "models/generate.h"

#include <chrono>

#include "models/utf8.h"

namespace niwaki {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

GenerateResult generate(LanguageModel& model, std::span<const int64_t> prompt,
                        const GenerateOptions& options,
                        const std::function<bool(std::string_view text)>& on_text) {
  GenerateResult result;
  Sampler sampler(options.sampling);
  Utf8Stream stream;
  model.prepare();  // compiling is not generating: the seconds are those of tokens

  Clock::time_point start = Clock::now();
  std::span<const float> logits = model.feed(prompt);
  result.prompt_tokens = std::ssize(prompt);
  result.prompt_seconds = seconds_since(start);

  start = Clock::now();
  std::string& reason = result.stop_reason;
  while (reason.empty()) {
    if (model.position() == model.context()) reason = "context";
    if (result.tokens == options.n_tokens) reason = "length";
    if (!reason.empty()) break;
    const int64_t id = sampler.sample(logits);
    if (options.stop_at_end && model.tokenizer().is_end(id)) {
      reason = "end";
      break;
    }
    if (!on_text(stream.push(model.tokenizer().bytes(id, false)))) reason = "stopped";
    logits = model.feed(std::span(&id, 1));
    ++result.tokens;
  }
  result.seconds = seconds_since(start);
  // What is left is the beginning of a character that never came.
  const std::string rest = stream.flush();
  if (!rest.empty()) on_text(rest);
  return result;
}

}  // namespace niwaki
