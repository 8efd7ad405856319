// A file mapped read-only into memory: the one way niwaki opens a model. The mapping costs no copy
// and no time: pages are read when a kernel first touches them, and two programs that run the same
// model share them. Reading the file into a buffer was rejected for that reason.
//
// The price of mapping is that the file must stay as it is: another program that cuts it short
// while it is mapped makes the next touch of the lost pages a SIGBUS, which no check can prevent.
//
// Only regular files are taken. A directory, a pipe or a device has no length to check against.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace niwaki {

/// A regular, non-empty file mapped read-only; the bytes live as long as this object.
class MappedFile {
 public:
  /// Maps the file at `path`; an Error names the path and what the system said.
  explicit MappedFile(const std::string& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  /// The whole file; it begins at a page boundary.
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace niwaki
