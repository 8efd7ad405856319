// The host's side of the device tests: a sample becomes sources and memory, sources become a shared
// library, and what the kernels wrote is compared with what was expected. Each language's test adds
// how it launches.
#pragma once

#include <doctest/doctest.h>

#include <dlfcn.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "codegen/device_samples.h"
#include "codegen/render.h"
#include "core/rewrite.h"
#include "ops/rules.h"
#include "schedule/schedule.h"

namespace niwaki::test {

/// What a kernel of emulation/grid.h takes; the same declaration stands there.
struct Launch {
  void* const* buffers;
  const int64_t* variables;
  int64_t blocks[3];
  int64_t threads[3];
};

/// A directory that is gone when the test is over.
class TemporaryDirectory {
 public:
  TemporaryDirectory()
      : path_(std::filesystem::temp_directory_path() / ("niwaki_" + std::to_string(getpid()))) {
    std::filesystem::create_directories(path_);
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;

  std::string file(const std::string& name) const { return (path_ / name).string(); }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(file(name), std::ios::binary) << text;
  }
  std::string read(const std::string& name) const {
    std::ifstream stream(file(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  }

 private:
  std::filesystem::path path_;
};

/// Whether a command runs, silently; its output is kept in `log`.
inline bool succeeds(const std::string& command, const std::string& log = "/dev/null") {
  return std::system((command + " > " + log + " 2>&1").c_str()) == 0;
}

/// One kernel of a sample: its source, and its memory's addresses in the order of its params.
struct Compiled {
  std::string name;
  std::string source;
  LinearCode linear;
  std::vector<BufferRef> args;
};

/// A sample lowered and rendered for a target, with memory for all that its kernels write.
class Job {
 public:
  Job(const Sample& sample, const Target& target) : sample_(sample) {
    schedule_ = schedule({sample.tensor.uop()});
    arena_.resize(size_t(schedule_.arena_bytes) + 64);
    for (const Temporary& t : schedule_.temporaries) t.buffer->data = arena_.data() + t.offset;
    for (const Kernel& kernel : schedule_.kernels) {
      for (const BufferRef& buffer : kernel.args) {
        if (buffer->data) continue;
        auto memory = std::make_shared<std::vector<char>>(size_t(buffer->bytes()));
        buffer->data = memory->data();
        buffer->owner = memory;
      }
      std::string name = sample.name + "_" + std::to_string(kernels_.size());
      LinearCode linear = lower(kernel.ast, target);
      std::string source = render(linear, target, name);
      kernels_.push_back({name, source, std::move(linear), kernel.args});
    }
  }

  const std::vector<Compiled>& kernels() const { return kernels_; }

  std::vector<void*> buffers(const Compiled& kernel) const {
    std::vector<void*> addresses;
    for (const UOp& p : kernel.linear.params) {
      addresses.push_back(kernel.args[size_t(p->get<ParamInfo>().index)]->data);
    }
    return addresses;
  }

  std::vector<int64_t> variables(const Compiled& kernel) const {
    std::vector<int64_t> values;
    for (const UOp& v : kernel.linear.variables) values.push_back(value_of_dim(v));
    return values;
  }

  /// The extent of a dimension of the launch; 1 where there is none.
  int64_t extent(const std::vector<UOp>& dims, size_t i) const {
    return i < dims.size() ? value_of_dim(dims[i]) : 1;
  }

  int64_t value_of_dim(const UOp& dim) const {
    UOp value = dim;
    for (const UOp& u : toposort(dim)) {
      if (u->op != Op::Variable) continue;
      value = substitute(value, {{u, index(sample_.variables.at(u->get<Symbol>().name))}});
    }
    const int64_t* number = const_int(simplify(value));
    REQUIRE(number);
    return *number;
  }

  /// Fails the test at the first element that differs.
  void check_output() const {
    CAPTURE(sample_.name);
    const Buffer& output = *schedule_.outputs[0];
    REQUIRE(output.size() >= int64_t(sample_.expected.size()));
    for (size_t i = 0; i < sample_.expected.size(); ++i) {
      const char* address = static_cast<const char*>(output.data) + i * byte_size(output.dtype);
      Value v = load_value(output.dtype, address);
      double actual = is_float(output.dtype) ? v.f : double(v.i);
      double expected = sample_.expected[i];
      bool same = actual == expected || (std::isnan(actual) && std::isnan(expected));
      double allowed = sample_.tolerance * std::max(1.0, std::abs(expected));
      bool near = std::abs(actual - expected) <= allowed;
      if (same || near) continue;
      FAIL_CHECK("element ", i, " is ", actual, ", not ", expected, ":\n", kernels_.back().source);
      return;
    }
  }

 private:
  const Sample& sample_;
  Schedule schedule_;
  std::vector<char> arena_;
  std::vector<Compiled> kernels_;
};

/// A shared library: one that a test has made, or the first of some names that is installed, which
/// stays loaded, as such libraries start threads of their own.
class Library {
 public:
  explicit Library(const std::string& path) : handle_(dlopen(path.c_str(), RTLD_NOW)) {}
  explicit Library(std::initializer_list<const char*> names) {
    for (const char* name : names) {
      if (!handle_) handle_ = dlopen(name, RTLD_NOW | RTLD_NODELETE);
    }
  }
  ~Library() {
    if (handle_) dlclose(handle_);
  }
  Library(const Library&) = delete;

  explicit operator bool() const { return handle_ != nullptr; }

  template <class Function>
  Function* find(const std::string& name) const {
    void* address = dlsym(handle_, name.c_str());
    REQUIRE_MESSAGE(address, name);
    return reinterpret_cast<Function*>(address);
  }

 private:
  void* handle_ = nullptr;
};

}  // namespace niwaki::test
