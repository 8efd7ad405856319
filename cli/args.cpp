// A value is kept as the text it was given as and read again where it is asked for: the readers
// below are pure functions of an option's row and a text, so checking a value and using it are one
// thing.
#include "cli/args.h"

#include <algorithm>
#include <charconv>

#include "models/gguf.h"

namespace niwaki {
namespace {

using Kind = ValueType::Kind;

template <class... Values>
[[noreturn]] void usage(fmt::format_string<Values...> text, Values&&... values) {
  throw UsageError(fmt::format(text, std::forward<Values>(values)...));
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (size_t end = text.find(separator); end != text.npos; end = text.find(separator)) {
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  parts.push_back(text);
  return parts;
}

// "--ctx-size" of "-c --ctx-size".
std::string_view long_name(const Option& option) {
  return option.names.substr(option.names.find_last_of(' ') + 1);
}

[[noreturn]] void bad_value(std::string_view command, const Option& option, std::string_view text,
                            std::string_view expected) {
  usage("{}: {} is {}: expected {}", command, long_name(option), printable(text), expected);
}

// All of `text` as a number of type T within the option's range; NaN is in no range.
template <class T>
bool read(const Option& option, std::string_view text, T& value) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stop == end && value >= static_cast<T>(option.type.low) &&
         value <= static_cast<T>(option.type.high);
}

template <class T>
T read_number(std::string_view command, const Option& option, std::string_view text) {
  T value = 0;
  if (read(option, text, value)) return value;
  const std::string_view what = std::is_integral_v<T> ? "an integer" : "a number";
  bad_value(command, option, text,
            fmt::format("{} from {} to {}", what, option.type.low, option.type.high));
}

std::vector<int64_t> read_integers(std::string_view command, const Option& option,
                                   std::string_view text) {
  std::vector<int64_t> values;
  for (const std::string_view part : split(text, ',')) {
    if (!read(option, part, values.emplace_back())) {
      bad_value(
          command, option, text,
          fmt::format("integers from {} to {}, as in 1,2,3", option.type.low, option.type.high));
    }
  }
  return values;
}

void check_value(std::string_view command, const Option& option, std::string_view text) {
  switch (option.type.kind) {
    case Kind::None:
    case Kind::Text: break;
    case Kind::Choice:
      if (std::ranges::count(split(option.value, '|'), text) == 0) {
        bad_value(command, option, text, fmt::format("{}", option.value));
      }
      break;
    case Kind::Integer: read_number<int64_t>(command, option, text); break;
    case Kind::Number: read_number<double>(command, option, text); break;
    case Kind::Integers: read_integers(command, option, text); break;
  }
}

const Option* find_option(const Command& command, std::string_view name) {
  for (const Option& option : command.options) {
    if (std::ranges::count(split(option.names, ' '), name) > 0) return &option;
  }
  return nullptr;
}

[[noreturn]] void unknown_option(const Command& command, std::string_view word) {
  std::vector<std::string_view> names;
  for (const Option& option : command.options) {
    for (const std::string_view name : split(option.names, ' ')) names.push_back(name);
  }
  const std::string help = fmt::format("see niwaki {} --help", command.name);
  usage("{}: unknown option {}: {}", command.name, printable(word), suggestion(word, names, help));
}

// How many letters to insert, delete, replace or swap with their neighbour to turn `a` into `b`.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> steps(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); i++) {
    for (size_t j = 0; j <= b.size(); j++) {
      if (i == 0 || j == 0) {
        steps[i][j] = i + j;
        continue;
      }
      const size_t replaced = steps[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      steps[i][j] = std::min({replaced, steps[i - 1][j] + 1, steps[i][j - 1] + 1});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) steps[i][j] = std::min(steps[i][j], steps[i - 2][j - 2] + 1);
    }
  }
  return steps[a.size()][b.size()];
}

}  // namespace

Args::Args(const Command& command, std::span<const std::string_view> words) : command_(command) {
  bool options_end = false;
  for (size_t i = 0; i < words.size() && !given("--help"); i++) {
    const std::string_view word = words[i];
    if (options_end || word.size() < 2 || word[0] != '-') {
      take_operand(word);
    } else if (word == "--") {
      options_end = true;
    } else if (take_option(word, words.subspan(i + 1))) {
      i++;
    }
  }
  if (!command.operand.empty() && !operand_ && !given("--help")) {
    usage("{}: {} is missing: see niwaki {} --help", command.name, command.operand, command.name);
  }
}

void Args::take_operand(std::string_view word) {
  if (command_.operand.empty() || operand_) {
    usage("{}: unexpected argument {}: see niwaki {} --help", command_.name, printable(word),
          command_.name);
  }
  operand_ = word;
}

// Whether the first word of `rest` is the option's value.
bool Args::take_option(std::string_view word, std::span<const std::string_view> rest) {
  const size_t equals = word.starts_with("--") ? word.find('=') : std::string_view::npos;
  const bool attached = equals != std::string_view::npos;
  const std::string_view name = word.substr(0, equals);
  const Option* const option = find_option(command_, name);
  if (!option) unknown_option(command_, name);
  const bool wants_value = option->type.kind != Kind::None;
  if (attached && !wants_value) {
    usage("{}: {} takes no value: write {}", command_.name, name, name);
  }
  if (wants_value && !attached && rest.empty()) {
    usage("{}: {} has no value: write {} {}", command_.name, name, name, option->value);
  }
  std::string_view value;
  if (wants_value) value = attached ? word.substr(equals + 1) : rest[0];
  check_value(command_.name, *option, value);
  values_[option] = value;
  return wants_value && !attached;
}

const Option& Args::option(std::string_view name) const {
  const Option* const found = find_option(command_, name);
  expect(found != nullptr, "{} has no option {}", command_.name, name);
  return *found;
}

bool Args::given(std::string_view name) const { return values_.contains(&option(name)); }

std::string_view Args::text(std::string_view name) const {
  const Option& row = option(name);
  const auto found = values_.find(&row);
  return found != values_.end() ? found->second : row.fallback;
}

int64_t Args::integer(std::string_view name) const {
  return read_number<int64_t>(command_.name, option(name), text(name));
}

double Args::number(std::string_view name) const {
  return read_number<double>(command_.name, option(name), text(name));
}

std::vector<int64_t> Args::integers(std::string_view name) const {
  return read_integers(command_.name, option(name), text(name));
}

std::string help_text(const Command& command) {
  std::string out = fmt::format("niwaki {}: {}\n\nusage: niwaki {} [options]{}{}\n\n", command.name,
                                command.summary, command.name, command.operand.empty() ? "" : " ",
                                command.operand);
  for (const Option& option : command.options) {
    // Long names stand below each other, whether or not a short one comes before.
    const std::string indent = option.names.starts_with("--") ? "      " : "  ";
    const std::string names = fmt::format("{}", fmt::join(split(option.names, ' '), ", "));
    const std::string left = indent + names + " " + std::string(option.value);
    const std::string fallback =
        option.fallback.empty() ? "" : fmt::format(" (default: {})", option.fallback);
    out += fmt::format("{:<32}{}{}\n", left, option.help, fallback);
  }
  return out;
}

std::string help_text(std::span<const Command> commands) {
  std::string out =
      "niwaki: a small tensor compiler that runs 1-bit language models\n\n"
      "usage: niwaki COMMAND [options]\n\n";
  for (const Command& command : commands) {
    out += fmt::format("  {:<30}{}\n", command.name, command.summary);
  }
  out += fmt::format("\n  {:<30}{}\n", "COMMAND --help", "the options of a command");
  out += fmt::format("  {:<30}{}\n", "--version", "the version of this program");
  return out;
}

std::string suggestion(std::string_view word, std::span<const std::string_view> candidates,
                       std::string_view otherwise) {
  constexpr size_t longest = 64;  // what is longer is no typing error
  size_t least = std::min(word.size(), longest) / 3 + 1;
  std::string_view best;
  for (const std::string_view candidate : candidates) {
    const size_t steps = word.size() > longest ? least : distance(word, candidate);
    if (steps >= least) continue;
    least = steps;
    best = candidate;
  }
  return best.empty() ? std::string(otherwise) : fmt::format("did you mean {}?", best);
}

}  // namespace niwaki
