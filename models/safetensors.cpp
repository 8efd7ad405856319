// A message has the form `safetensors: FILE: what is wrong: what to do`, and what it quotes from
// the file goes through printable(). As in models/gguf.cpp, every count is compared with what is
// there before it is used, and checks divide where they could multiply.
#include "models/safetensors.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "core/error.h"
#include "models/gguf.h"
#include "models/mapped_file.h"
#include "models/utf8.h"
#include "runtimes/realize.h"

namespace niwaki {
namespace {

static_assert(std::endian::native == std::endian::little, "the data of a file is used as it is");

struct TypeRow {
  std::string_view name;
  DType dtype;
};

constexpr std::array<TypeRow, 13> types = {{
    {"BOOL", boolean},
    {"U8", u8},
    {"I8", i8},
    {"U16", u16},
    {"I16", i16},
    {"F16", f16},
    {"BF16", bf16},
    {"U32", u32},
    {"I32", i32},
    {"F32", f32},
    {"U64", u64},
    {"I64", i64},
    {"F64", f64},
}};

constexpr std::string_view metadata_key = "__metadata__";
constexpr std::string_view cut_hint = "the file is cut short or damaged: download it again";
constexpr std::string_view broken_hint = "the file is broken: write it again";

constexpr uint64_t length_bytes = 8;
constexpr uint64_t max_header_bytes = 100'000'000;
constexpr size_t max_dims = 32;
constexpr uint64_t max_values = uint64_t(1) << 56;

// A tensor as the header has it: its bytes are [begin, end) of the data.
struct Entry {
  DType dtype;
  std::vector<uint64_t> shape;
  std::vector<uint64_t> offsets;

  uint64_t begin() const { return offsets[0]; }
  uint64_t end() const { return offsets[1]; }
};
using Entries = std::map<std::string, Entry>;

// An Error about `what` in `file` unless `ok`.
template <class... Args>
void demand(bool ok, const std::string& file, const std::string& what, std::string_view hint,
            fmt::format_string<Args...> problem, Args&&... args) {
  if (ok) return;
  fail("safetensors: {}: {} {}: {}", file, what, fmt::format(problem, std::forward<Args>(args)...),
       hint);
}

std::string tensor_named(std::string_view name) { return "the tensor " + printable(name); }

// What the parser calls for each thing that it meets in the header. At every place one kind of
// thing is expected, and all others are refused, so nothing nests deeper than the format does.
class Header {
 public:
  explicit Header(const std::string& file) : file_(file) {}

  Entries entries;
  std::map<std::string, std::string> metadata;

  bool null() { return refuse("null"); }
  bool boolean(bool) { return refuse("a bool"); }
  bool number_integer(int64_t) { return refuse("a negative number"); }
  bool number_float(double, const std::string&) { return refuse("a number that is not whole"); }
  bool binary(std::vector<uint8_t>&) { return refuse("bytes"); }

  bool number_unsigned(uint64_t number) {
    if (in_ != In::Array) return refuse("a number");
    std::vector<uint64_t>& list = field_ == "shape" ? entry_->shape : entry_->offsets;
    need(list.size() < max_dims, "has more than {} numbers in its {}", max_dims, field_);
    list.push_back(number);
    return true;
  }

  bool string(std::string& text) {
    if (in_ == In::Metadata) {
      metadata[key_] = std::move(text);
      return true;
    }
    if (in_ != In::Tensor || field_ != "dtype") return refuse("a string");
    auto row = std::find_if(types.begin(), types.end(),
                            [&](const TypeRow& known) { return known.name == text; });
    demand(row != types.end(), file_, what_, "niwaki reads BOOL, U8 to I64, F16, BF16, F32, F64",
           "has the dtype {}", printable(text));
    entry_->dtype = row->dtype;
    return true;
  }

  bool start_object(size_t) {
    if (in_ == In::File) in_ = In::Tensors;
    else if (in_ == In::Tensors) in_ = key_ == metadata_key ? In::Metadata : In::Tensor;
    else return refuse("an object");
    return true;
  }

  bool end_object() {
    if (in_ == In::Tensor) {
      for (const char* field : {"dtype", "shape", "data_offsets"}) {
        need(fields_.contains(field), "has no {}", field);
      }
    }
    in_ = In::Tensors;
    return true;
  }

  bool key(std::string& name) {
    if (in_ == In::Tensors && name == metadata_key) {
      what_ = "the metadata";
      need(!std::exchange(has_metadata_, true), "is there twice");
    } else if (in_ == In::Tensors) {
      what_ = tensor_named(name);
      auto [place, is_new] = entries.try_emplace(name);
      need(is_new, "is there twice");
      entry_ = &place->second;
      fields_.clear();
    } else if (in_ == In::Metadata) {
      need(!metadata.contains(name), "has {} twice", printable(name));
    } else {
      bool known = name == "dtype" || name == "shape" || name == "data_offsets";
      need(known, "has the unknown field {}", printable(name));
      need(fields_.insert(name).second, "has {} twice", name);
      field_ = name;
    }
    key_ = std::move(name);
    return true;
  }

  bool start_array(size_t) {
    if (in_ != In::Tensor || field_ == "dtype") return refuse("an array");
    in_ = In::Array;
    return true;
  }

  bool end_array() {
    in_ = In::Tensor;
    return true;
  }

  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception&) {
    fail("safetensors: {}: the header is no JSON at byte {}: {}", file_,
         length_bytes + position - 1, broken_hint);
  }

 private:
  enum class In { File, Tensors, Metadata, Tensor, Array };

  template <class... Args>
  void need(bool ok, fmt::format_string<Args...> problem, Args&&... args) const {
    demand(ok, file_, what_, broken_hint, problem, std::forward<Args>(args)...);
  }

  bool refuse(const char* found) const {
    const char* expected = in_ == In::Array      ? "a whole number"
                           : in_ == In::Metadata ? "a string"
                           : in_ != In::Tensor   ? "an object"
                           : field_ == "dtype"   ? "a string"
                                                 : "an array";
    need(false, "has {} where {} is expected", found, expected);
    return false;
  }

  const std::string& file_;
  In in_ = In::File;
  std::string what_ = "the header";  // what is being read, for messages
  std::string key_;
  std::string field_;
  std::set<std::string> fields_;  // of the tensor that is being read
  Entry* entry_ = nullptr;
  bool has_metadata_ = false;
};

std::string_view header_text(std::span<const std::byte> bytes, const std::string& file) {
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  check(!text.starts_with("GGUF"), "safetensors: {}: this is a GGUF file: open it as a model",
        file);
  check(!text.starts_with("PK\3\4"),
        "safetensors: {}: this is a zip archive or a PyTorch checkpoint: convert it to safetensors",
        file);
  demand(text.size() >= length_bytes, file, "the file", cut_hint,
         "has {} bytes and the length of its header {}", text.size(), length_bytes);
  uint64_t length = 0;
  std::memcpy(&length, text.data(), length_bytes);
  text.remove_prefix(length_bytes);
  demand(length <= max_header_bytes, file, "the header", "give a safetensors file",
         "has {} bytes, more than {}", length, max_header_bytes);
  demand(length <= text.size(), file, "the header", cut_hint, "has {} bytes of the {} left", length,
         text.size());
  text = text.substr(0, length);
  demand(text.starts_with('{'), file, "the header", "give a safetensors file",
         "begins {}, not '{{'", printable(text.substr(0, 1)));
  return text;
}

// The shape of a tensor whose bytes it accounts for. Dims are bounded even beside a dim of 0: their
// products are strides.
std::vector<int64_t> checked_shape(const Entry& entry, const std::string& file,
                                   const std::string& what) {
  std::vector<int64_t> shape;
  uint64_t values = 1;
  bool empty = false;
  for (uint64_t dim : entry.shape) {
    empty |= dim == 0;
    uint64_t factor = std::max<uint64_t>(dim, 1);
    demand(factor <= max_values / values, file, what, broken_hint,
           "has the shape ({}), beyond 2^56", fmt::join(entry.shape, ", "));
    values *= factor;
    shape.push_back(int64_t(dim));
  }
  uint64_t bytes = empty ? 0 : values * uint64_t(byte_size(entry.dtype));
  demand(bytes == entry.end() - entry.begin(), file, what, broken_hint,
         "has {} bytes, and {} ({}) is {}", entry.end() - entry.begin(), name(entry.dtype),
         fmt::join(entry.shape, ", "), bytes);
  return shape;
}

// Every tensor within the data, and every byte of the data in one of them.
void check_places(const Entries& entries, uint64_t size, const std::string& file) {
  std::vector<const Entries::value_type*> sorted;
  for (const Entries::value_type& named : entries) {
    const Entry& entry = named.second;
    std::string what = tensor_named(named.first);
    demand(entry.offsets.size() == 2, file, what, broken_hint, "has {} offsets, not 2",
           entry.offsets.size());
    demand(entry.begin() <= entry.end(), file, what, broken_hint, "has the bytes {} to {}",
           entry.begin(), entry.end());
    demand(entry.end() <= size, file, what, cut_hint, "has the bytes {} to {} of {} bytes of data",
           entry.begin(), entry.end(), size);
    sorted.push_back(&named);
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const auto* a, const auto* b) { return a->second.offsets < b->second.offsets; });
  uint64_t position = 0;
  for (const Entries::value_type* named : sorted) {
    const Entry& entry = named->second;
    std::string what = tensor_named(named->first);
    demand(entry.begin() >= position, file, what, broken_hint,
           "begins at byte {} of the data, within the one that ends at {}", entry.begin(),
           position);
    demand(entry.begin() == position, file, what, broken_hint,
           "begins at byte {} of the data, and no tensor has those from {}", entry.begin(),
           position);
    position = entry.end();
  }
  demand(position == size, file, "the file", broken_hint,
         "has {} bytes of data, of which {} are used", size, position);
}

Tensor tensor_of(const Entry& entry, std::vector<int64_t> shape, std::span<const std::byte> bytes,
                 const std::shared_ptr<const void>& owner) {
  if (reinterpret_cast<uintptr_t>(bytes.data()) % uint64_t(byte_size(entry.dtype)) == 0) {
    return Tensor::view(bytes.data(), entry.dtype, std::move(shape), owner);
  }
  std::shared_ptr<void> copy = allocate(int64_t(bytes.size()));
  std::memcpy(copy.get(), bytes.data(), bytes.size());
  return Tensor::view(copy.get(), entry.dtype, std::move(shape), copy);
}

// The buffers of `state`, in the order of a file: wider dtypes first, so that each lies aligned.
std::vector<std::pair<std::string, BufferRef>> buffers_of(
    const std::string& path, const std::map<std::string, Tensor>& state) {
  std::vector<Tensor> computed;
  for (const auto& [name, tensor] : state) {
    std::string what = tensor_named(name);
    check(name != metadata_key && !first_invalid_utf8(name),
          "save_safetensors: {}: {} cannot have that name: give another, in UTF-8", path, what);
    bool known = std::any_of(types.begin(), types.end(),
                             [&](const TypeRow& row) { return row.dtype == tensor.dtype(); });
    check(known, "save_safetensors: {}: {} has the dtype {}: cast it to one that the format has",
          path, what, niwaki::name(tensor.dtype()));
    for (const UOp& dim : tensor.shape()) {
      check(const_int(dim) != nullptr, "save_safetensors: {}: {} has the symbolic shape {}", path,
            what, to_string(tensor.shape()));
    }
    if (tensor.uop()->op != Op::Buffer) computed.push_back(tensor);
  }
  computed = realize(computed);
  std::vector<std::pair<std::string, BufferRef>> buffers;
  size_t next = 0;
  for (const auto& [name, tensor] : state) {
    bool stored = tensor.uop()->op == Op::Buffer;
    const Tensor& values = stored ? tensor : computed[next++];
    const BufferRef& buffer = values.uop()->get<BufferRef>();
    expect(buffer->data || buffer->bytes() == 0, "save_safetensors: {} has no memory", name);
    buffers.emplace_back(name, buffer);
  }
  std::stable_sort(buffers.begin(), buffers.end(), [](const auto& a, const auto& b) {
    return byte_size(a.second->dtype) > byte_size(b.second->dtype);
  });
  return buffers;
}

std::string header_of(const std::string& path,
                      const std::vector<std::pair<std::string, BufferRef>>& buffers,
                      const std::map<std::string, std::string>& metadata) {
  nlohmann::json header = nlohmann::json::object();
  for (const auto& [key, value] : metadata) {
    check(!first_invalid_utf8(key) && !first_invalid_utf8(value),
          "save_safetensors: {}: the metadata {} is not in UTF-8", path, printable(key));
    header[std::string(metadata_key)][key] = value;
  }
  int64_t position = 0;
  for (const auto& [name, buffer] : buffers) {
    auto row = std::find_if(types.begin(), types.end(),
                            [&](const TypeRow& known) { return known.dtype == buffer->dtype; });
    int64_t begin = std::exchange(position, position + buffer->bytes());
    header[name] = {
        {"dtype", row->name}, {"shape", buffer->shape}, {"data_offsets", {begin, position}}};
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  check(text.size() <= max_header_bytes,
        "save_safetensors: {}: the header has {} bytes, more than {}: give less metadata", path,
        text.size(), max_header_bytes);
  return text;
}

// A file under another name, which becomes `path` when it is whole, and else is gone.
class NewFile {
 public:
  explicit NewFile(const std::string& path)
      : path_(path), temporary_(fmt::format("{}.{}.tmp", path, ::getpid())) {
    file_ = std::fopen(temporary_.c_str(), "wbxe");
    if (!file_) complain(temporary_);
  }
  NewFile(const NewFile&) = delete;
  ~NewFile() {
    if (file_) std::fclose(file_);
    if (!kept_) std::remove(temporary_.c_str());
  }

  void write(const void* data, size_t size) {
    if (size > 0 && std::fwrite(data, 1, size, file_) != size) complain(path_);
  }

  void keep() {
    if (std::fflush(file_) != 0 || ::fsync(::fileno(file_)) != 0) complain(path_);
    if (std::fclose(std::exchange(file_, nullptr)) != 0) complain(path_);
    if (std::rename(temporary_.c_str(), path_.c_str()) != 0) complain(path_);
    kept_ = true;
  }

 private:
  [[noreturn]] static void complain(const std::string& path) {
    fail("save_safetensors: {}: {}", path, std::generic_category().message(errno));
  }

  std::string path_;
  std::string temporary_;
  std::FILE* file_ = nullptr;
  bool kept_ = false;
};

}  // namespace

Safetensors parse_safetensors(std::span<const std::byte> bytes, const std::string& name,
                              std::shared_ptr<const void> owner) {
  std::string_view text = header_text(bytes, name);
  Header header(name);
  nlohmann::json::sax_parse(text, &header);
  std::span<const std::byte> data = bytes.subspan(length_bytes + text.size());
  check_places(header.entries, data.size(), name);
  Safetensors found;
  found.metadata = std::move(header.metadata);
  for (const auto& [key, entry] : header.entries) {
    std::string what = tensor_named(key);
    std::vector<int64_t> shape = checked_shape(entry, name, what);
    std::span<const std::byte> own = data.subspan(entry.begin(), entry.end() - entry.begin());
    bool valid = entry.dtype != boolean ||
                 std::all_of(own.begin(), own.end(), [](std::byte b) { return b <= std::byte(1); });
    demand(valid, name, what, broken_hint, "has a bool that is neither 0 nor 1");
    found.tensors.emplace(key, tensor_of(entry, std::move(shape), own, owner));
  }
  return found;
}

Safetensors open_safetensors(const std::string& path) {
  const std::shared_ptr<const MappedFile> mapping = std::make_shared<const MappedFile>(path);
  return parse_safetensors(mapping->bytes(), path, mapping);
}

std::map<std::string, Tensor> load_safetensors(const std::string& path) {
  return open_safetensors(path).tensors;
}

void save_safetensors(const std::string& path, const std::map<std::string, Tensor>& state,
                      const std::map<std::string, std::string>& metadata) {
  std::vector<std::pair<std::string, BufferRef>> buffers = buffers_of(path, state);
  std::string header = header_of(path, buffers, metadata);
  NewFile file(path);
  uint64_t length = header.size();
  file.write(&length, length_bytes);
  file.write(header.data(), header.size());
  for (const auto& [name, buffer] : buffers) file.write(buffer->data, size_t(buffer->bytes()));
  file.keep();
}

}  // namespace niwaki
