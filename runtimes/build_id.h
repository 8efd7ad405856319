// Which build of niwaki this is.
#pragma once

#include <string>

namespace niwaki {

/// The same in all processes of one build, and another in any other build: what a compiler made is
/// good for as long as it is the same compiler. Empty where it cannot be told.
const std::string& build_id();

}  // namespace niwaki
