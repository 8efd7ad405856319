// What the commands say, and to whom. Results go to stdout and nothing else does, so that it can be
// piped; notes go to stderr; and what only a person watching wants, a line that changes while a
// large model is compiled, is written only if stderr is a terminal, and erased.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace niwaki {

/// Thrown to end the program at once and in silence.
struct Exit {
  int status;
};

/// Writes to stdout, all of it and at once. Error where it cannot; Exit where nobody reads any
/// more.
void write_out(std::string_view text);

/// Writes to stderr; where it cannot there is nobody left to tell.
void write_note(std::string_view text);

/// Whether stdout is a terminal.
bool is_terminal_out();

/// `text` as a JSON string in its quotes; what is not UTF-8 becomes U+FFFD.
std::string json_string(std::string_view text);

/// A name that a stranger chose: in quotes, and escaped, where it has bytes that are not printable.
std::string name_text(std::string_view name);

/// One line on a terminal that is written over and finally erased; no line elsewhere.
class ProgressLine {
 public:
  ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ~ProgressLine();

  void show(std::string_view text);
  void erase();

 private:
  bool on_;
  std::string shown_;
};

}  // namespace niwaki
