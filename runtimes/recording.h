// Whether this thread is recording a function. What it asks for then would be computed once, and be
// a constant of what is recorded: so it is refused.
#pragma once

namespace niwaki {

/// While it lives, asking for values is an Error.
class Recording {
 public:
  Recording();
  ~Recording();
  Recording(const Recording&) = delete;
  static bool on();
};

}  // namespace niwaki
