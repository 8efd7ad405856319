// The environment table: every variable is in it, says what it does, and is read through it.
#include "core/env.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <set>

#include "core/error.h"

using namespace niwaki;

TEST_CASE("the table: named once, explained") {
  std::set<std::string_view> names;
  for (const EnvVariable& row : env_table()) {
    CHECK(row.name.starts_with("NIWAKI_"));
    CHECK(names.insert(row.name).second);
    CHECK_FALSE(row.meaning.empty());
  }
  for (const char* name : {"NIWAKI_DEVICE", "NIWAKI_DEBUG", "NIWAKI_VERIFY", "NIWAKI_THREADS",
                           "NIWAKI_CACHE", "NIWAKI_SEARCH"}) {
    CHECK(names.count(name) == 1);
  }
}

TEST_CASE("reading: the environment, or the fallback where it is unset or empty") {
  const char* old = std::getenv("NIWAKI_THREADS");
  std::string saved = old ? old : "";
  ::unsetenv("NIWAKI_THREADS");
  CHECK(env("NIWAKI_THREADS") == "0");
  CHECK(env_int("NIWAKI_THREADS") == 0);
  ::setenv("NIWAKI_THREADS", "", 1);
  CHECK(env("NIWAKI_THREADS") == "0");
  ::setenv("NIWAKI_THREADS", "12", 1);
  CHECK(env("NIWAKI_THREADS") == "12");
  CHECK(env_int("NIWAKI_THREADS") == 12);
  ::setenv("NIWAKI_THREADS", "-3", 1);
  CHECK(env_int("NIWAKI_THREADS") == -3);
  for (const char* text : {"many", "12x", " 12", "1.5", "99999999999999999999"}) {
    ::setenv("NIWAKI_THREADS", text, 1);
    CHECK_THROWS_WITH_AS(env_int("NIWAKI_THREADS"),
                         fmt::format("env: NIWAKI_THREADS={} is no integer", text).c_str(), Error);
  }
  if (old) ::setenv("NIWAKI_THREADS", saved.c_str(), 1);
  else ::unsetenv("NIWAKI_THREADS");
}

TEST_CASE("a variable that is not in the table is our fault") {
  CHECK_THROWS_WITH_AS(env("NIWAKI_NONE"), "NIWAKI_NONE is not in the environment table",
                       InternalError);
}
