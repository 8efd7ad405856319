// Device sources are compiled and run, not only compared with golden files. C is compiled as
// strictly as compilers go and traps on undefined behaviour. CUDA and Metal are compiled as C++
// over small headers that emulate the grid, and CUDA by its own compiler too, where that is
// installed. OpenCL runs on what implements it here. What is missing is reported as skipped.
#include <doctest/doctest.h>

#include "codegen/emulation/host.h"
#include "codegen/emulation/nvrtc.h"
#include "codegen/emulation/opencl.h"
#include "core/error.h"

namespace niwaki::test {
namespace {

std::vector<Job> jobs_of(const std::vector<Sample>& samples, const Target& target) {
  std::vector<Job> jobs;
  for (const Sample& sample : samples) {
    CAPTURE(sample.name);
    jobs.emplace_back(sample, target);
  }
  return jobs;
}

// All kernels as C++ over an emulation header, each in a namespace of its own, in one file: a
// compiler spends its time on headers.
void run_on_emulated_grid(const std::string& header, const std::vector<Job>& jobs) {
  TemporaryDirectory directory;
  std::string text = "#include \"" + header + "\"\n";
  for (const Job& job : jobs) {
    for (const Compiled& kernel : job.kernels()) {
      directory.write(kernel.name + ".h", kernel.source);
      text += "namespace in_" + kernel.name + " {\n#include \"" + kernel.name + ".h\"\n}\n";
      text += "extern \"C\" void run_" + kernel.name + "(const Launch& launch) {\n  run_grid(in_" +
              kernel.name + "::" + kernel.name + ", launch);\n}\n";
    }
  }
  directory.write("kernels.cpp", text);
  std::string command = "c++ -std=c++20 -O1 -w -ffp-contract=off -shared -fPIC -I" NIWAKI_SOURCE_DIR
                        "/tests/codegen/emulation -o " +
                        directory.file("kernels.so") + " " + directory.file("kernels.cpp");
  bool compiled = succeeds(command, directory.file("log"));
  REQUIRE_MESSAGE(compiled, directory.read("log"));
  Library library(directory.file("kernels.so"));
  REQUIRE(bool(library));
  for (const Job& job : jobs) {
    for (const Compiled& kernel : job.kernels()) {
      std::vector<void*> buffers = job.buffers(kernel);
      std::vector<int64_t> variables = job.variables(kernel);
      Launch launch = {buffers.data(), variables.data(), {}, {}};
      for (size_t i = 0; i < 3; ++i) {
        launch.blocks[i] = job.extent(kernel.linear.globals, i);
        launch.threads[i] = job.extent(kernel.linear.locals, i);
      }
      library.find<void(const Launch&)>("run_" + kernel.name)(launch);
    }
    job.check_output();
  }
}

std::vector<Sample> samples_without_f64() {
  std::vector<Sample> samples;
  for (const Sample& sample : device_samples()) {
    if (!sample.uses_f64) samples.push_back(sample);
  }
  return samples;
}

LinearCode lowered(const Tensor& tensor, const Target& target) {
  return lower(schedule({tensor.uop()}).kernels[0].ast, target);
}

std::string rendered(const Tensor& tensor, const std::string& target_name) {
  Target target = target_of(target_name);
  return render(lowered(tensor, target), target, "kernel_0");
}

}  // namespace

TEST_CASE("C source runs") {
  if (!succeeds("cc --version")) {
    MESSAGE("skipped: no C compiler");
    return;
  }
  TemporaryDirectory directory;
  std::vector<Sample> samples = device_samples();
  std::vector<Job> jobs = jobs_of(samples, target_of("c"));
  std::string command =
      "cc -std=c11 -O1 -Wall -Werror -ffp-contract=off -fsanitize=undefined "
      "-fsanitize-undefined-trap-on-error -shared -fPIC -o " +
      directory.file("kernels.so");
  for (const Job& job : jobs) {
    for (const Compiled& kernel : job.kernels()) {
      directory.write(kernel.name + ".c", kernel.source);
      command += " " + directory.file(kernel.name + ".c");
    }
  }
  bool compiled = succeeds(command + " -lm", directory.file("log"));
  REQUIRE_MESSAGE(compiled, directory.read("log"));
  Library library(directory.file("kernels.so"));
  REQUIRE(bool(library));
  for (const Job& job : jobs) {
    for (const Compiled& kernel : job.kernels()) {
      CAPTURE(kernel.source);
      std::vector<void*> buffers = job.buffers(kernel);
      std::vector<int64_t> variables = job.variables(kernel);
      int64_t end = kernel.linear.parallel ? job.value_of_dim(kernel.linear.parallel) : 0;
      using Function = void(void* const*, const int64_t*, int64_t, int64_t);
      Function* function = library.find<Function>(kernel.name);
      // In two parts, as two threads would.
      int64_t middle = end / 2;
      function(buffers.data(), variables.data(), 0, middle);
      if (end > 0) function(buffers.data(), variables.data(), middle, end);
    }
    job.check_output();
  }
}

TEST_CASE("CUDA source runs on an emulated grid") {
  if (!succeeds("c++ --version")) {
    MESSAGE("skipped: no C++ compiler");
    return;
  }
  std::vector<Sample> samples = device_samples();
  run_on_emulated_grid("cuda.h", jobs_of(samples, target_of("cuda")));
}

TEST_CASE("Metal source runs on an emulated grid") {
  if (!succeeds("c++ --version")) {
    MESSAGE("skipped: no C++ compiler");
    return;
  }
  std::vector<Sample> samples = samples_without_f64();
  run_on_emulated_grid("metal_stdlib", jobs_of(samples, target_of("metal")));
}

TEST_CASE("CUDA source is accepted by NVRTC") {
  Nvrtc nvrtc;
  if (!nvrtc) {
    MESSAGE("skipped: no libnvrtc");
    return;
  }
  std::vector<Sample> samples = device_samples();
  for (const Job& job : jobs_of(samples, target_of("cuda"))) {
    for (const Compiled& kernel : job.kernels()) {
      CAPTURE(kernel.source);
      CHECK(nvrtc.complaints(kernel.source) == "");
    }
  }
}

TEST_CASE("OpenCL source runs") {
  OpenCl opencl;
  if (!opencl) {
    MESSAGE("skipped: no OpenCL platform");
    return;
  }
  // An OpenCL compiler takes its time: a few samples that have something of all.
  std::vector<Sample> samples;
  for (const Sample& sample : device_samples()) {
    for (const char* name : {"movement", "softmax", "bit_unpacking", "all_f16", "symbolic_sum"}) {
      if (sample.name == name) samples.push_back(sample);
    }
  }
  CHECK(samples.size() == 5);
  for (const Job& job : jobs_of(samples, target_of("opencl"))) {
    for (const Compiled& kernel : job.kernels()) opencl.run(job, kernel);
    job.check_output();
  }
}

TEST_CASE("a type that a language lacks is an error") {
  Tensor x = Tensor::from(std::vector<double>{1, 2}, {2}) * 2.0;
  CHECK_THROWS_WITH_AS(rendered(x, "metal"), "render: metal has no f64", Error);
  CHECK_NOTHROW(rendered(x, "cuda"));
}

TEST_CASE("the interpreter has no source") {
  Tensor x = Tensor::from(std::vector<float>{1, 2}, {2}) * 2.0;
  CHECK_THROWS_WITH_AS(rendered(x, "interp"),
                       "render: interp runs a kernel's graph: it has no source", Error);
}

TEST_CASE("a variable is named in the source") {
  Tensor x = Tensor::from(std::vector<float>{1, 2, 3, 4}, {4});
  std::string text = rendered(x.narrow(0, 0, variable("rows", 1, 4)).sum(), "c");
  CHECK(text.find("const int64_t n_rows = variables[0];") != std::string::npos);
  CHECK(text.find("r0 < n_rows;") != std::string::npos);
  CHECK_THROWS_WITH_AS(rendered(x.narrow(0, 0, variable("x y", 1, 4)) * 2.0, "c"),
                       "render: the variable 'x y' is no identifier", Error);
}

TEST_CASE("a kernel reads as if written by hand") {
  Tensor a = Tensor::from(std::vector<float>(128), {8, 16});
  Tensor b = Tensor::from(std::vector<float>(64), {16, 4});
  CHECK(rendered(a.matmul(b), "c") == R"(#include <math.h>
#include <stdint.h>

void kernel_0(void* const* buffers, const int64_t* variables, int64_t begin, int64_t end) {
  float* restrict p0 = buffers[0];
  const float* restrict p1 = buffers[1];
  const float* restrict p2 = buffers[2];
  for (int64_t r0 = begin; r0 < end; ++r0) {
    const int64_t v0 = r0 * 4;
    const int64_t v1 = r0 * 16;
    for (int64_t r1 = 0; r1 < 4; ++r1) {
      const int64_t v2 = v0 + r1;
      float a0 = 0.0f;
      for (int64_t r2 = 0; r2 < 16; ++r2) {
        const float v3 = p1[v1 + r2];
        const float v4 = p2[r1 + r2 * 4];
        a0 = fmaf(v3, v4, a0);
      }
      p0[v2] = a0;
    }
  }
}
)");
}

TEST_CASE("rendering is deterministic") {
  for (std::string name : {"c", "cuda", "metal", "opencl"}) {
    Target target = target_of(name);
    for (const Sample& sample : samples_without_f64()) {
      CAPTURE(sample.name);
      Job first(sample, target);
      Job second(sample, target);
      for (size_t i = 0; i < first.kernels().size(); ++i) {
        CHECK(first.kernels()[i].source == second.kernels()[i].source);
      }
    }
  }
}

}  // namespace niwaki::test
