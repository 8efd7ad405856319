// NULL: compiles nothing and runs nothing. It renders, so that any target's source can be made,
// looked at and kept as a golden on a machine that has no such device; and it is refused where
// values are asked for, because a result that nobody computed must not look like one.
#include "codegen/render.h"
#include "core/error.h"
#include "runtimes/device.h"

namespace niwaki {
namespace {

class NullProgram : public Program {
 public:
  using Program::Program;
  void launch(std::span<void* const>, std::span<const int64_t>) override {
    fail("null: this device computes nothing: choose CPU or INTERP");
  }
};

class NullDevice : public Device {
 public:
  explicit NullDevice(const std::string& target) : Device("NULL", target_of(target)) {}
  std::shared_ptr<Program> compile(const LinearCode& linear) override {
    if (!target().interpreted) render(linear, target(), "kernel");
    return std::make_shared<NullProgram>(linear.variables);
  }
};

}  // namespace

std::unique_ptr<Device> make_null_device(const std::string& target) {
  return std::make_unique<NullDevice>(target);
}

}  // namespace niwaki
