// Golden files: tests/golden/STAGE/CASE.txt holds what a stage makes of a case. A difference fails,
// a missing file fails, and BLESS=1 writes what is there now, to be reviewed as a diff.
#pragma once

#include <string>

namespace niwaki::test {

/// Fails the running test unless the golden file holds `text`.
void check_golden(const std::string& stage, const std::string& name, const std::string& text);

}  // namespace niwaki::test
