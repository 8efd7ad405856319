// OpenCL, opened where an implementation is installed (PoCL runs kernels on the CPU). The
// prototypes and numbers are those of the OpenCL 1.2 specification, written out so that building
// the tests needs no headers. Buffers are copied to the device and back around every launch.
#pragma once

#include <string>
#include <vector>

#include "host.h"

namespace niwaki::test {

class OpenCl {
 public:
  OpenCl() {
    if (!library_) return;
    call("clGetPlatformIDs", 1u, &platform_, &n_platforms_);
    if (n_platforms_ == 0) return;
    constexpr uint64_t all_devices = 0xffffffff;
    unsigned n_devices = 0;
    int error = 0;
    call("clGetDeviceIDs", platform_, all_devices, 1u, &device_, &n_devices);
    if (n_devices == 0) return;
    using CreateContext = Object(const intptr_t*, unsigned, const Object*, void*, void*, int*);
    context_ = library_.find<CreateContext>("clCreateContext")(nullptr, 1, &device_, nullptr,
                                                               nullptr, &error);
    using CreateQueue = Object(Object, Object, uint64_t, int*);
    queue_ = library_.find<CreateQueue>("clCreateCommandQueue")(context_, device_, 0, &error);
  }

  ~OpenCl() {
    if (queue_) call("clReleaseCommandQueue", queue_);
    if (context_) call("clReleaseContext", context_);
  }
  OpenCl(const OpenCl&) = delete;

  explicit operator bool() const { return queue_ != nullptr; }

  void run(const Job& job, const Compiled& kernel) const {
    int error = 0;
    Object program = build(kernel.source);
    using CreateKernel = Object(Object, const char*, int*);
    Object function =
        library_.find<CreateKernel>("clCreateKernel")(program, kernel.name.c_str(), &error);
    REQUIRE(error == 0);
    std::vector<Object> memory;
    std::vector<void*> host = job.buffers(kernel);
    unsigned position = 0;
    for (size_t i = 0; i < host.size(); ++i) {
      memory.push_back(copy_of(host[i], bytes(kernel, i)));
      REQUIRE(call("clSetKernelArg", function, position++, sizeof(Object),
                   static_cast<const void*>(&memory.back())) == 0);
    }
    for (int64_t v : job.variables(kernel)) {
      REQUIRE(call("clSetKernelArg", function, position++, sizeof v,
                   static_cast<const void*>(&v)) == 0);
    }
    size_t local[3];
    size_t global[3];
    for (size_t i = 0; i < 3; ++i) {
      local[i] = size_t(job.extent(kernel.linear.locals, i));
      global[i] = local[i] * size_t(job.extent(kernel.linear.globals, i));
    }
    using Enqueue = int(Object, Object, unsigned, const size_t*, const size_t*, const size_t*,
                        unsigned, const Object*, Object*);
    REQUIRE(library_.find<Enqueue>("clEnqueueNDRangeKernel")(queue_, function, 3, nullptr, global,
                                                             local, 0, nullptr, nullptr) == 0);
    using Read =
        int(Object, Object, unsigned, size_t, size_t, void*, unsigned, const Object*, Object*);
    for (size_t i = 0; i < host.size(); ++i) {
      REQUIRE(library_.find<Read>("clEnqueueReadBuffer")(queue_, memory[i], 1, 0, bytes(kernel, i),
                                                         host[i], 0, nullptr, nullptr) == 0);
      call("clReleaseMemObject", memory[i]);
    }
    call("clReleaseKernel", function);
    call("clReleaseProgram", program);
  }

 private:
  using Object = struct OpaqueObject*;

  // A function that returns an error and takes just these arguments.
  template <class... Args>
  int call(const char* name, Args... args) const {
    return library_.find<int(Args...)>(name)(args...);
  }

  static size_t bytes(const Compiled& kernel, size_t i) {
    return size_t(kernel.args[size_t(kernel.linear.params[i]->get<ParamInfo>().index)]->bytes());
  }

  Object copy_of(void* memory, size_t size) const {
    constexpr uint64_t read_write_copy = 1 | 1 << 5;
    int error = 0;
    using CreateBuffer = Object(Object, uint64_t, size_t, void*, int*);
    Object buffer = library_.find<CreateBuffer>("clCreateBuffer")(context_, read_write_copy, size,
                                                                  memory, &error);
    REQUIRE(error == 0);
    return buffer;
  }

  Object build(const std::string& source) const {
    int error = 0;
    const char* text = source.c_str();
    using CreateProgram = Object(Object, unsigned, const char**, const size_t*, int*);
    Object program = library_.find<CreateProgram>("clCreateProgramWithSource")(context_, 1, &text,
                                                                               nullptr, &error);
    REQUIRE(error == 0);
    using Build = int(Object, unsigned, const Object*, const char*, void*, void*);
    error = library_.find<Build>("clBuildProgram")(program, 1, &device_, "", nullptr, nullptr);
    std::string log(4096, '\0');
    constexpr unsigned build_log = 0x1183;
    using BuildInfo = int(Object, Object, unsigned, size_t, void*, size_t*);
    library_.find<BuildInfo>("clGetProgramBuildInfo")(program, device_, build_log, log.size(),
                                                      log.data(), nullptr);
    REQUIRE_MESSAGE(error == 0, log, source);
    return program;
  }

  Library library_{"libOpenCL.so.1", "libOpenCL.so"};
  Object platform_ = nullptr;
  unsigned n_platforms_ = 0;
  Object device_ = nullptr;
  Object context_ = nullptr;
  Object queue_ = nullptr;
};

}  // namespace niwaki::test
