// The program: finds the command, runs it, and turns what it throws into one line and a status.
//
//   0    done
//   1    an Error: a bad file, a bad value of the environment, no room; or an error of ours
//   2    a command line that cannot be understood
//   130  ended by Ctrl-C, 141 by a reader of stdout that went away: 128 and the signal's number
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <iterator>
#include <new>
#include <vector>

#include "cli/commands.h"
#include "cli/terminal.h"
#include "models/gguf.h"

namespace niwaki {
namespace {

struct Action {
  std::string_view name;
  int (*run)(const Args& args);
};

constexpr Action actions[] = {
    {"run", run_command},         {"logits", logits_command}, {"tokenize", tokenize_command},
    {"inspect", inspect_command}, {"bench", bench_command},   {"explain", explain_command},
    {"env", env_command},
};

static_assert(std::ranges::equal(commands, actions, {}, &Command::name, &Action::name));

int dispatch(std::span<const std::string_view> words) {
  if (words.empty()) {
    write_note(help_text(commands));
    return 2;
  }
  if (words[0] == "--help" || words[0] == "-h") {
    write_out(help_text(commands));
    return 0;
  }
  if (words[0] == "--version") {
    write_out("niwaki " NIWAKI_VERSION "\n");
    return 0;
  }
  const auto* const command = std::ranges::find(commands, words[0], &Command::name);
  if (command == std::end(commands)) {
    std::vector<std::string_view> names;
    for (const Command& known : commands) names.push_back(known.name);
    throw UsageError(fmt::format("niwaki: unknown command {}: {}", printable(words[0]),
                                 suggestion(words[0], names, "see niwaki --help")));
  }
  const Args args(*command, words.subspan(1));
  if (args.given("--help")) {
    write_out(help_text(*command));
    return 0;
  }
  return actions[command - commands].run(args);
}

// A message may quote what a stranger chose, a file's name say: it stays one line, and no byte of
// it steers the terminal.
int report(std::string text, int status) {
  for (char& c : text) {
    if (std::iscntrl(static_cast<unsigned char>(c))) c = '?';
  }
  write_note(fmt::format("error: {}\n", text));
  return status;
}

int report_ours(const std::exception& error) {
  write_note(fmt::format("error: {}: this is a mistake in niwaki, not yours: please report it\n",
                         error.what()));
  return 1;
}

}  // namespace
}  // namespace niwaki

int main(int argc, char** argv) {
  using namespace niwaki;
  try {
    const std::vector<std::string_view> words(argv + std::min(argc, 1), argv + argc);
    return dispatch(words);
  } catch (const Exit& exit) {
    return exit.status;
  } catch (const UsageError& error) {
    return report(error.text(), 2);
  } catch (const Error& error) {
    return report(error.text(), 1);
  } catch (const std::bad_alloc&) {
    return report("memory: there is not enough of it: try a smaller --ctx-size", 1);
  } catch (const std::exception& error) {
    return report_ours(error);
  }
}
