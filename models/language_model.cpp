// How a model is run. Three computations are captured, each when it is first needed: prefill takes
// a chunk of tokens, any number up to 64, and gives the logits after the last of them; decode takes
// one, which the compiler then knows; and the third gives the logits after every token, for
// measuring. They share the weights, the KV caches and the buffer the ids are written to, so any
// may follow any other.
//
// The number of tokens before, pos, and of those in a chunk, t, are variables: nothing is compiled
// anew when they change. For the compiler to see that pos + t positions are always there, the
// caches have a chunk of rows more than the context; no launch writes to them.
#include "models/language_model.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "core/error.h"
#include "models/default_model.h"
#include "models/formats.h"
#include "models/qwen3.h"
#include "runtimes/realize.h"

namespace niwaki {
namespace {

constexpr int64_t chunk = 64;
constexpr int64_t default_context = 4096;

enum Step : size_t { prefill, decode, every };

Vocabulary vocabulary_of(const Gguf& file) {
  const std::string_view kind = file.string("tokenizer.ggml.model");
  check(kind == "gpt2", "model: {}: the tokenizer is {}: niwaki knows gpt2, byte-level BPE",
        file.name(), printable(kind));
  Vocabulary vocabulary;
  vocabulary.tokens = file.strings("tokenizer.ggml.tokens");
  if (file.find("tokenizer.ggml.token_type")) {
    vocabulary.types = file.integers("tokenizer.ggml.token_type");
  }
  vocabulary.merges = file.strings("tokenizer.ggml.merges");
  vocabulary.pre = file.string("tokenizer.ggml.pre");
  vocabulary.bos = file.integer_or("tokenizer.ggml.bos_token_id", -1);
  vocabulary.eos = file.integer_or("tokenizer.ggml.eos_token_id", -1);
  vocabulary.eot = file.integer_or("tokenizer.ggml.eot_token_id", -1);
  vocabulary.pad = file.integer_or("tokenizer.ggml.padding_token_id", -1);
  vocabulary.add_bos = file.flag_or("tokenizer.ggml.add_bos_token", false);
  vocabulary.add_eos = file.flag_or("tokenizer.ggml.add_eos_token", false);
  return vocabulary;
}

Qwen3Config config_of(const Gguf& file) {
  const std::string_view architecture = file.string("general.architecture");
  check(architecture == "qwen3", "model: {}: the architecture is {}: niwaki knows qwen3",
        file.name(), printable(architecture));
  return Qwen3Config::from(file);
}

// Bits of activations, by the name of a precision; 0: they stay floats.
int64_t bits_of(const std::string& precision) {
  for (const auto& [name, bits] : precisions()) {
    if (name == precision) return bits;
  }
  std::vector<std::string_view> names;
  for (const auto& [name, bits] : precisions()) names.push_back(name);
  fail("model: the precision {}: niwaki knows {}", printable(precision), fmt::join(names, ", "));
}

// The options with what was left open filled in.
ModelOptions resolved(ModelOptions options, const Qwen3Config& config) {
  bits_of(options.precision);
  check(options.cache_type == f32 || options.cache_type == f16,
        "model: a KV cache of {}: niwaki knows f32 and f16", name(options.cache_type));
  check(options.threads >= 0, "model: {} threads: give 1 or more, or 0 for one a core",
        options.threads);
  check(options.context >= 0 && options.context <= config.context,
        "model: a context of {} tokens: the model was made for 1 to {}", options.context,
        config.context);
  if (options.context == 0) options.context = std::min(config.context, default_context);
  return options;
}

int64_t n_values(const GgufTensor& tensor) {
  int64_t n = 1;
  for (const int64_t dim : tensor.shape) n *= dim;
  return n;
}

std::string count_text(int64_t count) {
  if (count >= 1e9) return fmt::format("{:.1f}B", double(count) / 1e9);
  if (count >= 1e6) return fmt::format("{:.1f}M", double(count) / 1e6);
  return fmt::format("{}", count);
}

}  // namespace

std::span<const std::pair<std::string_view, int64_t>> precisions() {
  static constexpr std::pair<std::string_view, int64_t> all[] = {
      {"exact", 0}, {"fixed24", 24}, {"fixed18", 18}, {"fixed12", 12}};
  return all;
}

struct LanguageModel::State {
  State(Gguf from, const ModelOptions& wanted)
      : file(std::move(from)),
        config(config_of(file)),
        options(resolved(wanted, config)),
        tokenizer(vocabulary_of(file)),
        device(options.device.empty() ? default_device() : niwaki::device(options.device)),
        model(Qwen3::load(file, config, options.context + chunk, options.cache_type)),
        ids(Tensor::empty({chunk}, i32)) {
    model.bits = bits_of(options.precision);
    if (options.threads > 0) device.set_threads(options.threads);
  }

  Tensor graph(Step step) const {
    const UOp pos = variable("pos", 0, options.context);
    const UOp t = step == decode ? index(1) : variable("t", 1, chunk);
    Tensor hidden = model.forward(ids.narrow(0, 0, t), pos);                  // t dim
    if (step == prefill) hidden = hidden.narrow(0, dim_sub(t, index(1)), 1);  // 1 dim
    return model.logits(hidden);
  }

  Replay& replay(Step step) {
    if (!replays[step]) {
      replays[step].emplace(std::vector<Tensor>{graph(step)}, device, options.progress);
    }
    return *replays[step];
  }

  // The logits that `step` gives for tokens that fit a chunk.
  const float* run(Step step, std::span<const int64_t> tokens) {
    Replay& launches = replay(step);
    const BufferRef& buffer = ids.uop()->get<BufferRef>();
    std::ranges::copy(tokens, static_cast<int32_t*>(buffer->data));
    Bindings bindings = {{"pos", position}};
    if (step != decode) bindings.emplace_back("t", std::ssize(tokens));
    launches.run(bindings);
    position += std::ssize(tokens);
    return static_cast<const float*>(launches.output(0).data);
  }

  // All or nothing: a wrong id at the end must not leave the beginning in the caches.
  void check_tokens(std::span<const int64_t> tokens) const {
    check(!tokens.empty(), "feed: no tokens: give at least one");
    const int64_t room = options.context - position;
    check(std::ssize(tokens) <= room, "feed: {} tokens after {}: the context has room for {} more",
          tokens.size(), position, room);
    for (const int64_t id : tokens) {
      check(id >= 0 && id < config.vocabulary, "feed: no token {}: the vocabulary has {}", id,
            config.vocabulary);
    }
  }

  Gguf file;
  Qwen3Config config;
  ModelOptions options;
  Tokenizer tokenizer;
  Device& device;
  Qwen3 model;
  Tensor ids;
  std::optional<Replay> replays[3];
  int64_t position = 0;
};

LanguageModel LanguageModel::open(const std::string& path, const ModelOptions& options) {
  return LanguageModel(std::make_unique<State>(open_weights(path), options));
}

LanguageModel LanguageModel::embedded(const ModelOptions& options) {
  Gguf file = Gguf::parse(default_model(), "default.gguf", geometry_of);
  return LanguageModel(std::make_unique<State>(std::move(file), options));
}

LanguageModel::LanguageModel(std::unique_ptr<State> state) : state_(std::move(state)) {}
LanguageModel::LanguageModel(LanguageModel&&) noexcept = default;
LanguageModel& LanguageModel::operator=(LanguageModel&&) noexcept = default;
LanguageModel::~LanguageModel() = default;

const Gguf& LanguageModel::file() const { return state_->file; }
const Tokenizer& LanguageModel::tokenizer() const { return state_->tokenizer; }
int64_t LanguageModel::context() const { return state_->options.context; }
int64_t LanguageModel::vocabulary() const { return state_->config.vocabulary; }
const ModelOptions& LanguageModel::options() const { return state_->options; }
int64_t LanguageModel::position() const { return state_->position; }
void LanguageModel::reset() { state_->position = 0; }

std::string LanguageModel::description() const {
  std::map<std::string, int64_t> values;  // by type
  for (const GgufTensor& tensor : file().tensors()) {
    values[format_of(tensor.type_id, tensor.name).name] += n_values(tensor);
  }
  const auto most =
      std::ranges::max_element(values, {}, &std::pair<const std::string, int64_t>::second);
  return fmt::format("{} {} {}", file().string("general.architecture"), count_text(n_parameters()),
                     most->first);
}

int64_t LanguageModel::n_parameters() const {
  int64_t n = 0;
  for (const GgufTensor& tensor : file().tensors()) n += n_values(tensor);
  return n;
}

int64_t LanguageModel::weight_bytes() const {
  int64_t n = 0;
  for (const GgufTensor& tensor : file().tensors()) n += std::ssize(tensor.bytes);
  return n;
}

int64_t LanguageModel::bytes_per_token() const {
  // All of them, but of an embedding that is not the output matrix too, a row.
  if (!file().find_tensor("output.weight")) return weight_bytes();
  const int64_t embedding = std::ssize(file().tensor("token_embd.weight").bytes);
  return weight_bytes() - embedding + embedding / vocabulary();
}

int64_t LanguageModel::n_programs() const {
  std::set<const Program*> distinct;
  for (const std::optional<Replay>& replay : state_->replays) {
    if (replay) distinct.merge(replay->programs());
  }
  return int64_t(distinct.size());
}

void LanguageModel::prepare() {
  for (const Step step : {prefill, decode}) state_->replay(step);
}

Tensor LanguageModel::decode_graph() const { return state_->graph(Step::decode); }
Tensor LanguageModel::prefill_graph() const { return state_->graph(Step::prefill); }

std::span<const float> LanguageModel::feed(std::span<const int64_t> tokens) {
  state_->check_tokens(tokens);
  const float* logits = nullptr;
  while (!tokens.empty()) {
    const size_t n = std::min<size_t>(tokens.size(), chunk);
    logits = state_->run(n == 1 ? decode : prefill, tokens.first(n));
    tokens = tokens.subspan(n);
  }
  return {logits, static_cast<size_t>(vocabulary())};
}

std::vector<float> LanguageModel::feed_all(std::span<const int64_t> tokens) {
  state_->check_tokens(tokens);
  std::vector<float> all;
  while (!tokens.empty()) {
    const size_t n = std::min<size_t>(tokens.size(), chunk);
    const float* logits = state_->run(every, tokens.first(n));
    all.insert(all.end(), logits, logits + n * static_cast<size_t>(vocabulary()));
    tokens = tokens.subspan(n);
  }
  return all;
}

}  // namespace niwaki
