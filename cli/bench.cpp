// `niwaki bench`: how fast a model runs here, in the table and the JSON of llama-bench, so that the
// two can be read side by side. ppN feeds a prompt of N tokens at once into an empty context; tgN
// feeds N tokens one by one. Tokenizing and sampling are left out. Each test runs once unmeasured,
// which compiles its kernels and brings the weights into memory.
//
// Added to llama-bench's columns: the bytes of weights that generation reads a second, and their
// share of the bandwidth that this machine's memory was measured to have, a moment before or ever,
// by as many threads. It says how much faster the model could at most become, which tokens a second
// do not. A prompt reads its weights once for many tokens, so there the columns stay empty.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <optional>

#include "cli/commands.h"
#include "cli/open_model.h"
#include "runtimes/roofline.h"

namespace niwaki {
namespace {

using Clock = std::chrono::steady_clock;

struct Test {
  int64_t n_prompt = 0;
  int64_t n_gen = 0;
  std::vector<double> seconds = {};  // one a repetition

  std::string name() const {
    return n_prompt > 0 ? fmt::format("pp{}", n_prompt) : fmt::format("tg{}", n_gen);
  }
  std::vector<double> rates() const {
    std::vector<double> rates;
    for (const double each : seconds) {
      rates.push_back(static_cast<double>(n_prompt + n_gen) / each);
    }
    return rates;
  }
};

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// Of a sample: one value has none.
double deviation(const std::vector<double>& values) {
  if (values.size() < 2) return 0;
  double sum = 0;
  for (const double value : values) sum += (value - mean(values)) * (value - mean(values));
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

double run_once(LanguageModel& model, const Test& test) {
  // What the tokens are does not matter, but they should not all be the same row of the embedding.
  std::vector<int64_t> tokens(static_cast<size_t>(test.n_prompt + test.n_gen));
  for (int64_t i = 0; i < std::ssize(tokens); i++) tokens[i] = i * 7919 % model.vocabulary();
  model.reset();
  const Clock::time_point begin = Clock::now();
  if (test.n_prompt > 0) {
    model.feed(tokens);
  } else {
    for (const int64_t& token : tokens) model.feed(std::span(&token, 1));
  }
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

void measure(LanguageModel& model, Test& test, int64_t repetitions, ProgressLine& progress) {
  for (int64_t i = 0; i <= repetitions; i++) {
    progress.show(fmt::format("{}: {} of {}", test.name(), i, repetitions));
    const double seconds = run_once(model, test);
    if (i > 0) test.seconds.push_back(seconds);
  }
  progress.erase();
}

// Bytes of weights a second, of the tests that read all of them for each token.
std::optional<double> bytes_per_second(const LanguageModel& model, const Test& test) {
  if (test.n_gen == 0) return std::nullopt;
  return mean(test.rates()) * static_cast<double>(model.bytes_per_token());
}

std::string parameters_text(int64_t count) {
  const double millions = static_cast<double>(count) / 1e6;
  return millions < 1000 ? fmt::format("{:.2f} M", millions)
                         : fmt::format("{:.2f} B", millions / 1000);
}

// The first column to the left, as it is text; the others to the right.
std::string table_text(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths(rows[0].size());
  for (const std::vector<std::string>& row : rows) {
    for (size_t i = 0; i < row.size(); i++) {
      // Bytes of a character after the first take no room.
      const auto starts = [](char byte) { return (byte & 0xC0) != 0x80; };
      const size_t width = static_cast<size_t>(std::ranges::count_if(row[i], starts));
      widths[i] = std::max(widths[i], width);
    }
  }
  std::string out;
  for (const std::vector<std::string>& row : rows) {
    for (size_t i = 0; i < row.size(); i++) {
      out += i == 0 ? fmt::format("| {:<{}} |", row[i], widths[i])
                    : fmt::format(" {:>{}} |", row[i], widths[i]);
    }
    out += '\n';
    if (&row != &rows[0]) continue;
    for (size_t i = 0; i < row.size(); i++) {
      out += i == 0 ? fmt::format("| {:-<{}} |", "", widths[i])
                    : fmt::format(" {:->{}}: |", "", widths[i] - 1);
    }
    out += '\n';
  }
  return out;
}

std::string markdown(const LanguageModel& model, const std::vector<Test>& tests, double bandwidth) {
  std::vector<std::vector<std::string>> rows = {{"model", "size", "params", "backend", "threads",
                                                 "cache", "test", "t/s", "GB/s", "of bandwidth"}};
  for (const Test& test : tests) {
    const std::optional<double> bytes = bytes_per_second(model, test);
    const std::vector<double> rates = test.rates();
    rows.push_back({model.description(), size_text(model.weight_bytes()),
                    parameters_text(model.n_parameters()), device_name(model),
                    fmt::format("{}", n_threads(model)), name(model.options().cache_type),
                    test.name(), fmt::format("{:.2f} ± {:.2f}", mean(rates), deviation(rates)),
                    bytes ? fmt::format("{:.2f}", *bytes / 1e9) : "",
                    bytes ? fmt::format("{:.0f} %", *bytes / bandwidth * 100) : ""});
  }
  return table_text(rows) + fmt::format("\nbandwidth: {:.2f} GB/s read by {} threads\nbuild: {}\n",
                                        bandwidth / 1e9, n_threads(model), NIWAKI_VERSION);
}

std::string json(const LanguageModel& model, const std::vector<Test>& tests, double bandwidth) {
  std::vector<std::string> objects;
  for (const Test& test : tests) {
    std::vector<double> nanoseconds;
    for (const double seconds : test.seconds) nanoseconds.push_back(std::round(seconds * 1e9));
    const std::vector<double> rates = test.rates();
    const std::optional<double> bytes = bytes_per_second(model, test);
    const auto share = [&](double of) {
      return bytes ? fmt::format("{:.6g}", *bytes / of) : std::string("null");
    };
    const std::pair<std::string_view, std::string> fields[] = {
        {"build_version", json_string(NIWAKI_VERSION)},
        {"cpu_info", json_string(cpu_name())},
        {"backends", json_string(device_name(model))},
        {"precision", json_string(model.options().precision)},
        {"type_k", json_string(name(model.options().cache_type))},
        {"type_v", json_string(name(model.options().cache_type))},
        {"model_filename", json_string(model.file().name())},
        {"model_type", json_string(model.description())},
        {"model_size", fmt::format("{}", model.weight_bytes())},
        {"model_n_params", fmt::format("{}", model.n_parameters())},
        {"n_threads", fmt::format("{}", n_threads(model))},
        {"n_prompt", fmt::format("{}", test.n_prompt)},
        {"n_gen", fmt::format("{}", test.n_gen)},
        {"n_depth", "0"},
        {"avg_ns", fmt::format("{:.0f}", mean(nanoseconds))},
        {"stddev_ns", fmt::format("{:.0f}", deviation(nanoseconds))},
        {"median_ns", fmt::format("{:.0f}", median(nanoseconds))},
        {"avg_ts", fmt::format("{:.6f}", mean(rates))},
        {"stddev_ts", fmt::format("{:.6f}", deviation(rates))},
        {"median_ts", fmt::format("{:.6f}", median(rates))},
        {"gb_per_s", share(1e9)},
        {"bandwidth_gb_per_s", fmt::format("{:.6g}", bandwidth / 1e9)},
        {"bandwidth_share", share(bandwidth)},
        {"samples_ns", fmt::format("[{:.0f}]", fmt::join(nanoseconds, ", "))},
        {"samples_ts", fmt::format("[{:.6f}]", fmt::join(rates, ", "))},
    };
    std::vector<std::string> lines;
    for (const auto& [key, value] : fields) {
      lines.push_back(fmt::format("    \"{}\": {}", key, value));
    }
    objects.push_back(fmt::format("  {{\n{}\n  }}", fmt::join(lines, ",\n")));
  }
  return fmt::format("[\n{}\n]\n", fmt::join(objects, ",\n"));
}

}  // namespace

int bench_command(const Args& args) {
  std::vector<Test> tests;
  if (args.integer("--n-prompt") > 0) tests.push_back({.n_prompt = args.integer("--n-prompt")});
  if (args.integer("--n-gen") > 0) tests.push_back({.n_gen = args.integer("--n-gen")});
  if (tests.empty()) throw UsageError("bench: there is nothing to measure: give -p or -n above 0");
  ProgressLine progress;
  LanguageModel model = open_model(args, progress);
  for (const Test& test : tests) {
    check(test.n_prompt + test.n_gen <= model.context(),
          "bench: {} does not fit the context of {} tokens: lower it or raise --ctx-size",
          test.name(), model.context());
  }
  progress.show("measuring the bandwidth of memory");
  const double bandwidth = remeasured_roofline(n_threads(model)).bytes;
  for (Test& test : tests) measure(model, test, args.integer("--repetitions"), progress);
  write_out(args.text("--output") == "json" ? json(model, tests, bandwidth)
                                            : markdown(model, tests, bandwidth));
  return 0;
}

}  // namespace niwaki
