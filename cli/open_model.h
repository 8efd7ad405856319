// The part that all commands which run a model share: which one, where, and how.
#pragma once

#include "cli/args.h"
#include "cli/terminal.h"
#include "models/language_model.h"

namespace niwaki {

/// The model that --model names, or the one that niwaki carries.
LanguageModel open_model(const Args& args, const ModelOptions& options);

/// The same, as --ctx-size, --threads, --device, --precision and --cache-type ask. `progress`,
/// which must outlive it, shows what is loaded and compiled.
LanguageModel open_model(const Args& args, ProgressLine& progress);

/// "CPU": the device that the model runs on.
std::string device_name(const LanguageModel& model);

/// The threads that the model runs on.
int64_t n_threads(const LanguageModel& model);

/// The last part of the model file's path.
std::string file_name(const LanguageModel& model);

/// "1.07 GiB".
std::string size_text(int64_t bytes);

}  // namespace niwaki
