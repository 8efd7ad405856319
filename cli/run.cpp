// `niwaki run`: a prompt in, text out. The prompt is given to the model as it is, special tokens
// parsed and no chat template around it, as llama.cpp's completion program does.
//
// Ctrl-C, once there is text, ends the reply and not the program, so that the timings are still
// shown; the second one ends it at once, as the first does while there is nothing to save yet.
#include <csignal>
#include <cstdio>
#include <memory>
#include <random>

#include "cli/commands.h"
#include "cli/open_model.h"
#include "models/generate.h"
#include "models/utf8.h"

namespace niwaki {
namespace {

volatile std::sig_atomic_t interrupted = 0;

// Restarted calls, or a write that a signal cuts short would look like a full disk.
void catch_interrupt() {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = 1; };
  action.sa_flags = SA_RESETHAND | SA_RESTART;
  ::sigaction(SIGINT, &action, nullptr);
}

// Read by blocks, not mapped: it may be a pipe.
std::string read_file(const std::string& path) {
  constexpr size_t limit = 64 << 20;
  std::FILE* const file = path == "-" ? stdin : std::fopen(path.c_str(), "rb");
  check(file != nullptr, "run: cannot open the prompt file {}: {}", path,
        std::generic_category().message(errno));
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> closer(file, std::fclose);
  std::string text;
  char block[1 << 16];
  while (const size_t size = std::fread(block, 1, sizeof block, file)) {
    text.append(block, size);
    check(text.size() <= limit, "run: the prompt file {} has over {} bytes: shorten it", path,
          limit);
  }
  check(std::ferror(file) == 0, "run: cannot read the prompt file {}: {}", path,
        std::generic_category().message(errno));
  // Editors end a file with a line break that nobody means to say.
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

std::string read_prompt(const Args& args) {
  const bool from_file = args.given("--file");
  if (from_file == args.given("--prompt")) {
    throw UsageError(from_file ? "run: there are two prompts: give -p TEXT or -f FILE"
                               : "run: there is no prompt: give -p TEXT or -f FILE");
  }
  std::string prompt(from_file ? read_file(std::string(args.text("--file")))
                               : args.text("--prompt"));
  const std::optional<size_t> invalid = first_invalid_utf8(prompt);
  check(!invalid, "run: the prompt is not UTF-8 at byte {}: convert it", invalid.value_or(0));
  return prompt;
}

GenerateOptions generate_options(const Args& args) {
  GenerateOptions options;
  options.n_tokens = args.integer("--predict");
  options.stop_at_end = !args.given("--ignore-eos");
  options.sampling.temperature = args.number("--temp");
  options.sampling.top_k = args.integer("--top-k");
  options.sampling.top_p = args.number("--top-p");
  options.sampling.min_p = args.number("--min-p");
  const int64_t seed = args.integer("--seed");
  options.sampling.seed = seed >= 0 ? static_cast<uint64_t>(seed) : std::random_device()();
  return options;
}

double rate(int64_t tokens, double seconds) {
  return seconds > 0 ? static_cast<double>(tokens) / seconds : 0;
}

}  // namespace

int run_command(const Args& args) {
  const std::string prompt = read_prompt(args);
  const GenerateOptions options = generate_options(args);
  ProgressLine progress;
  LanguageModel model = open_model(args, progress);
  const std::vector<int64_t> ids = model.tokenizer().encode(prompt, true, true);
  check(!ids.empty(), "run: the prompt is empty: give some text to continue");
  check(std::ssize(ids) <= model.context(),
        "run: the prompt has {} tokens and the context {}: shorten it or raise --ctx-size",
        ids.size(), model.context());
  write_note(fmt::format("{}, {}, device {}, threads {}, precision {}, context {} in {}, seed {}\n",
                         model.description(), size_text(model.weight_bytes()), device_name(model),
                         n_threads(model), model.options().precision, model.context(),
                         name(model.options().cache_type), options.sampling.seed));

  bool started = false;
  const GenerateResult result = generate(model, ids, options, [&](std::string_view text) {
    if (!started) {
      progress.erase();
      catch_interrupt();
      started = true;
    }
    write_out(text);
    return interrupted == 0;
  });
  if (is_terminal_out()) write_out("\n");
  if (result.stop_reason == "context") {
    write_note(fmt::format("the context of {} tokens is full: raise --ctx-size to go on\n",
                           model.context()));
  }
  write_note(fmt::format("[ Prompt: {:.1f} t/s | Generation: {:.1f} t/s ]\n",
                         rate(result.prompt_tokens, result.prompt_seconds),
                         rate(result.tokens, result.seconds)));
  return interrupted ? 128 + SIGINT : 0;
}

}  // namespace niwaki
