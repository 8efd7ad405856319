// Whole models: every golden file against the float64 oracle, whichever way tokens are fed; and
// files that look like models and are none. tests/golden/models/NAME.f64.json holds the oracle's
// logits.
#include "models/qwen3.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "core/error.h"
#include "models/default_model.h"
#include "models/formats.h"
#include "models/generate.h"
#include "models/language_model.h"
#include "models/utf8.h"
#include "runtimes/device.h"

using namespace niwaki;

namespace {

const std::string models = NIWAKI_SOURCE_DIR "/tests/golden/models/";

struct Golden {
  std::vector<int64_t> tokens;
  std::vector<double> logits;  // [tokens, vocabulary]
};

Golden golden(const std::string& name) {
  std::ifstream file(models + name + ".f64.json");
  const nlohmann::json json = nlohmann::json::parse(file);
  Golden out{json.at("tokens"), {}};
  for (const nlohmann::json& position : json.at("positions")) {
    for (const double logit : position.at("logits")) out.logits.push_back(logit);
  }
  return out;
}

// The root mean square of the differences, in standard deviations of what is expected.
double distance(std::span<const float> actual, std::span<const double> expected) {
  REQUIRE(actual.size() == expected.size());
  double sum = 0;
  double squares = 0;
  double differences = 0;
  for (size_t i = 0; i < actual.size(); i++) {
    sum += expected[i];
    squares += expected[i] * expected[i];
    differences += (actual[i] - expected[i]) * (actual[i] - expected[i]);
  }
  const double n = static_cast<double>(actual.size());
  return std::sqrt(differences / n) / std::sqrt(squares / n - sum / n * sum / n);
}

// Bytes of a golden file, to be made wrong.
struct Bytes {
  std::string data;

  explicit Bytes(const std::string& name) {
    std::ifstream file(models + name + ".gguf", std::ios::binary);
    data.assign(std::istreambuf_iterator<char>(file), {});
  }

  // The offset after a string as a GGUF file has it: its length, then its bytes.
  size_t after(const std::string& text) const {
    const uint64_t size = text.size();
    const std::string length(reinterpret_cast<const char*>(&size), sizeof size);
    const size_t found = data.find(length + text);
    REQUIRE(found != std::string::npos);
    return found + sizeof size + text.size();
  }

  Bytes& rename(const std::string& from, const std::string& to) {
    REQUIRE(from.size() == to.size());
    data.replace(after(from) - from.size(), to.size(), to);
    return *this;
  }

  template <class T>
  Bytes& put(size_t at, T value) {
    std::memcpy(&data.at(at), &value, sizeof value);
    return *this;
  }

  // A key's value follows its type; a text, its length too.
  Bytes& set(const std::string& key, uint32_t value) { return put(after(key) + 4, value); }
  Bytes& set_letter(const std::string& key, char first) { return put(after(key) + 12, first); }

  // A tensor's description goes on with n_dims and two dims, innermost first, type and offset.
  Bytes& set_dims(const std::string& tensor, uint64_t inner, uint64_t outer) {
    return put(after(tensor) + 4, inner).put(after(tensor) + 12, outer);
  }
  Bytes& set_type(const std::string& tensor, uint32_t id) { return put(after(tensor) + 20, id); }
  Bytes& set_offset(const std::string& tensor, bool is_matrix, uint64_t offset) {
    return put(after(tensor) + (is_matrix ? 24 : 16), offset);
  }
};

struct TemporaryFile {
  std::string path =
      (std::filesystem::temp_directory_path() / fmt::format("niwaki_qwen3_{}", ::getpid()))
          .string();
  explicit TemporaryFile(const Bytes& bytes) {
    std::ofstream(path, std::ios::binary) << bytes.data;
  }
  ~TemporaryFile() { std::filesystem::remove(path); }
};

std::string error_of(const std::function<void()>& function) {
  try {
    function();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// What opening the file says, with F for its path.
std::string open_error(const Bytes& bytes) {
  const TemporaryFile file(bytes);
  std::string text = error_of([&] { LanguageModel::open(file.path); });
  const size_t at = text.find(file.path);
  if (at != std::string::npos) text.replace(at, file.path.size(), "F");
  return text;
}

std::vector<float> copy(std::span<const float> logits) { return {logits.begin(), logits.end()}; }

}  // namespace

TEST_CASE("qwen3: logits are the oracle's, all at once and token by token") {
  for (const char* name : {"tiny-f16", "tiny-q8_0", "tiny-q4_0", "tiny-q1_0", "tiny-q2_0",
                           "tiny-tq2_0", "tiny-q1_0-yarn"}) {
    CAPTURE(std::string(name));
    const Golden expected = golden(name);
    LanguageModel model = LanguageModel::open(models + name + ".gguf");
    CHECK(distance(model.feed_all(expected.tokens), expected.logits) < 1e-5);
    CHECK(model.position() == 16);
    model.reset();
    std::vector<float> one_by_one;
    for (const int64_t& token : expected.tokens) {
      const std::span<const float> logits = model.feed(std::span(&token, 1));
      one_by_one.insert(one_by_one.end(), logits.begin(), logits.end());
    }
    CHECK(distance(one_by_one, expected.logits) < 1e-5);
  }
}

TEST_CASE("qwen3: a prompt in parts is a prompt") {
  const Golden expected = golden("tiny-q1_0");
  const std::span<const double> last = std::span(expected.logits).last(300);
  const std::span<const int64_t> tokens = expected.tokens;
  LanguageModel model = LanguageModel::open(models + "tiny-q1_0.gguf");
  CHECK(distance(model.feed(tokens), last) < 1e-5);
  for (const size_t part : {1, 5, 15}) {
    model.reset();
    model.feed(tokens.first(part));
    CHECK(model.position() == static_cast<int64_t>(part));
    CHECK(distance(model.feed(tokens.subspan(part)), last) < 1e-5);
  }
}

// Three chunks and a part of one: the file has the five highest logits at each of 200 positions.
TEST_CASE("qwen3: a prompt longer than a chunk, with stretched positions") {
  std::ifstream file(models + "tiny-q1_0-yarn.long.f64.json");
  const nlohmann::json json = nlohmann::json::parse(file);
  const std::vector<int64_t> tokens = json.at("tokens");
  LanguageModel model = LanguageModel::open(models + "tiny-q1_0-yarn.gguf");
  const std::vector<float> logits = model.feed_all(tokens);
  const auto check_row = [&](std::span<const float> row, const nlohmann::json& highest) {
    double lowest = INFINITY;
    for (const nlohmann::json& entry : highest) {
      lowest = entry.at(1);
      CHECK(std::abs(row[entry.at(0).get<size_t>()] - lowest) < 1e-4);
    }
    CHECK(std::ranges::count_if(row, [&](float logit) { return logit > lowest + 1e-4; }) <
          std::ssize(highest));
  };
  for (size_t i = 0; i < tokens.size(); i++) {
    check_row(std::span(logits).subspan(i * 300, 300), json.at("positions").at(i).at("logits"));
  }
  for (const size_t n : {64, 65, 200}) {
    model.reset();
    check_row(model.feed(std::span(tokens).first(n)), json.at("positions").at(n - 1).at("logits"));
  }
}

TEST_CASE("qwen3: the interpreter agrees") {
  const Golden expected = golden("tiny-q1_0");
  const std::span<const int64_t> tokens = std::span(expected.tokens).first(3);
  ModelOptions options;
  options.device = "INTERP";
  options.context = 8;
  LanguageModel model = LanguageModel::open(models + "tiny-q1_0.gguf", options);
  model.feed(tokens.first(2));
  CHECK(distance(model.feed(tokens.last(1)), std::span(expected.logits).subspan(600, 300)) < 1e-5);
}

TEST_CASE("language_model: what it says about itself") {
  int64_t calls = 0;
  ModelOptions options;
  options.progress = [&](int64_t done, int64_t all) {
    CHECK(done <= all);
    calls++;
  };
  LanguageModel model = LanguageModel::open(models + "tiny-q1_0.gguf", options);
  CHECK(model.description() == "qwen3 1.3M Q1_0");
  CHECK(model.n_parameters() == 1334784);
  CHECK(model.vocabulary() == 300);
  CHECK(model.context() == 2048);
  CHECK(model.options().context == 2048);
  CHECK(model.weight_bytes() == 1333248 / 128 * 18 + 1536 * 4);
  CHECK(model.bytes_per_token() == model.weight_bytes() - 299 * 256 / 128 * 18);
  CHECK(model.tokenizer().encode("hello world", false) == std::vector<int64_t>{292, 220, 296});
  CHECK(model.n_programs() == 0);
  model.prepare();
  CHECK(model.n_programs() > 0);
  CHECK(model.n_programs() <= 40);  // prefill and decode together, however many layers there are
  CHECK(calls >= model.n_programs());
}

TEST_CASE("language_model: tokens that do not fit") {
  const Golden expected = golden("tiny-q1_0");
  const std::span<const int64_t> tokens = expected.tokens;
  ModelOptions options;
  options.context = 16;
  LanguageModel model = LanguageModel::open(models + "tiny-q1_0.gguf", options);
  CHECK(model.context() == 16);
  model.feed(tokens.first(10));
  CHECK(error_of([&] { model.feed(tokens.first(7)); }) ==
        "feed: 7 tokens after 10: the context has room for 6 more");
  CHECK(error_of([&] { model.feed({}); }) == "feed: no tokens: give at least one");
  for (const int64_t id : {int64_t{-1}, int64_t{300}, int64_t{1} << 32}) {
    const int64_t wrong[] = {1, id};
    CHECK(error_of([&] { model.feed(wrong); }) ==
          fmt::format("feed: no token {}: the vocabulary has 300", id));
  }
  // What was refused has left no trace.
  CHECK(model.position() == 10);
  CHECK(distance(model.feed(tokens.last(6)), std::span(expected.logits).last(300)) < 1e-5);
  CHECK(error_of([&] { model.feed_all(tokens.first(1)); }) ==
        "feed: 1 tokens after 16: the context has room for 0 more");
}

TEST_CASE("language_model: a context of one token") {
  const Golden expected = golden("tiny-q1_0");
  const std::span<const int64_t> first = std::span(expected.tokens).first(1);
  ModelOptions options;
  options.context = 1;
  LanguageModel model = LanguageModel::open(models + "tiny-q1_0.gguf", options);
  CHECK(distance(model.feed(first), std::span(expected.logits).first(300)) < 1e-5);
  model.reset();
  CHECK(distance(model.feed_all(first), std::span(expected.logits).first(300)) < 1e-5);
}

// Half of the memory, and what it costs: f16 keeps eleven bits of keys and values, and rounding to
// them moves a value by about 2e-4 of itself.
TEST_CASE("qwen3: a KV cache of f16") {
  for (const std::string name : {"tiny-f16", "tiny-q8_0", "tiny-q4_0", "tiny-q1_0", "tiny-q2_0",
                                 "tiny-tq2_0", "tiny-q1_0-yarn"}) {
    const Golden expected = golden(name);
    ModelOptions options;
    options.cache_type = f16;
    LanguageModel model = LanguageModel::open(models + name + ".gguf", options);
    const std::vector<float> logits = model.feed_all(expected.tokens);
    const double error = distance(logits, expected.logits);
    MESSAGE(name, ": ", error);
    CHECK(error < 1e-3);
    CHECK(error > 1e-4);  // it is rounded at all
    // What is attended to is what the cache keeps, in the step that writes it too: so a prompt in
    // parts is a prompt, but for sums in another order, which may round to a neighbour in f16.
    model.reset();
    std::vector<double> one_by_one;
    for (const int64_t& token : expected.tokens) {
      const std::span<const float> row = model.feed(std::span(&token, 1));
      one_by_one.insert(one_by_one.end(), row.begin(), row.end());
    }
    CHECK(distance(logits, one_by_one) < error / 4);
    if (name != "tiny-q1_0") continue;
    options.device = "INTERP";
    options.context = 8;
    LanguageModel oracle = LanguageModel::open(models + name + ".gguf", options);
    const std::span<const float> there = oracle.feed(std::span(expected.tokens).first(2));
    // Sums differ in their last bits, and of two neighbours in f16 one may be taken for the other.
    CHECK(distance(there, std::span(one_by_one).subspan(300, 300)) < error / 3);
  }
}

TEST_CASE("language_model: options that cannot be met") {
  const auto with = [](const std::function<void(ModelOptions&)>& change) {
    ModelOptions options;
    change(options);
    return error_of([&] { LanguageModel::embedded(options); });
  };
  CHECK(with([](ModelOptions& o) { o.context = 2049; }) ==
        "model: a context of 2049 tokens: the model was made for 1 to 2048");
  CHECK(with([](ModelOptions& o) { o.context = -1; }) ==
        "model: a context of -1 tokens: the model was made for 1 to 2048");
  CHECK(with([](ModelOptions& o) { o.precision = "fast"; }) ==
        "model: the precision 'fast': niwaki knows exact, fixed24, fixed18, fixed12");
  CHECK(with([](ModelOptions& o) { o.cache_type = i8; }) ==
        "model: a KV cache of i8: niwaki knows f32 and f16");
  CHECK(with([](ModelOptions& o) { o.threads = -1; }) ==
        "model: -1 threads: give 1 or more, or 0 for one a core");
  CHECK(with([](ModelOptions& o) { o.device = "ABACUS"; }) == error_of([] { device("ABACUS"); }));
}

TEST_CASE("qwen3: files that are no model") {
  const auto q1_0 = [] { return Bytes("tiny-q1_0"); };
  const auto yarn = [] { return Bytes("tiny-q1_0-yarn"); };
  const std::string heads = "qwen3.attention.";
  const std::string scaling = "qwen3.rope.scaling.";
  CHECK(open_error(q1_0()) == "no error");
  const std::pair<Bytes, std::string> cases[] = {
      {q1_0().rename("general.architecture", "general.architectura"),
       "gguf: F: the key 'general.architecture' is missing: expected a string"},
      {q1_0().set_letter("general.architecture", 'l'),
       "model: F: the architecture is 'lwen3': niwaki knows qwen3"},
      {q1_0().set_letter("tokenizer.ggml.model", 'b'),
       "model: F: the tokenizer is 'bpt2': niwaki knows gpt2, byte-level BPE"},
      {q1_0().set("tokenizer.ggml.eos_token_id", 300),
       "tokenizer: eos is token 300: the vocabulary has 300 tokens"},
      {q1_0().rename("general.quantization_version", "prism.hadamard.block_size.xx"),
       "model: F: the key 'prism.hadamard.block_size.xx' says that the weights are folded with a "
       "Hadamard transform, which niwaki does not undo: use a model without it"},
      {q1_0().rename("qwen3.block_count", "qwen3.block_sount"),
       "gguf: F: the key 'qwen3.block_count' is missing: expected an integer"},
      {q1_0().set("qwen3.block_count", 0),
       "gguf: F: the key 'qwen3.block_count' is 0: expected 1 to 1024"},
      {q1_0().set(heads + "head_count", 3),
       "qwen3: F: 3 heads do not divide into 2 heads of keys and values"},
      {q1_0().set(heads + "key_length", 63),
       "qwen3: F: heads of 63 values have no halves to rotate"},
      {q1_0().set(heads + "value_length", 32),
       "gguf: F: the key 'qwen3.attention.value_length' is 32: expected 64 to 64"},
      {yarn().set_letter(scaling + "type", 'b'),
       "qwen3: F: the positions are scaled by 'barn': niwaki knows none and yarn"},
      {yarn().rename(scaling + "type", "qwen3.rope_scaling.type"),
       "qwen3: F: the positions are scaled by 'linear': niwaki knows none and yarn"},
      {yarn().rename(scaling + "factor", scaling + "faktor"),
       "qwen3: F: the key 'qwen3.rope.scaling.faktor' is not understood: niwaki reads type, factor "
       "and original_context_length"},
      {q1_0().rename("blk.1.ffn_up.weight", "blk.1.ffn_us.weight"),
       "qwen3: F: the tensor 'blk.1.ffn_up.weight' is missing: expected the shape (512, 256)"},
      {q1_0().rename("output.weight", "outpux.weight"),
       "qwen3: F: the tensor 'outpux.weight' is not part of this model"},
      {q1_0().set("qwen3.block_count", 1),
       "qwen3: F: the tensor 'blk.1.attn_norm.weight' is not part of this model"},
      {q1_0().set_dims("blk.0.attn_k.weight", 128, 256),
       "qwen3: F: the tensor 'blk.0.attn_k.weight' has the shape (256, 128): expected (128, 256)"},
      {q1_0().set_dims("token_embd.weight", 256, 299),
       "qwen3: F: the tensor 'token_embd.weight' has the shape (299, 256): expected (300, 256)"},
      {q1_0().set("qwen3.embedding_length", 128),
       "qwen3: F: the tensor 'token_embd.weight' has the shape (300, 256): expected (300, 128)"},
      {q1_0().set_type("output.weight", 12),
       "gguf: F: the tensor 'output.weight' has type 12 (Q4_K): convert the model to one of F32, "
       "F16, BF16, Q8_0, Q4_0, Q1_0, Q2_0, TQ2_0, TQ1_0, MXFP4"},
  };
  for (const auto& [bytes, expected] : cases) CHECK(open_error(bytes) == expected);
}

TEST_CASE("qwen3: a file with one wrong byte is refused or opens") {
  const uint32_t seed = std::random_device()();
  MESSAGE("seed ", seed);
  std::mt19937 random(seed);
  const Bytes good("tiny-q1_0");
  const size_t head = good.after("output.weight");
  int64_t refused = 0;
  for (int64_t i = 0; i < 300; i++) {
    Bytes bytes = good;
    bytes.data[random() % head] ^= static_cast<char>(1 + random() % 255);
    const std::string error = open_error(bytes);
    CHECK(error.find('\n') == std::string::npos);
    refused += error != "no error";
  }
  CHECK(refused > 30);
}

// The fork's file has 34 bytes for 128 values where ours has 36.
TEST_CASE("qwen3: Q2_0 in blocks of 128 is told from Q2_0 in blocks of 64") {
  Bytes bytes("tiny-q2_0");
  const Gguf file = Gguf::open(models + "tiny-q2_0.gguf", geometry_of);
  uint64_t offset = 0;
  for (const GgufTensor& tensor : file.tensors()) {
    bytes.set_offset(tensor.name, tensor.shape.size() == 2, offset);
    const uint64_t size =
        tensor.type_id == 42 ? tensor.bytes.size() / 36 * 34 : tensor.bytes.size();
    offset += (size + 31) / 32 * 32;
  }
  CHECK(open_error(Bytes("tiny-q2_0")) == "no error");
  CHECK(open_error(bytes) ==
        "model: F: the tensor 'token_embd.weight' has type 42 (Q2_0) in blocks of 128, as an old "
        "PrismML fork wrote it: convert the model to Q2_0 in blocks of 64");
}

// The last tensor is left out, and in another file made equal to the first.
TEST_CASE("qwen3: without an output matrix the embedding is it") {
  const Gguf file = Gguf::open(models + "tiny-q1_0.gguf", geometry_of);
  const GgufTensor& embedding = file.tensor("token_embd.weight");
  const GgufTensor& output = file.tensor("output.weight");
  REQUIRE(file.tensors().back().name == "output.weight");
  Bytes equal("tiny-q1_0");
  equal.data.replace(output.offset, output.bytes.size(), equal.data, embedding.offset,
                     embedding.bytes.size());
  Bytes tied("tiny-q1_0");
  const std::string weights = tied.data.substr(file.tensors().front().offset);
  tied.data.resize(tied.after("output.weight") - 8 - output.name.size());
  tied.put(8, uint64_t{file.tensors().size() - 1});
  tied.data.resize((tied.data.size() + 31) / 32 * 32);
  tied.data += weights;

  const Golden golden_logits = golden("tiny-q1_0");
  std::vector<std::vector<float>> logits;
  for (const Bytes& bytes : {equal, tied}) {
    const TemporaryFile temporary(bytes);
    LanguageModel model = LanguageModel::open(temporary.path);
    logits.push_back(model.feed_all(golden_logits.tokens));
    const int64_t rows = bytes.data == tied.data ? 0 : 299;
    CHECK(model.bytes_per_token() == model.weight_bytes() - rows * 256 / 128 * 18);
  }
  CHECK(logits[0] == logits[1]);
  CHECK(distance(logits[0], golden_logits.logits) > 0.1);
}

TEST_CASE("generate: tokens, their text, and why it stopped") {
  const Golden expected = golden("tiny-q1_0");
  GenerateOptions options;
  options.sampling.temperature = 0;
  options.n_tokens = 5;
  ModelOptions model_options;
  model_options.context = 24;
  LanguageModel model = LanguageModel::open(models + "tiny-q1_0.gguf", model_options);
  std::string text;
  int64_t calls = 0;
  const auto collect = [&](std::string_view part) {
    text += part;
    return ++calls < 100;
  };
  const auto run = [&](const std::function<bool(std::string_view)>& on_text) {
    model.reset();
    return generate(model, expected.tokens, options, on_text);
  };
  GenerateResult result = run(collect);
  CHECK(result.stop_reason == "length");
  CHECK(result.prompt_tokens == 16);
  CHECK(result.tokens == 5);
  CHECK(calls >= 5);
  CHECK(model.position() == 21);

  // Greedy tokens are those of a loop by hand.
  model.reset();
  std::vector<int64_t> ids;
  std::vector<float> logits = copy(model.feed(expected.tokens));
  for (int64_t i = 0; i < 5; i++) {
    ids.push_back(std::ranges::max_element(logits) - logits.begin());
    logits = copy(model.feed(std::span(ids).last(1)));
  }
  Utf8Stream stream;
  std::string by_hand;
  for (const int64_t id : ids) by_hand += stream.push(model.tokenizer().bytes(id, false));
  CHECK(text == by_hand + stream.flush());

  options.n_tokens = -1;
  result = run(collect);
  CHECK(result.stop_reason == "context");
  CHECK(result.tokens == 8);
  CHECK(model.position() == 24);

  result = run([](std::string_view) { return false; });
  CHECK(result.stop_reason == "stopped");
  CHECK(result.tokens == 1);
  CHECK(model.position() == 17);

  options.n_tokens = 0;
  CHECK(run(collect).stop_reason == "length");
  CHECK(model.position() == 16);
}

TEST_CASE("generate: a token that ends the reply is not part of it") {
  const Golden expected = golden("tiny-q1_0");
  const auto last = std::span(expected.logits).last(300);
  const uint32_t likeliest = static_cast<uint32_t>(std::ranges::max_element(last) - last.begin());
  const TemporaryFile file(Bytes("tiny-q1_0").set("tokenizer.ggml.eos_token_id", likeliest));
  LanguageModel model = LanguageModel::open(file.path);
  GenerateOptions options;
  options.sampling.temperature = 0;
  options.n_tokens = 3;
  const auto ignore = [](std::string_view) { return true; };
  GenerateResult result = generate(model, expected.tokens, options, ignore);
  CHECK(result.stop_reason == "end");
  CHECK(result.tokens == 0);
  CHECK(model.position() == 16);
  options.stop_at_end = false;
  model.reset();
  CHECK(generate(model, expected.tokens, options, ignore).tokens == 3);
}

TEST_CASE("default_model: the program carries a model that runs") {
  CHECK(reinterpret_cast<uintptr_t>(default_model().data()) % 64 == 0);
  LanguageModel model = LanguageModel::embedded();
  CHECK(model.file().name() == "default.gguf");
  const std::vector<int64_t> prompt = model.tokenizer().encode("hello world", false, true);
  GenerateOptions options;
  options.n_tokens = 4;
  options.stop_at_end = false;
  CHECK(generate(model, prompt, options, [](std::string_view) { return true; }).tokens == 4);
}
