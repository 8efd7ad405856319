// `niwaki inspect`: what a GGUF file says about itself, for people. Whether the model can run is
// not asked; whether the file is whole is, as by everything that reads one.
#include <algorithm>

#include "cli/commands.h"
#include "cli/open_model.h"
#include "cli/terminal.h"
#include "models/formats.h"

namespace niwaki {
namespace {

std::string item_text(const GgufValue::Item& item) {
  if (const std::string_view* const text = std::get_if<std::string_view>(&item)) {
    return printable(*text);
  }
  // As many digits as an f32 has, which is what files hold.
  if (const double* const number = std::get_if<double>(&item)) {
    return fmt::format("{:.7g}", *number);
  }
  return std::visit([](const auto& value) { return fmt::format("{}", value); }, item);
}

// A vocabulary has 150,000 strings; the first few tell what it is.
std::string value_text(const GgufValue& value) {
  constexpr int64_t shown = 4;
  std::vector<std::string> items;
  for (int64_t i = 0; i < std::min(value.size(), shown); i++) {
    items.push_back(item_text(value.item(i)));
  }
  if (!value.is_array()) return items[0];
  if (value.size() > shown) items.push_back(fmt::format("... ({} items)", value.size()));
  return fmt::format("[{}]", fmt::join(items, ", "));
}

}  // namespace

int inspect_command(const Args& args) {
  const Gguf file = Gguf::open(std::string(args.operand()), geometry_of);

  std::string out = fmt::format("GGUF version {}\n\n", file.version());
  for (const Gguf::Entry& entry : file.metadata()) {
    out += fmt::format("{:<44} {:<16} {}\n", name_text(entry.key), entry.value.type_name(),
                       value_text(entry.value));
  }
  out += '\n';
  int64_t values = 0;
  int64_t bytes = 0;
  for (const GgufTensor& tensor : file.tensors()) {
    const TypeGeometry type = geometry_of(tensor.type_id, tensor.name);
    const int64_t size = std::ssize(tensor.bytes);
    out += fmt::format("{:<44} {:<6} {:<20} {:>12} bytes\n", name_text(tensor.name), type.name,
                       fmt::format("[{}]", fmt::join(tensor.shape, ", ")), size);
    values += size / type.bytes * type.values;
    bytes += size;
  }
  out +=
      fmt::format("\n{} tensors, {} values, {} bytes ({}), {:.3f} bits a value\n",
                  file.tensors().size(), values, bytes, size_text(bytes),
                  values > 0 ? 8.0 * static_cast<double>(bytes) / static_cast<double>(values) : 0);
  write_out(out);
  return 0;
}

}  // namespace niwaki
