// Compiled programs on disk, by content: the key is a hash of the program's text and of the machine
// it was compiled for. A file that was cut short, changed or put there by somebody else fails its
// checksum and counts as absent: its program is compiled anew and the file replaced. What a search
// found for a kernel lies beside them, its text in the place of a program.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace niwaki {

class ProgramCache {
 public:
  /// The cache that NIWAKI_CACHE names: a directory, the user's default, or none.
  ProgramCache();
  explicit ProgramCache(std::string directory) : directory_(std::move(directory)) {}

  /// 128 bits of hash, in hexadecimal.
  static std::string key(std::string_view text);

  std::optional<std::vector<char>> find(const std::string& key) const;
  /// Keeps the program; a disk that is full or read-only is no error.
  void keep(const std::string& key, const std::vector<char>& program) const;

 private:
  std::string path(const std::string& key) const;
  std::string directory_;
};

}  // namespace niwaki
