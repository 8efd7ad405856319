// Errors. Two kinds: Error is the caller's fault (a wrong shape, a hostile file, a bad flag) and
// its text is written for the caller; InternalError is ours and says so. The library never aborts
// and never prints: the program at the top catches and decides.
//
// The form of a message is `op: what is wrong: the two things that disagree, and what to do`, in
// lower case. A text that nothing can trigger is no Error: it is an expect().
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

#include "core/here.h"

namespace niwaki {

/// The caller's fault; text() is one line that says what is wrong and what to do, and what() is
/// that with the line of the program that asked for it, where it is known.
class Error : public std::runtime_error {
 public:
  explicit Error(std::string text)
      : std::runtime_error(Here::site().file ? text + " (at " + to_string(Here::site()) + ")"
                                             : text),
        text_(std::move(text)) {}
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// Our fault: a broken invariant. what() names the place and the offending node.
struct InternalError : std::logic_error {
  using std::logic_error::logic_error;
};

/// Throws Error with the formatted text.
template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> text, Args&&... args) {
  throw Error(fmt::format(text, std::forward<Args>(args)...));
}

/// Throws Error with the formatted text unless `ok`.
template <class... Args>
void check(bool ok, fmt::format_string<Args...> text, Args&&... args) {
  if (!ok) throw Error(fmt::format(text, std::forward<Args>(args)...));
}

/// Throws InternalError with the formatted text: for what no input can trigger.
template <class... Args>
[[noreturn]] void bug(fmt::format_string<Args...> text, Args&&... args) {
  throw InternalError("internal error: " + fmt::format(text, std::forward<Args>(args)...));
}

/// Calls bug() unless `ok`. The arguments are evaluated either way: where they are costly, or exist
/// only when it is broken, write `if (!ok) bug(...)`.
template <class... Args>
void expect(bool ok, fmt::format_string<Args...> text, Args&&... args) {
  if (!ok) bug(text, std::forward<Args>(args)...);
}

}  // namespace niwaki
