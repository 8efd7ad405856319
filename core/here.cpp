#include "core/here.h"

#include <fmt/format.h>

#include <string_view>

namespace niwaki {
namespace {

thread_local Site current;

// Whether the file is one of the layers that offer tensor functions, called by its name in the
// repository (CMakeLists.txt), or the header whose inline functions a program compiles itself.
bool in_library(std::string_view file) {
  return file.starts_with("ops/") || file.starts_with("core/") || file.ends_with("/ops/tensor.h");
}

}  // namespace

std::string to_string(const Site& site) {
  return site.file ? fmt::format("{}:{}", site.file, site.line) : std::string();
}

Here::Here(std::source_location at) : before_(current) {
  if (!in_library(at.file_name())) current = {at.file_name(), at.line()};
}

Here::Here(const Site& site) : before_(current) {
  if (site.file) current = site;
}

Here::~Here() { current = before_; }

const Site& Here::site() { return current; }

}  // namespace niwaki
