// `niwaki explain`: what the compiler makes of a graph, one of the named ones that its tests share
// or those of a model. A model has two: a step that feeds one token, and one that feeds a chunk.
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <ranges>

#include "cases/cases.h"
#include "cli/commands.h"
#include "cli/explanation.h"
#include "cli/open_model.h"
#include "core/env.h"
#include "models/language_model.h"

namespace niwaki {
namespace {

std::string explain_model(const std::string& path, const Args& args, const Device& device) {
  ModelOptions options;
  options.context = args.integer("--ctx-size");
  options.device = args.text("--device");
  const LanguageModel model = LanguageModel::open(path, options);
  BufferNames names;
  for (const GgufTensor& tensor : model.file().tensors()) {
    names[tensor.bytes.data()] = name_text(tensor.name);
  }
  const std::string what =
      fmt::format("{}, {}, ", model.description(), size_text(model.weight_bytes()));
  return explanation(what + "decode: one token", {model.decode_graph()}, device, names) + "\n" +
         explanation(what + "prefill: a chunk of t tokens", {model.prefill_graph()}, device, names);
}

}  // namespace

int explain_command(const Args& args) {
  if (!args.given("--text")) {
    throw UsageError("explain: there is one form so far: give --text for the kernels as text");
  }
  const std::string what(args.operand());
  const std::string name(args.text("--device"));
  const Device& on = device(name.empty() ? env("NIWAKI_DEVICE") : name);
  if (std::ranges::count(cases(), what, &Case::name) > 0) {
    write_out(explanation(what, find_case(what).make(), on));
    return 0;
  }
  const bool is_path = what.find_first_of("/.") != what.npos || std::filesystem::exists(what);
  if (!is_path) {
    fail("explain: {} is no file and none of the graphs {}", printable(what),
         fmt::join(std::views::transform(cases(), &Case::name), ", "));
  }
  write_out(explain_model(what, args, on));
  return 0;
}

}  // namespace niwaki
