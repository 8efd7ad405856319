#include "core/here.h"

#include <fmt/format.h>

#include <string_view>

namespace niwaki {
namespace {

thread_local Site current;

// Whether the file is one of the library's own layers that offer tensor functions.
bool in_library(std::string_view file) {
  static const std::string_view root = [] {
    std::string_view me = std::source_location::current().file_name();
    return me.substr(0, me.size() - std::string_view("core/here.cpp").size());
  }();
  if (file.substr(0, root.size()) != root) return false;
  std::string_view rest = file.substr(root.size());
  return rest.substr(0, 4) == "ops/" || rest.substr(0, 5) == "core/";
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
