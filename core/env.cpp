#include "core/env.h"

#include <charconv>
#include <cstdlib>

#include "core/error.h"

namespace niwaki {
namespace {

constexpr EnvVariable table[] = {
    {"NIWAKI_DEVICE", "CPU", "where graphs run: CPU, INTERP (the slow oracle) or NULL"},
    {"NIWAKI_THREADS", "0", "threads of the CPU device; 0: one a core"},
    {"NIWAKI_DEBUG", "0",
     "1 devices and memory, 2 kernel times, 3 axes, 4 source, 5 rules, 6 passes, 7 assembly; each "
     "with those before"},
    {"NIWAKI_VERIFY", NIWAKI_VERIFY_DEFAULT,
     "1: check after every pass that the graph is legal and no access leaves its buffer, and at "
     "every call that a captured function still gives its graph; a debug build does"},
    {"NIWAKI_OFF", "",
     "rewrites that are left out, by name and with commas between: tabulate, limbs, share, "
     "pack, select, factor, groups, widen, prefetch"},
    {"NIWAKI_CACHE", "",
     "directory of compiled programs; empty: the user's cache directory; "
     "'off': keep none"},
    {"NIWAKI_SEARCH", "0",
     "choices of axes to measure for each kernel, the fastest of which is taken and kept in the "
     "cache; 0: what the heuristic chooses"},
};

}  // namespace

std::span<const EnvVariable> env_table() { return table; }

std::string env(std::string_view name) {
  for (const EnvVariable& row : table) {
    if (row.name != name) continue;
    const char* text = std::getenv(std::string(name).c_str());
    return std::string(text && *text ? std::string_view(text) : row.fallback);
  }
  throw InternalError(fmt::format("{} is not in the environment table", name));
}

int64_t env_int(std::string_view name) {
  std::string text = env(name);
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  check(error == std::errc() && end == text.data() + text.size(), "env: {}={} is no integer", name,
        text);
  return value;
}

bool is_off(std::string_view rewrite) {
  std::string all = "," + env("NIWAKI_OFF") + ",";
  return all.find("," + std::string(rewrite) + ",") != std::string::npos;
}

}  // namespace niwaki
