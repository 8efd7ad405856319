// What the program answers to a command line before it opens a model. The tests read the table that
// the program reads, so a new option is tested when it is added.
#include <doctest/doctest.h>

#include <algorithm>

#include "cli/commands.h"
#include "process.h"

using namespace niwaki;
using namespace niwaki_test;

namespace {

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::string long_name(const Option& option) {
  return std::string(option.names.substr(option.names.find_last_of(' ') + 1));
}

}  // namespace

TEST_CASE("cli: version and help") {
  const Outcome version = run_program({"--version"});
  CHECK(version.status == 0);
  CHECK(version.out.starts_with("niwaki "));
  CHECK(version.err.empty());

  const Outcome help = run_program({"--help"});
  CHECK(help.status == 0);
  CHECK(help.err.empty());
  for (const Command& command : commands) {
    CHECK(contains(help.out, command.name));
    CHECK(contains(help.out, command.summary));
  }

  const Outcome nothing = run_program({});
  CHECK(nothing.status == 2);
  CHECK(nothing.out.empty());
  CHECK(nothing.err == help.out);
}

TEST_CASE("cli: the help of a command has all its options, and fits a terminal") {
  for (const Command& command : commands) {
    const Outcome help = run_program({std::string(command.name), "--help"});
    CHECK(help.status == 0);
    CHECK(help.err.empty());
    CHECK(contains(help.out, command.operand));
    for (const Option& option : command.options) {
      CAPTURE(option.names);
      CHECK(contains(help.out, long_name(option) + ' ' + std::string(option.value)));
      CHECK(contains(help.out, option.help));
      CHECK(contains(help.out, option.fallback));
    }
    for (size_t begin = 0; begin < help.out.size();) {
      const size_t end = help.out.find('\n', begin);
      CHECK(end - begin <= 100);
      begin = end + 1;
    }
  }
}

TEST_CASE("cli: options take their own fallbacks, by each of their names and both spellings") {
  for (const Command& command : commands) {
    Words words = {std::string(command.name)};
    for (const Option& option : command.options) {
      if (option.fallback.empty()) continue;
      const std::string value(option.fallback);
      words.insert(words.end(),
                   {std::string(option.names.substr(0, option.names.find(' '))), value});
      words.push_back(long_name(option) + "=" + value);
    }
    words.push_back("--help");
    CHECK(run_program(words).err.empty());
  }
}

TEST_CASE("cli: a number is refused beyond its range, and with anything around it") {
  for (const Command& command : commands) {
    for (const Option& option : command.options) {
      const bool integer = option.type.kind == ValueType::Kind::Integer;
      if (!integer && option.type.kind != ValueType::Kind::Number) continue;
      const std::string name = long_name(option);
      const std::string begin = fmt::format("error: {}: {} is ", command.name, name);
      const std::string end =
          fmt::format(": expected {} from {} to {}\n", integer ? "an integer" : "a number",
                      option.type.low, option.type.high);
      Words values = {"99999999999999999999", fmt::format("{}", option.type.low - 1)};
      if (name == "--top-k" || name == "--top-p") {
        for (const char* const value : {"", "x", "1x", " 1", "0x1", "nan", "inf", "1e999", "1,2"}) {
          values.push_back(value);
        }
      }
      for (const std::string& value : values) {
        CAPTURE(value);
        const Outcome bad = run_program({std::string(command.name), name, value});
        CHECK(bad.status == 2);
        CHECK(bad.out.empty());
        CHECK(bad.err == begin + "'" + value + "'" + end);
      }
    }
  }
}

TEST_CASE("cli: command lines that cannot be understood") {
  struct Case {
    Words words;
    std::string message;
  };
  const std::vector<Case> cases = {
      {{"rnu"}, "niwaki: unknown command 'rnu': did you mean run?"},
      {{"frobnicate"}, "niwaki: unknown command 'frobnicate': see niwaki --help"},
      {{"-m"}, "niwaki: unknown command '-m': see niwaki --help"},
      {{"a\nb"}, "niwaki: unknown command 'a\\x0ab': see niwaki --help"},
      {{"run"}, "run: there is no prompt: give -p TEXT or -f FILE"},
      {{"run", "-p", "a", "-f", "b"}, "run: there are two prompts: give -p TEXT or -f FILE"},
      {{"run", "--tpo-k", "3"}, "run: unknown option '--tpo-k': did you mean --top-k?"},
      {{"run", "--tmep=1"}, "run: unknown option '--tmep': did you mean --temp?"},
      {{"run", "--verbose"}, "run: unknown option '--verbose': see niwaki run --help"},
      {{"run", "-x"}, "run: unknown option '-x': see niwaki run --help"},
      {{"run", std::string(5000, '-')},
       "run: unknown option '" + std::string(64, '-') + "'... (5000 bytes): see niwaki run --help"},
      {{"run", "hello"}, "run: unexpected argument 'hello': see niwaki run --help"},
      {{"run", "-"}, "run: unexpected argument '-': see niwaki run --help"},
      {{"run", "--", "-p"}, "run: unexpected argument '-p': see niwaki run --help"},
      {{"run", "-p"}, "run: -p has no value: write -p TEXT"},
      {{"run", "--ignore-eos=1"}, "run: --ignore-eos takes no value: write --ignore-eos"},
      {{"logits"}, "logits: there are no tokens: give -t 1,2,3"},
      {{"logits", "-t", "1,,2"},
       "logits: --tokens is '1,,2': expected integers from 0 to 2147483647, as in 1,2,3"},
      {{"logits", "-t", "1,-2"},
       "logits: --tokens is '1,-2': expected integers from 0 to 2147483647, as in 1,2,3"},
      {{"tokenize"}, "tokenize: TEXT is missing: see niwaki tokenize --help"},
      {{"tokenize", "a", "b"}, "tokenize: unexpected argument 'b': see niwaki tokenize --help"},
      {{"inspect"}, "inspect: FILE is missing: see niwaki inspect --help"},
      {{"bench", "-o", "xml"}, "bench: --output is 'xml': expected md|json"},
      {{"run", "-p", "a", "--cache-type", "q8_0"}, "run: --cache-type is 'q8_0': expected f32|f16"},
      {{"run", "-p", "a", "-ctk", "f16"}, "run: unknown option '-ctk': did you mean -ct?"},
      {{"bench", "-p", "0", "-n", "0"},
       "bench: there is nothing to measure: give -p or -n above 0"},
  };
  for (const Case& each : cases) {
    const Outcome bad = run_program(each.words);
    CHECK(bad.status == 2);
    CHECK(bad.out.empty());
    CHECK(bad.err == "error: " + each.message + "\n");
  }
}

TEST_CASE("cli: env shows each variable with its value, the devices and the processor") {
  const Outcome shown =
      run_program({"env"}, {"NIWAKI_THREADS=2", "NIWAKI_DEVICE=INTERP", "NIWAKI_VERIFY=1"});
  CHECK(shown.status == 0);
  CHECK(shown.err.empty());
  for (const std::string part : {"NIWAKI_THREADS=2 ", "NIWAKI_DEVICE=INTERP ", "NIWAKI_DEBUG=0 ",
                                 "NIWAKI_VERIFY=1 ", "NIWAKI_CACHE=", "INTERP", "CPU", "cores"}) {
    CHECK(contains(shown.out, part));
  }
}

TEST_CASE("cli: a stdout that cannot be written is an error") {
  if (!std::filesystem::exists("/dev/full")) return;
  const int full = ::open("/dev/full", O_WRONLY);
  CHECK(wait_for(start({"--help"}, "", scratch / "err", full)).status == 1);
  ::close(full);
  CHECK(read_file(scratch / "err") == "error: stdout: cannot write: No space left on device\n");
}
