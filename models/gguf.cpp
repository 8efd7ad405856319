// Reading is one pass over the file by a Reader that refuses to go where the file is not. Two rules
// keep it safe. Every count goes through Reader::need() before anything is done with it. And every
// check divides where it could multiply: a product that wraps around to a small number is the hole
// that most readers of this format have had.
//
// A message has the form `gguf: FILE: what is wrong at byte N: what to do`, and what it quotes from
// the file goes through printable().
#include "models/gguf.h"

#include "core/error.h"
#include "models/mapped_file.h"

#include <algorithm>
#include <array>
#include <bit>
#include <type_traits>
#include <utility>

namespace niwaki {
namespace {

using Kind = GgufValue::Kind;
using Item = GgufValue::Item;

struct TypeRow {
  std::string_view name;
  Kind kind;
  uint64_t bytes;  // of an item; a string and an array say their own
};

// The value types, in the order of their numbers in the file.
constexpr std::array<TypeRow, 13> value_types = {{
    {"u8", Kind::Unsigned, 1},
    {"i8", Kind::Signed, 1},
    {"u16", Kind::Unsigned, 2},
    {"i16", Kind::Signed, 2},
    {"u32", Kind::Unsigned, 4},
    {"i32", Kind::Signed, 4},
    {"f32", Kind::Float, 4},
    {"bool", Kind::Bool, 1},
    {"string", Kind::String, 0},
    {"array", Kind::Array, 0},
    {"u64", Kind::Unsigned, 8},
    {"i64", Kind::Signed, 8},
    {"f64", Kind::Float, 8},
}};

struct Signature {
  std::string_view start;  // in lower case
  std::string_view what;
  std::string_view hint;
};

constexpr std::string_view page_hint = "download the model itself, not the page that shows it";
constexpr std::string_view old_hint = "download or convert the model anew, as GGUF";

// What people hand over in place of a GGUF file.
constexpr std::array<Signature, 7> signatures = {{
    {"<!doctype", "an HTML page", page_hint},
    {"<html", "an HTML page", page_hint},
    {"version https://git-lfs", "a git-lfs pointer", "run `git lfs pull` to fetch the model"},
    {"lmgg", "an old ggml file", old_hint},
    {"fmgg", "an old ggmf file", old_hint},
    {"tjgg", "an old ggjt file", old_hint},
    {"pk\3\4", "a zip archive or a PyTorch checkpoint", "convert it to GGUF"},
}};

constexpr std::string_view magic = "GGUF";
constexpr std::string_view cut_hint = "the file is cut short or damaged: download it again";
constexpr std::string_view broken_hint = "the file is broken: convert the model again";

constexpr std::initializer_list<Kind> integer_kinds = {Kind::Unsigned, Kind::Signed};
constexpr std::initializer_list<Kind> number_kinds = {Kind::Unsigned, Kind::Signed, Kind::Float};

constexpr uint64_t header_bytes = 24;
constexpr uint64_t min_entry_bytes = 8 + 1 + 4 + 1;           // key, type, value
constexpr uint64_t min_tensor_bytes = 8 + 1 + 4 + 8 + 4 + 8;  // name, n_dims, dim, type, offset
constexpr uint64_t max_name_bytes = 64;
constexpr uint64_t max_dims = 4;
constexpr uint64_t max_values = std::numeric_limits<int64_t>::max();

uint64_t little_endian(std::span<const std::byte> bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | std::to_integer<uint64_t>(bytes[i]);
  return value;
}

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Names the file if it is something else that is known, or too short to be a GGUF file.
void check_magic(std::span<const std::byte> bytes, const std::string& name) {
  const std::string_view text = as_text(bytes);
  std::string lower(text.substr(0, header_bytes));
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
  }
  for (const Signature& other : signatures) {
    check(!lower.starts_with(other.start), "gguf: {}: this is {}: {}", name, other.what,
          other.hint);
  }
  check(text.starts_with(magic) || text.size() < 9 || text[8] != '{',
        "gguf: {}: this is a safetensors file: convert it to GGUF", name);
  check(text.size() >= header_bytes, "gguf: {}: the file has {} bytes and a header has {}: {}",
        name, text.size(), header_bytes, cut_hint);
  check(text.starts_with(magic), "gguf: {}: the magic is {} at byte 0: give a file that begins {}",
        name, printable(text.substr(0, magic.size())), printable(magic));
}

// The number in `item`, if T can hold it and it lies within [low, high].
template <class T>
T bounded(const std::string& file, std::string_view key, const Item& item, T low, T high) {
  return std::visit(
      [&](auto value) -> T {
        constexpr bool widens = std::is_same_v<T, double> && std::is_arithmetic_v<decltype(value)>;
        if constexpr (widens || std::is_same_v<T, decltype(value)>) {
          const T number = static_cast<T>(value);
          if (low <= number && number <= high) return number;
        }
        fail("gguf: {}: the key {} is {}: expected {} to {}", file, printable(key), value, low,
             high);
      },
      item);
}

template <class T>
std::vector<T> all_bounded(const std::string& file, std::string_view key, const GgufValue& array,
                           T low, T high) {
  std::vector<T> out;
  for (int64_t i = 0; i < array.size(); ++i) {
    out.push_back(bounded(file, key, array.item(i), low, high));
  }
  return out;
}

}  // namespace

std::string printable(std::string_view text) {
  constexpr size_t limit = 64;
  std::string out = "'";
  for (const char c : text.substr(0, limit)) {
    if (c < ' ' || c > '~') {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      if (c == '\'' || c == '\\') out += '\\';
      out += c;
    }
  }
  out += text.size() > limit ? fmt::format("'... ({} bytes)", text.size()) : "'";
  return out;
}

GgufValue::GgufValue(uint32_t type, bool is_array, std::span<const std::byte> bytes,
                     std::vector<std::string_view> strings)
    : type_(type), is_array_(is_array), bytes_(bytes), strings_(std::move(strings)) {}

std::string GgufValue::type_name() const {
  return fmt::format("{}{}", is_array_ ? "array of " : "", value_types[type_].name);
}

GgufValue::Kind GgufValue::kind() const { return value_types[type_].kind; }

int64_t GgufValue::size() const {
  if (kind() == Kind::String) return static_cast<int64_t>(strings_.size());
  return static_cast<int64_t>(bytes_.size() / value_types[type_].bytes);
}

GgufValue::Item GgufValue::item(int64_t i) const {
  expect(i >= 0 && i < size(), "gguf: item {} of {}", i, size());
  if (kind() == Kind::String) return strings_[i];
  const TypeRow& row = value_types[type_];
  const uint64_t raw = little_endian(bytes_.subspan(i * row.bytes, row.bytes));
  if (row.kind == Kind::Bool) return raw != 0;
  if (row.kind == Kind::Float && row.bytes == 8) return std::bit_cast<double>(raw);
  if (row.kind == Kind::Float) return std::bit_cast<float>(static_cast<uint32_t>(raw));
  if (row.kind == Kind::Unsigned && !std::in_range<int64_t>(raw)) return raw;
  if (row.kind == Kind::Unsigned) return static_cast<int64_t>(raw);
  const uint64_t unused = 64 - 8 * row.bytes;
  return static_cast<int64_t>(raw << unused) >> unused;
}

// A position in the file that only moves over bytes that are there, and what is read from there on.
class Gguf::Reader {
 public:
  Reader(std::span<const std::byte> bytes, const std::string& file) : bytes_(bytes), file_(file) {}

  uint64_t position() const { return position_; }

  /// Says what is read next, for messages.
  void enter(std::string what) { what_ = std::move(what); }

  /// An Error about what begins at byte `at` unless `ok`.
  template <class... Args>
  void demand(bool ok, uint64_t at, std::string_view hint, fmt::format_string<Args...> problem,
              Args&&... args) const {
    if (ok) return;
    fail("gguf: {}: {} {} at byte {}: {}", file_, what_,
         fmt::format(problem, std::forward<Args>(args)...), at, hint);
  }

  /// An Error unless `count` times `each` bytes are left; afterwards that product is safe.
  void need(uint64_t count, uint64_t each) const {
    const uint64_t left = bytes_.size() - position_;
    if (count <= left / each) return;
    const bool wraps = count > std::numeric_limits<uint64_t>::max() / each;
    const std::string wanted =
        wraps ? fmt::format("{} x {}", count, each) : fmt::format("{}", count * each);
    demand(false, position_, cut_hint, "needs {} bytes of the {} left", wanted, left);
  }

  std::span<const std::byte> take(uint64_t count, uint64_t each) {
    need(count, each);
    const std::span<const std::byte> taken = bytes_.subspan(position_, count * each);
    position_ += taken.size();
    return taken;
  }

  uint32_t u32() { return static_cast<uint32_t>(little_endian(take(1, 4))); }
  uint64_t u64() { return little_endian(take(1, 8)); }
  std::string_view text() { return as_text(take(u64(), 1)); }

  GgufValue value() {
    const uint32_t type = value_type();
    if (value_types[type].kind != Kind::Array) return items(type, 1, false);
    const uint64_t at = position_;
    const uint32_t item_type = value_type();
    demand(value_types[item_type].kind != Kind::Array, at, "niwaki reads flat arrays only",
           "is an array of arrays");
    return items(item_type, u64(), true);
  }

  /// A description, all of it checked but where the data lies: that depends on where the last
  /// description ends. Until place(), `offset` counts from there and `bytes` has only its length.
  GgufTensor tensor(uint64_t alignment, const TypeLookup& lookup) {
    GgufTensor out;
    const uint64_t name_at = position_;
    out.name = text();
    demand(!out.name.empty() && out.name.size() <= max_name_bytes, name_at, broken_hint,
           "has a name of {} bytes, not 1 to {}", out.name.size(), max_name_bytes);
    enter("the tensor " + printable(out.name));

    const uint64_t n_dims_at = position_;
    const uint32_t n_dims = u32();
    demand(n_dims >= 1 && n_dims <= max_dims, n_dims_at, broken_hint, "has {} dims, not 1 to {}",
           n_dims, max_dims);
    uint64_t values = 1;
    for (uint32_t i = 0; i < n_dims; ++i) {
      const uint64_t at = position_;
      const uint64_t dim = u64();
      demand(dim != 0, at, broken_hint, "has a dim of 0");
      demand(dim <= max_values / values, at, broken_hint, "has {} x {} values, beyond 2^63", values,
             dim);
      values *= dim;
      out.shape.insert(out.shape.begin(), static_cast<int64_t>(dim));
    }

    const uint64_t type_at = position_;
    out.type_id = u32();
    const TypeGeometry type = geometry(out, lookup);
    const int64_t row = out.shape.back();
    demand(row % type.values == 0, type_at, broken_hint,
           "has rows of {} values, and {} comes in blocks of {}", row, type.name, type.values);
    const uint64_t blocks = values / static_cast<uint64_t>(type.values);
    need(blocks, static_cast<uint64_t>(type.bytes));
    out.bytes = bytes_.first(blocks * static_cast<uint64_t>(type.bytes));

    const uint64_t offset_at = position_;
    out.offset = u64();
    demand(out.offset % alignment == 0, offset_at, broken_hint,
           "has offset {}, no multiple of the alignment {}", out.offset, alignment);
    return out;
  }

  /// Gives each tensor its bytes; the data begins at the next multiple of `alignment`.
  void place(std::vector<GgufTensor>& tensors, uint64_t alignment) {
    const uint64_t start = (position_ + alignment - 1) / alignment * alignment;
    const uint64_t size = bytes_.size() - std::min<uint64_t>(start, bytes_.size());
    std::vector<const GgufTensor*> by_offset;
    for (GgufTensor& tensor : tensors) {
      const uint64_t length = tensor.bytes.size();
      enter("the tensor " + printable(tensor.name));
      demand(tensor.offset <= size && length <= size - tensor.offset, start, cut_hint,
             "has {} bytes at offset {} of {} bytes of data", length, tensor.offset, size);
      tensor.offset += start;
      tensor.bytes = bytes_.subspan(tensor.offset, length);
      by_offset.push_back(&tensor);
    }
    std::ranges::sort(by_offset, {}, &GgufTensor::offset);
    for (size_t i = 1; i < by_offset.size(); ++i) {
      const GgufTensor& before = *by_offset[i - 1];
      const GgufTensor& after = *by_offset[i];
      enter("the tensor " + printable(after.name));
      demand(after.offset - before.offset >= before.bytes.size(), after.offset, broken_hint,
             "overlaps {}", printable(before.name));
    }
  }

 private:
  uint32_t value_type() {
    const uint64_t at = position_;
    const uint32_t type = u32();
    demand(type < value_types.size(), at, broken_hint, "has the unknown value type {}", type);
    return type;
  }

  GgufValue items(uint32_t type, uint64_t count, bool is_array) {
    const TypeRow& row = value_types[type];
    if (row.kind == Kind::String) {
      need(count, sizeof(uint64_t));
      std::vector<std::string_view> strings;
      for (uint64_t i = 0; i < count; ++i) strings.push_back(text());
      return GgufValue(type, is_array, {}, std::move(strings));
    }
    const uint64_t at = position_;
    const std::span<const std::byte> bytes = take(count, row.bytes);
    for (size_t i = 0; row.kind == Kind::Bool && i < bytes.size(); ++i) {
      const int value = std::to_integer<int>(bytes[i]);
      demand(value <= 1, at + i, broken_hint, "has a bool of {}, neither 0 nor 1", value);
    }
    return GgufValue(type, is_array, bytes, {});
  }

  // An Error of the lookup is told which file it is about.
  TypeGeometry geometry(const GgufTensor& tensor, const TypeLookup& lookup) const {
    try {
      const TypeGeometry type = lookup(tensor.type_id, printable(tensor.name));
      expect(type.values > 0 && type.bytes > 0, "gguf: type {} has an empty block", type.name);
      return type;
    } catch (const Error& error) {
      fail("gguf: {}: {}", file_, error.text());
    }
  }

  std::span<const std::byte> bytes_;
  const std::string& file_;
  uint64_t position_ = 0;
  std::string what_;
};

Gguf Gguf::parse(std::span<const std::byte> bytes, const std::string& name,
                 const TypeLookup& lookup) {
  check_magic(bytes, name);
  Gguf file;
  file.name_ = name;
  Reader in(bytes, name);
  in.enter("the header");
  in.take(magic.size(), 1);
  const uint32_t version = in.u32();
  in.demand(version == 0 || (version & 0xffff) != 0, 4, "download the little-endian file",
            "is big-endian");
  in.demand(version == 2 || version == 3, 4, "versions 2 and 3 can be read", "has version {}",
            version);
  file.version_ = version;
  const uint64_t n_tensors = in.u64();
  const uint64_t n_entries = in.u64();
  file.read_metadata(in, n_entries);
  file.read_tensors(in, n_tensors, lookup);
  return file;
}

Gguf Gguf::open(const std::string& path, const TypeLookup& lookup) {
  const std::shared_ptr<const MappedFile> mapping = std::make_shared<const MappedFile>(path);
  Gguf file = parse(mapping->bytes(), path, lookup);
  file.owner_ = mapping;
  return file;
}

void Gguf::read_metadata(Reader& in, uint64_t count) {
  in.enter("the metadata");
  in.need(count, min_entry_bytes);
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t at = in.position();
    in.enter(fmt::format("key {} of {}", i + 1, count));
    const std::string_view key = in.text();
    in.demand(!key.empty(), at, broken_hint, "is empty");
    in.enter("the key " + printable(key));
    const bool is_new = keys_.emplace(key, metadata_.size()).second;
    in.demand(is_new, at, broken_hint, "is there twice");
    metadata_.push_back({key, in.value()});
  }
}

void Gguf::read_tensors(Reader& in, uint64_t count, const TypeLookup& lookup) {
  // Eight or more, as the specification has it: then any tensor can be read in place.
  const uint64_t alignment =
      static_cast<uint64_t>(integer_or("general.alignment", 32, 8, int64_t{1} << 31));
  check(std::has_single_bit(alignment),
        "gguf: {}: the key 'general.alignment' is {}: expected a power of two", name_, alignment);

  in.enter("the list of tensors");
  in.need(count, min_tensor_bytes);
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t at = in.position();
    in.enter(fmt::format("tensor {} of {}", i + 1, count));
    GgufTensor tensor = in.tensor(alignment, lookup);
    const bool is_new = names_.emplace(tensor.name, tensors_.size()).second;
    in.demand(is_new, at, broken_hint, "is there twice");
    tensors_.push_back(std::move(tensor));
  }
  in.place(tensors_, alignment);
}

const GgufValue* Gguf::find(std::string_view key) const {
  const auto it = keys_.find(key);
  return it == keys_.end() ? nullptr : &metadata_[it->second].value;
}

const GgufTensor* Gguf::find_tensor(std::string_view name) const {
  const auto it = names_.find(name);
  return it == names_.end() ? nullptr : &tensors_[it->second];
}

const GgufTensor& Gguf::tensor(std::string_view name) const {
  const GgufTensor* const found = find_tensor(name);
  check(found != nullptr,
        "gguf: {}: the tensor {} is missing: none of the {} tensors has that name", name_,
        printable(name), tensors_.size());
  return *found;
}

const GgufValue& Gguf::require(std::string_view key, bool is_array, const char* expected,
                               std::initializer_list<Kind> kinds) const {
  const GgufValue* const value = find(key);
  check(value != nullptr, "gguf: {}: the key {} is missing: expected {}", name_, printable(key),
        expected);
  const bool kind_fits = std::ranges::find(kinds, value->kind()) != kinds.end();
  check(kind_fits && value->is_array() == is_array, "gguf: {}: the key {} is {}: expected {}",
        name_, printable(key), value->type_name(), expected);
  return *value;
}

int64_t Gguf::integer(std::string_view key, int64_t low, int64_t high) const {
  const GgufValue& value = require(key, false, "an integer", integer_kinds);
  return bounded(name_, key, value.item(), low, high);
}

double Gguf::number(std::string_view key, double low, double high) const {
  const GgufValue& value = require(key, false, "a number", number_kinds);
  return bounded(name_, key, value.item(), low, high);
}

bool Gguf::flag(std::string_view key) const {
  return std::get<bool>(require(key, false, "a bool", {Kind::Bool}).item());
}

std::string_view Gguf::string(std::string_view key) const {
  return require(key, false, "a string", {Kind::String}).strings().front();
}

std::vector<int64_t> Gguf::integers(std::string_view key, int64_t low, int64_t high) const {
  const GgufValue& value = require(key, true, "an array of integers", integer_kinds);
  return all_bounded(name_, key, value, low, high);
}

std::vector<double> Gguf::numbers(std::string_view key, double low, double high) const {
  const GgufValue& value = require(key, true, "an array of numbers", number_kinds);
  return all_bounded(name_, key, value, low, high);
}

std::vector<std::string_view> Gguf::strings(std::string_view key) const {
  return require(key, true, "an array of strings", {Kind::String}).strings();
}

}  // namespace niwaki
