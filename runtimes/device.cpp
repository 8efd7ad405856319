#include "runtimes/device.h"

#include <map>

#include "core/env.h"
#include "core/error.h"

namespace niwaki {

void Device::run(std::span<const Launch> launches) {
  std::lock_guard<std::mutex> alone(running_);
  run_all(launches);
}

void Device::run_all(std::span<const Launch> launches) {
  for (const Launch& l : launches) l.program->launch(l.buffers, l.variables);
}

std::vector<std::string> device_names() { return {"CPU", "INTERP", "NULL"}; }

Device& device(const std::string& name) {
  static std::map<std::string, std::unique_ptr<Device>> devices;
  std::unique_ptr<Device>& found = devices[name];
  if (found) return *found;
  if (name == "CPU") found = make_cpu_device();
  else if (name == "INTERP") found = make_interp_device();
  else if (name == "NULL") found = make_null_device("c");
  else if (name.starts_with("NULL:")) found = make_null_device(name.substr(5));
  check(found != nullptr, "device: unknown name '{}': known are CPU, INTERP and NULL[:TARGET]",
        name);
  return *found;
}

int64_t evaluate_dim(const UOp& u, const std::vector<UOp>& variables,
                     std::span<const int64_t> values) {
  if (const int64_t* c = const_int(u)) return *c;
  for (size_t i = 0; i < variables.size(); ++i) {
    if (variables[i] == u) return values[i];
  }
  std::vector<Value> args;
  for (const UOp& s : u->src) args.push_back(Value::of(evaluate_dim(s, variables, values)));
  return evaluate(u->op, u->dtype, u->src.back()->dtype, args).i;
}

Device& default_device() { return device(env("NIWAKI_DEVICE")); }

}  // namespace niwaki
