// `niwaki env`: all that changes what the program does and is not on the command line, with the
// values it has now.
#include <algorithm>
#include <thread>

#include "cli/commands.h"
#include "cli/terminal.h"
#include "core/env.h"
#include "runtimes/device.h"
#include "runtimes/roofline.h"

namespace niwaki {

int env_command(const Args&) {
  size_t width = 0;
  for (const EnvVariable& row : env_table()) {
    width = std::max(width, row.name.size() + 1 + env(row.name).size());
  }
  std::string out;
  for (const EnvVariable& row : env_table()) {
    const std::string assignment = fmt::format("{}={}", row.name, env(row.name));
    out += fmt::format("{:<{}}  {}\n", assignment, width, row.meaning);
  }
  out += "\ndevices\n";
  for (const std::string& name : device_names()) {
    const Device& found = device(name);
    out += fmt::format("  {:<8}threads: {}, floats in a vector: {}\n", name, found.threads(),
                       found.target().lanes);
  }
  out +=
      fmt::format("\nprocessor\n  {}, {} cores\n", cpu_name(), std::thread::hardware_concurrency());
  write_out(out);
  return 0;
}

}  // namespace niwaki
