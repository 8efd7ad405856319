#include "runtimes/cache.h"

#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "core/env.h"
#include "core/error.h"

namespace niwaki {
namespace {

constexpr std::string_view magic = "niwaki program 1";

std::string default_directory() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache && *cache) return std::string(cache) + "/niwaki";
  const char* home = std::getenv("HOME");
  return home && *home ? std::string(home) + "/.cache/niwaki" : std::string();
}

}  // namespace

ProgramCache::ProgramCache() : directory_(env("NIWAKI_CACHE")) {
  if (directory_.empty()) directory_ = default_directory();
  else if (directory_ == "off") directory_.clear();
}

std::string ProgramCache::key(std::string_view text) {
  XXH128_hash_t h = XXH3_128bits(text.data(), text.size());
  return fmt::format("{:016x}{:016x}", h.high64, h.low64);
}

std::string ProgramCache::path(const std::string& key) const {
  return directory_ + "/" + key + ".o";
}

// A file is the magic, the checksum of the program, and the program.
std::optional<std::vector<char>> ProgramCache::find(const std::string& key) const {
  if (directory_.empty()) return std::nullopt;
  std::ifstream file(path(key), std::ios::binary);
  if (!file) return std::nullopt;
  std::vector<char> bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  size_t header = magic.size() + 32;
  if (bytes.size() < header || std::memcmp(bytes.data(), magic.data(), magic.size()) != 0) {
    return std::nullopt;
  }
  std::string_view checksum(bytes.data() + magic.size(), 32);
  std::string_view program(bytes.data() + header, bytes.size() - header);
  if (ProgramCache::key(program) != checksum) return std::nullopt;
  return std::vector<char>(program.begin(), program.end());
}

void ProgramCache::keep(const std::string& key, const std::vector<char>& program) const {
  if (directory_.empty()) return;
  std::error_code ignored;
  std::filesystem::create_directories(directory_, ignored);
  // Written beside and renamed: another process sees the whole file or none.
  std::string temporary = fmt::format("{}.{}", path(key), getpid());
  std::ofstream file(temporary, std::ios::binary);
  file << magic << ProgramCache::key({program.data(), program.size()});
  file.write(program.data(), std::streamsize(program.size()));
  file.close();
  if (file) std::filesystem::rename(temporary, path(key), ignored);
  else std::filesystem::remove(temporary, ignored);
}

}  // namespace niwaki
