#include "runtimes/device.h"

#include <map>

#include "core/env.h"
#include "core/error.h"

namespace niwaki {

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

Device& default_device() { return device(env("NIWAKI_DEVICE")); }

}  // namespace niwaki
