// CPU: kernels compiled by LLVM for the host's own instructions. The launches of a replay are one
// series of loops for a pool of threads, the Parallel loop of each kernel; a kernel too small to be
// worth sharing runs on the thread that comes to it.
#include <algorithm>
#include <thread>
#include <unordered_map>

#include "codegen/render.h"
#include "core/env.h"
#include "core/error.h"
#include "runtimes/cache.h"
#include "runtimes/device.h"
#include "runtimes/jit.h"
#include "runtimes/known_kernels.h"
#include "runtimes/pool.h"

namespace niwaki {
namespace {

// Operations that take four times as long as it costs to share them (tests/bench/launch.cpp: 2.5 us
// and 0.6 us): less would pay, but half of the data may have to come from the other thread's cache.
constexpr double least_shared_work = 100000;

using Function = void (*)(void* const* buffers, const int64_t* variables, int64_t begin,
                          int64_t end);

class CpuProgram : public Program {
 public:
  CpuProgram(Function function, const LinearCode& linear)
      : Program(linear.variables),
        function_(function),
        parallel_(linear.parallel ? linear.parallel : index(1)),
        shared_(linear.parallel && linear.work >= least_shared_work) {}

  /// Its Parallel loop.
  Pool::Loop loop(std::span<const int64_t> variables) const {
    return {evaluate_dim(parallel_, this->variables(), variables), shared_};
  }
  /// Iterations [begin, end) of it.
  void run(const Launch& launch, int64_t begin, int64_t end) const {
    function_(launch.buffers.data(), launch.variables.data(), begin, end);
  }
  void launch(std::span<void* const> buffers, std::span<const int64_t> variables) override {
    function_(buffers.data(), variables.data(), 0, loop(variables).n);
  }

 private:
  Function function_;
  UOp parallel_;
  bool shared_;
};

class CpuDevice : public Device {
 public:
  CpuDevice(std::unique_ptr<Jit> jit, Target target)
      : Device("CPU", std::move(target)), jit_(std::move(jit)), known_(cache_, jit_->machine()) {
    set_threads(env_int("NIWAKI_THREADS"));
  }

  std::shared_ptr<Program> compile(const LinearCode& linear) override {
    std::string key = key_of(linear);
    std::optional<std::vector<char>> object = cache_.find(key);
    if (!object) {
      object = jit_->compile(render(linear, target(), name_of(key)));
      cache_.keep(key, *object);
    }
    return std::make_shared<CpuProgram>(function(key, *object), linear);
  }

  std::shared_ptr<Program> recall(const UOp& kernel) override {
    std::optional<KnownKernel> known = known_.find(kernel);
    if (!known) return nullptr;
    std::optional<std::vector<char>> object = cache_.find(known->key);
    if (!object) return nullptr;
    return std::make_shared<CpuProgram>(function(known->key, *object), known->launch);
  }

  void remember(const UOp& kernel, const LinearCode& linear) override {
    known_.keep(kernel, {key_of(linear), linear});
  }

  std::string machine() const override { return jit_->machine(); }

  std::string assembly(const LinearCode& linear) override {
    return jit_->assembly(render(linear, target(), "kernel"));
  }

  int64_t threads() const override { return pool_->threads(); }

  void set_threads(int64_t n) override {
    check(n >= 0 && n <= 1024, "cpu: {} threads: give 1 to 1024, or 0 for one a core", n);
    int64_t wanted = n ? n : std::max<int64_t>(1, std::thread::hardware_concurrency());
    if (!pool_ || pool_->threads() != wanted) pool_ = std::make_unique<Pool>(wanted);
  }

 private:
  std::string key_of(const LinearCode& linear) const {
    return ProgramCache::key(render(linear, target(), "kernel") + jit_->machine());
  }
  static std::string name_of(const std::string& key) { return "kernel_" + key; }

  // The same code may be asked for by two kernels that differ only above it.
  Function function(const std::string& key, const std::vector<char>& object) {
    auto [known, fresh] = functions_.try_emplace(key, nullptr);
    if (fresh) known->second = reinterpret_cast<Function>(jit_->load(object, name_of(key)));
    return known->second;
  }

  void run_all(std::span<const Launch> launches) override {
    auto program = [&](size_t i) -> const CpuProgram& {
      return static_cast<const CpuProgram&>(*launches[i].program);
    };
    loops_.clear();
    for (size_t i = 0; i < launches.size(); ++i) {
      loops_.push_back(program(i).loop(launches[i].variables));
    }
    pool_->run(loops_, [&](size_t i, int64_t begin, int64_t end) {
      program(i).run(launches[i], begin, end);
    });
  }

  std::unique_ptr<Jit> jit_;
  ProgramCache cache_;
  KnownKernels known_;
  std::unique_ptr<Pool> pool_;
  std::vector<Pool::Loop> loops_;
  std::unordered_map<std::string, Function> functions_;
};

}  // namespace

std::unique_ptr<Device> make_cpu_device() {
  auto jit = std::make_unique<Jit>();
  Target target = target_of("llvm");
  bool avx512 = jit->has_feature("avx512bw") && jit->has_feature("avx512vl");
  bool avx = jit->has_feature("avx2");
  target.lanes = avx512 ? 16 : avx ? 8 : 4;
  target.masks = avx512;
  target.lookups = lookups_of(avx512 ? "avx512" : avx ? "avx2" : "");
  target.registers = avx512 ? 32 : 16;
  target.native_f16 = jit->has_feature("f16c") || !jit->has_feature("sse2");
  return std::make_unique<CpuDevice>(std::move(jit), target);
}

}  // namespace niwaki
