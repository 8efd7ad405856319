// A hash of the file that this code was loaded from: a change of any pass changes it. It takes a
// millisecond.
//
// Rejected: a number that is raised by hand when code changes what is compiled; it is forgotten
// once. The linker's own build id is not there under every linker. The program's memory holds the
// same bytes, but not all of it may be read where an address sanitizer watches.
#include "runtimes/build_id.h"

#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtimes/cache.h"

namespace niwaki {
namespace {

struct Found {
  uintptr_t address;  // in the program or library that is looked for
  std::string path;
};

int visit(dl_phdr_info* object, size_t, void* data) {
  Found& found = *static_cast<Found*>(data);
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& part = object->dlpi_phdr[i];
    uintptr_t begin = object->dlpi_addr + part.p_vaddr;
    if (part.p_type != PT_LOAD || found.address - begin >= part.p_memsz) continue;
    bool is_program = !object->dlpi_name || !*object->dlpi_name;
    found.path = is_program ? "/proc/self/exe" : object->dlpi_name;
    return 1;
  }
  return 0;
}

std::string hash_of_file(const std::string& path) {
  int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  struct stat status = {};
  size_t size = ::fstat(file, &status) == 0 ? size_t(status.st_size) : 0;
  void* bytes = size ? ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0) : MAP_FAILED;
  ::close(file);
  if (bytes == MAP_FAILED) return {};
  std::string hash = ProgramCache::key({static_cast<const char*>(bytes), size});
  ::munmap(bytes, size);
  return hash;
}

}  // namespace

const std::string& build_id() {
  static const std::string id = [] {
    Found found = {reinterpret_cast<uintptr_t>(&visit), {}};
    dl_iterate_phdr(visit, &found);
    return hash_of_file(found.path);
  }();
  return id;
}

}  // namespace niwaki
