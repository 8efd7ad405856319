// Command lines. A command is a row of data, its options rows of a table; parsing, the help texts,
// the messages and the tests all read the same rows, so none of them can promise what another does
// not keep.
//
// The spelling is llama.cpp's, whose users come with their fingers trained: one dash before a word
// (`-dev`), two before another (`--top-k`), several names for one thing, and the next word is the
// value whatever it looks like (`-n -1`). Libraries that read `-dev` as `-d -e -v` were rejected
// for that. Beyond it, `--name=value` works, `--` ends the options, and the last of two wins.
//
// Every value is checked when it is read, by the range in its row: a command that runs has numbers
// that it can use, and a typing error costs nothing but a line.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace niwaki {

/// A command line that cannot be understood: the program ends with status 2.
struct UsageError : Error {
  using Error::Error;
};

/// What the value of an option is, and of a number the least and the greatest.
struct ValueType {
  enum class Kind : uint8_t { None, Text, Choice, Integer, Number, Integers };
  Kind kind = Kind::Text;
  int64_t low = 0;
  int64_t high = 0;
};

constexpr ValueType no_value() { return {ValueType::Kind::None}; }
constexpr ValueType choice() { return {ValueType::Kind::Choice}; }
constexpr ValueType integer_in(int64_t low, int64_t high) {
  return {ValueType::Kind::Integer, low, high};
}
constexpr ValueType number_in(int64_t low, int64_t high) {
  return {ValueType::Kind::Number, low, high};
}
/// Integers with commas between them.
constexpr ValueType integers_in(int64_t low, int64_t high) {
  return {ValueType::Kind::Integers, low, high};
}

/// An option of a command: a row of a table.
struct Option {
  /// All spellings, short to long: "-c --ctx-size"; messages use the last one.
  std::string_view names;
  /// What help calls the value: "N"; of a Choice, the values themselves: "md|json".
  std::string_view value;
  /// The value where the option is not given; empty: there is none.
  std::string_view fallback;
  std::string_view help;
  ValueType type = {};
};

/// What the program can do: a row of a table.
struct Command {
  std::string_view name;
  /// The word that must follow the options: "TEXT"; empty: none does.
  std::string_view operand;
  std::string_view summary;
  std::span<const Option> options;
};

/// The words of a command line, understood. Options are asked for by any of their spellings.
class Args {
 public:
  /// UsageError says which word is wrong; with --help among them, the other words may be.
  Args(const Command& command, std::span<const std::string_view> words);

  bool given(std::string_view name) const;
  std::string_view text(std::string_view name) const;
  int64_t integer(std::string_view name) const;
  double number(std::string_view name) const;
  std::vector<int64_t> integers(std::string_view name) const;
  std::string_view operand() const { return operand_.value_or(""); }

 private:
  void take_operand(std::string_view word);
  bool take_option(std::string_view word, std::span<const std::string_view> rest);
  const Option& option(std::string_view name) const;

  const Command& command_;
  std::map<const Option*, std::string_view> values_;
  std::optional<std::string_view> operand_;
};

/// The text of `niwaki COMMAND --help`.
std::string help_text(const Command& command);

/// The text of `niwaki --help`.
std::string help_text(std::span<const Command> commands);

/// "did you mean X?" for the candidate nearest to `word`, or `otherwise` where none is near.
std::string suggestion(std::string_view word, std::span<const std::string_view> candidates,
                       std::string_view otherwise);

}  // namespace niwaki
