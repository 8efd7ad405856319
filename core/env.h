// The environment: every variable the program reads, in one table, printed by `niwaki env`.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace niwaki {

/// A row of the table.
struct EnvVariable {
  std::string_view name;
  std::string_view fallback;
  std::string_view meaning;
};

/// All variables.
std::span<const EnvVariable> env_table();

/// The variable's text, or the table's fallback.
std::string env(std::string_view name);

/// The variable as an integer; Error naming it where it is none.
int64_t env_int(std::string_view name);

/// Whether NIWAKI_OFF names the rewrite.
bool is_off(std::string_view rewrite);

}  // namespace niwaki
