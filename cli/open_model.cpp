#include "cli/open_model.h"

#include <filesystem>

#include "core/env.h"
#include "runtimes/device.h"

namespace niwaki {

LanguageModel open_model(const Args& args, const ModelOptions& options) {
  if (!args.given("--model")) return LanguageModel::embedded(options);
  return LanguageModel::open(std::string(args.text("--model")), options);
}

LanguageModel open_model(const Args& args, ProgressLine& progress) {
  ModelOptions options;
  options.context = args.integer("--ctx-size");
  options.threads = args.integer("--threads");
  options.device = args.text("--device");
  options.precision = args.text("--precision");
  options.cache_type = dtype_from_name(args.text("--cache-type"));
  options.progress = [&progress](int64_t done, int64_t all) {
    progress.show(fmt::format("compiling: {} of {} kernels", done, all));
    if (done == all) progress.erase();
  };
  progress.show("loading");
  LanguageModel model = open_model(args, options);
  progress.erase();
  return model;
}

std::string device_name(const LanguageModel& model) {
  return model.options().device.empty() ? env("NIWAKI_DEVICE") : model.options().device;
}

int64_t n_threads(const LanguageModel& model) { return device(device_name(model)).threads(); }

std::string file_name(const LanguageModel& model) {
  return std::filesystem::path(model.file().name()).filename().string();
}

std::string size_text(int64_t bytes) {
  const double mebi = static_cast<double>(bytes) / (1 << 20);
  return mebi < 1024 ? fmt::format("{:.2f} MiB", mebi) : fmt::format("{:.2f} GiB", mebi / 1024);
}

}  // namespace niwaki
