#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include "core/error.h"

// A text is compared without the line it is about.
REGISTER_EXCEPTION_TRANSLATOR(const niwaki::Error& e) { return doctest::String(e.text().c_str()); }
