// Where the user stands. A tensor function takes a trailing `Here = {}`: its default argument is
// evaluated where the function is called, so the object knows the caller's line, and while it lives
// errors and new nodes are told that line. A wrong shape is named where it was written; what is
// found later, when a graph is scheduled, still names the line that made the node.
//
// Functions of the library call each other; a line inside core/ or ops/ says nothing to a user, so
// it does not replace the line that led there. Rejected: unwinding the stack when something fails
// (it needs line tables in the program, and nodes would have to keep it), and a macro at each call.
#pragma once

#include <cstdint>
#include <source_location>
#include <string>

namespace niwaki {

/// A line of the user's program; no file where none is known.
struct Site {
  const char* file = nullptr;
  uint32_t line = 0;
};

/// "FILE:LINE", or nothing.
std::string to_string(const Site& site);

/// While it lives, the user's line is the one that made it.
class Here {
 public:
  Here(std::source_location at = std::source_location::current());
  explicit Here(const Site& site);
  ~Here();
  Here(const Here&) = delete;
  Here& operator=(const Here&) = delete;

  /// The line in force.
  static const Site& site();

 private:
  Site before_;
};

}  // namespace niwaki
