// open, fstat, mmap, close, in that order: once mapped, a file needs no descriptor. What is asked
// about the file is asked of the descriptor, not of the path, which may change hands in between.
#include "models/mapped_file.h"

#include "core/error.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace niwaki {
namespace {

struct Descriptor {
  int number;
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
};

// strerror() is not safe with threads; this is.
std::string system_text() { return std::generic_category().message(errno); }

}  // namespace

MappedFile::MappedFile(const std::string& path) {
  // O_NONBLOCK, so that opening a pipe returns and can be refused, rather than wait for a writer.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.number < 0) fail("open: {}: {}", path, system_text());
  struct stat status {};
  if (::fstat(file.number, &status) != 0) fail("open: {}: {}", path, system_text());
  check(!S_ISDIR(status.st_mode), "open: {}: is a directory: give a file inside it", path);
  check(S_ISREG(status.st_mode), "open: {}: is not a regular file: copy it to one first", path);
  check(status.st_size > 0, "open: {}: is empty: download it again", path);

  const size_t size = static_cast<size_t>(status.st_size);
  void* const memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.number, 0);
  if (memory == MAP_FAILED) fail("open: {}: cannot map it: {}", path, system_text());
  bytes_ = {static_cast<const std::byte*>(memory), size};
}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace niwaki
