// Devices: who runs a kernel. A device says what it can do (its Target), compiles linear code, and
// launches the result. INTERP and NULL are always present; CPU compiles with LLVM and runs on a
// pool of threads.
//
// The memory of all devices here is the host's, so a buffer needs no copy to reach one.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "codegen/lower.h"
#include "core/buffer.h"

namespace niwaki {

/// A compiled kernel.
class Program {
 public:
  explicit Program(std::vector<UOp> variables) : variables_(std::move(variables)) {}
  virtual ~Program() = default;

  const std::vector<UOp>& variables() const { return variables_; }
  /// Runs the kernel on the calling thread, on buffers in the order of its params, with values for
  /// its variables in their order.
  virtual void launch(std::span<void* const> buffers, std::span<const int64_t> variables) = 0;

 private:
  std::vector<UOp> variables_;
};

/// A program and what it is to run on.
struct Launch {
  Program* program;
  std::span<void* const> buffers;
  std::span<const int64_t> variables;
};

class Device {
 public:
  explicit Device(std::string name, Target target)
      : name_(std::move(name)), target_(std::move(target)) {}
  virtual ~Device() = default;

  const std::string& name() const { return name_; }
  const Target& target() const { return target_; }
  virtual std::shared_ptr<Program> compile(const LinearCode& linear) = 0;
  /// What compile() made of a kernel in another process, after remember(); null: it is not kept.
  virtual std::shared_ptr<Program> recall(const UOp&) { return nullptr; }
  virtual void remember(const UOp&, const LinearCode&) {}
  /// Runs programs of this device, each after those before it; returns when all are done. Where
  /// another thread has launches running, they are waited for.
  void run(std::span<const Launch> launches);
  /// What its programs are made for, which a measured time holds for; empty where nothing is fast.
  virtual std::string machine() const { return {}; }
  /// The machine's text for a kernel, to look at; empty where there is none.
  virtual std::string assembly(const LinearCode&) { return {}; }
  /// Threads that a launch is spread over.
  virtual int64_t threads() const { return 1; }
  virtual void set_threads(int64_t) {}

 private:
  virtual void run_all(std::span<const Launch> launches);

  std::string name_;
  Target target_;
  std::mutex running_;
};

/// The device of that name: "CPU", "INTERP", "NULL" or "NULL:TARGET"; Error naming them for
/// another.
Device& device(const std::string& name);

/// The device that NIWAKI_DEVICE names.
Device& default_device();

/// The names of the devices.
std::vector<std::string> device_names();

/// An integer expression over variables that have these values.
int64_t evaluate_dim(const UOp& u, const std::vector<UOp>& variables,
                     std::span<const int64_t> values);

// One function a device, each in its own file.
std::unique_ptr<Device> make_interp_device();
std::unique_ptr<Device> make_null_device(const std::string& target);
std::unique_ptr<Device> make_cpu_device();

}  // namespace niwaki
