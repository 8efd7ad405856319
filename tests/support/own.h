// What a test has to itself for as long as it needs it: a directory, a variable of the environment.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

namespace niwaki::test {

/// A new directory, gone with all that is in it when this is.
struct OwnDirectory {
  std::filesystem::path path;

  explicit OwnDirectory(const std::string& name)
      : path(std::filesystem::temp_directory_path() /
             ("niwaki_" + name + "_" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(path);
  }
  ~OwnDirectory() { std::filesystem::remove_all(path); }
  OwnDirectory(const OwnDirectory&) = delete;
};

/// An environment variable with another value, put back when this goes.
class OwnSetting {
 public:
  OwnSetting(const char* name, const char* value) : name_(name) {
    const char* before = std::getenv(name);
    if (before) before_ = before;
    ::setenv(name, value, 1);
  }
  ~OwnSetting() {
    if (before_) ::setenv(name_.c_str(), before_->c_str(), 1);
    else ::unsetenv(name_.c_str());
  }
  OwnSetting(const OwnSetting&) = delete;

 private:
  std::string name_;
  std::optional<std::string> before_;
};

}  // namespace niwaki::test
