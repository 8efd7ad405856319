// What the program can do, as a table: each command with its options, their ranges, defaults and
// help. Adding a command is a row here, a function, and a row in main.cpp, where the compiler
// checks that the two tables agree. The table is constant data in a header, so the tests read it
// too.
//
// Names and defaults follow llama.cpp where it has the same thing.
#pragma once

#include <limits>

#include "cli/args.h"

namespace niwaki {

inline constexpr int64_t max_count = std::numeric_limits<int32_t>::max();
inline constexpr int64_t max_seed = std::numeric_limits<int64_t>::max();
inline constexpr int64_t max_threads = 1024;

// Rows that several commands have.

inline constexpr Option model_option = {"-m --model", "FILE", "",
                                        "a GGUF file; without it the model that niwaki carries"};
inline constexpr Option context_option = {"-c --ctx-size", "N", "0",
                                          "tokens of context; 0: the model's, at most 4096",
                                          integer_in(0, max_count)};
inline constexpr Option threads_option = {"-t --threads", "N", "0",
                                          "threads; 0: NIWAKI_THREADS, or one a core",
                                          integer_in(0, max_threads)};
inline constexpr Option device_option = {"-dev --device", "NAME", "",
                                         "where to run, see niwaki env; without it NIWAKI_DEVICE"};
inline constexpr Option precision_option = {"--precision", "NAME", "exact",
                                            "activations: exact, fixed24, fixed18, fixed12"};
inline constexpr Option cache_type_option = {"-ct --cache-type", "f32|f16", "f32",
                                             "what the KV cache keeps; f16 takes half the memory",
                                             choice()};
inline constexpr Option help_option = {"-h --help", "", "", "this text", no_value()};

inline constexpr Option run_options[] = {
    model_option,
    {"-p --prompt", "TEXT", "", "the text to continue"},
    {"-f --file", "FILE", "", "a file with the text to continue; -: stdin"},
    {"-n --n-predict --predict", "N", "-1", "tokens to make; -1: as many as there is room for",
     integer_in(-1, max_count)},
    {"--temp", "X", "0.8", "how boldly to draw; 0: always the likeliest", number_in(0, 1000)},
    {"--top-k", "N", "40", "draw from the N likeliest; 0: from all", integer_in(0, max_count)},
    {"--top-p", "X", "0.95", "draw from the likeliest whose chances add up to X", number_in(0, 1)},
    {"--min-p", "X", "0.05", "draw from those with X of the likeliest's chance", number_in(0, 1)},
    {"-s --seed", "N", "-1", "the same seed, the same text; -1: a random one",
     integer_in(-1, max_seed)},
    {"--ignore-eos", "", "", "go on where the model would end", no_value()},
    context_option,
    threads_option,
    device_option,
    precision_option,
    cache_type_option,
    help_option,
};

inline constexpr Option logits_options[] = {
    model_option,
    {"-t --tokens", "IDS", "", "the ids to feed: 1,2,3", integers_in(0, max_count)},
    {"--top", "K", "0", "the K highest, as [id, value]; 0: all, in order",
     integer_in(0, max_count)},
    context_option,
    {"--threads", "N", "0", threads_option.help, integer_in(0, max_threads)},
    device_option,
    precision_option,
    cache_type_option,
    help_option,
};

inline constexpr Option tokenize_options[] = {model_option, help_option};

inline constexpr Option inspect_options[] = {help_option};

inline constexpr Option bench_options[] = {
    model_option,
    {"-p --n-prompt", "N", "512", "tokens of the prompt test; 0: none", integer_in(0, max_count)},
    {"-n --n-gen", "N", "128", "tokens of the generation test; 0: none", integer_in(0, max_count)},
    {"-r --repetitions", "N", "5", "how often each test runs", integer_in(1, 1000)},
    {"-o --output", "md|json", "md", "a table to read, or JSON", choice()},
    context_option,
    threads_option,
    device_option,
    precision_option,
    cache_type_option,
    help_option,
};

inline constexpr Option explain_options[] = {
    {"--text", "", "", "as text: kernels, why each is one, and memory", no_value()},
    context_option,
    device_option,
    help_option,
};

inline constexpr Option env_options[] = {help_option};

inline constexpr Command commands[] = {
    {"run", "", "continue a prompt with a language model", run_options},
    {"logits", "", "the logits after each of a list of tokens, as JSON", logits_options},
    {"tokenize", "TEXT", "the ids of a text's tokens, as JSON", tokenize_options},
    {"inspect", "FILE", "what is in a GGUF file", inspect_options},
    {"bench", "", "the speed of a model on this machine", bench_options},
    {"explain", "CASE|FILE", "what the compiler makes of a graph or a model", explain_options},
    {"env", "", "the environment variables, devices and processor", env_options},
};

// A command returns the program's exit status; what goes wrong it throws.

int run_command(const Args& args);
int logits_command(const Args& args);
int tokenize_command(const Args& args);
int inspect_command(const Args& args);
int bench_command(const Args& args);
int explain_command(const Args& args);
int env_command(const Args& args);

}  // namespace niwaki
