// NVRTC, NVIDIA's compiler of CUDA source, opened where it is installed: it needs no GPU. The
// prototypes are those of the NVRTC reference, written out so that building the tests needs
// nothing.
#pragma once

#include <string>

#include "host.h"

namespace niwaki::test {

class Nvrtc {
 public:
  explicit operator bool() const { return bool(library_); }

  /// The compiler's log, empty where the source is accepted.
  std::string complaints(const std::string& source) const {
    using Handle = struct Program*;
    auto* create = library_.find<int(Handle*, const char*, const char*, int, const char* const*,
                                     const char* const*)>("nvrtcCreateProgram");
    auto* compile = library_.find<int(Handle, int, const char* const*)>("nvrtcCompileProgram");
    auto* log_size = library_.find<int(Handle, size_t*)>("nvrtcGetProgramLogSize");
    auto* get_log = library_.find<int(Handle, char*)>("nvrtcGetProgramLog");
    auto* destroy = library_.find<int(Handle*)>("nvrtcDestroyProgram");
    Handle program = nullptr;
    REQUIRE(create(&program, source.c_str(), "kernel.cu", 0, nullptr, nullptr) == 0);
    const char* options[] = {"--gpu-architecture=compute_80", "--fmad=false"};
    bool accepted = compile(program, 2, options) == 0;
    size_t size = 0;
    REQUIRE(log_size(program, &size) == 0);
    std::string log(size, '\0');
    REQUIRE(get_log(program, log.data()) == 0);
    destroy(&program);
    return accepted ? "" : log;
  }

 private:
  Library library_{"libnvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12"};
};

}  // namespace niwaki::test
