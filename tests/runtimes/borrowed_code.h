// A device that interprets the code which another target's lowering makes: what the passes do can
// be checked without that target.
#pragma once

#include "runtimes/device.h"

namespace niwaki::test {

class BorrowedCode : public Device {
 public:
  explicit BorrowedCode(const std::string& target) : Device("INTERP", target_of(target)) {}
  std::shared_ptr<Program> compile(const LinearCode& linear) override {
    return device("INTERP").compile(linear);
  }
};

}  // namespace niwaki::test
