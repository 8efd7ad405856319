// CPU: kernels compiled by LLVM for the host's own instructions, their Parallel loop spread over a
// pool of threads. A kernel too small to repay waking them runs where it is called.
#include <algorithm>
#include <thread>
#include <unordered_map>

#include "codegen/render.h"
#include "core/env.h"
#include "core/error.h"
#include "runtimes/cache.h"
#include "runtimes/device.h"
#include "runtimes/jit.h"
#include "runtimes/pool.h"

namespace niwaki {
namespace {

// Operations that take about as long as waking and joining the threads.
constexpr double least_parallel_work = 250000;

using Function = void (*)(void* const* buffers, const int64_t* variables, int64_t begin,
                          int64_t end);

class CpuProgram : public Program {
 public:
  CpuProgram(Function function, const LinearCode& linear, std::unique_ptr<Pool>& pool)
      : function_(function),
        variables_(linear.variables),
        parallel_(linear.parallel),
        small_(linear.work < least_parallel_work),
        pool_(pool) {}

  void launch(std::span<void* const> buffers, std::span<const int64_t> variables) override {
    if (!parallel_) return function_(buffers.data(), variables.data(), 0, 0);
    int64_t n = evaluate_dim(parallel_, variables_, variables);
    if (small_) return function_(buffers.data(), variables.data(), 0, n);
    pool_->run(n, [&](int64_t begin, int64_t end) {
      function_(buffers.data(), variables.data(), begin, end);
    });
  }

 private:
  Function function_;
  std::vector<UOp> variables_;
  UOp parallel_;
  bool small_;
  std::unique_ptr<Pool>& pool_;
};

class CpuDevice : public Device {
 public:
  CpuDevice(std::unique_ptr<Jit> jit, Target target)
      : Device("CPU", std::move(target)), jit_(std::move(jit)) {
    set_threads(env_int("NIWAKI_THREADS"));
  }

  std::shared_ptr<Program> compile(const LinearCode& linear) override {
    std::string key = ProgramCache::key(render(linear, target(), "kernel") + jit_->machine());
    std::string name = "kernel_" + key;
    std::string ir = render(linear, target(), name);
    std::optional<std::vector<char>> object = cache_.find(key);
    if (!object) {
      object = jit_->compile(ir);
      cache_.keep(key, *object);
    }
    // The same code may be asked for by two kernels that differ only above it.
    auto [known, fresh] = functions_.try_emplace(key, nullptr);
    if (fresh) known->second = reinterpret_cast<Function>(jit_->load(*object, name));
    return std::make_shared<CpuProgram>(known->second, linear, pool_);
  }

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
  std::unique_ptr<Jit> jit_;
  ProgramCache cache_;
  std::unique_ptr<Pool> pool_;
  std::unordered_map<std::string, Function> functions_;
};

}  // namespace

std::unique_ptr<Device> make_cpu_device() {
  auto jit = std::make_unique<Jit>();
  Target target = target_of("llvm");
  bool avx512 = jit->has_feature("avx512bw") && jit->has_feature("avx512vl");
  bool avx = jit->has_feature("avx2");
  target.lanes = avx512 ? 16 : avx ? 8 : 4;
  target.registers = avx512 ? 32 : 16;
  target.native_f16 = jit->has_feature("f16c") || !jit->has_feature("sse2");
  return std::make_unique<CpuDevice>(std::move(jit), target);
}

}  // namespace niwaki
