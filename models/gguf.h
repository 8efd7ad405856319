// GGUF, the file that holds a model: a header, typed key-value pairs, descriptions of tensors, and
// the tensors' bytes. The format is ggml's (github.com/ggml-org/ggml, docs/gguf.md); versions 2 and
// 3 are read, in little-endian order.
//
// A model file comes from a stranger. What the reader promises: no file can make it touch memory
// outside the file, nor allocate more than a fixed multiple of the file's size, nor recurse. Every
// count is compared with the bytes that are left before it is used, and a Gguf that exists has been
// checked throughout: each tensor lies within the file, apart from all others, is not empty, and is
// a whole number of blocks. The worst a file can do is to be refused in one line.
//
// No data is copied. Keys, strings and tensors are views into the file; arrays of numbers are
// decoded when asked for.
//
// What was rejected. Arrays in arrays, which the format allows and no model uses: they need a
// recursion whose depth the file chooses. A table of tensor types in here: a format is added in one
// place, models/formats, so the caller passes in the geometry of a block. Hash tables for names: a
// file could choose names that collide.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace niwaki {

/// `text` in single quotes for a message: escaped to plain ASCII and cut after 64 bytes.
std::string printable(std::string_view text);

/// A metadata value: a scalar is one item, an array any number of items of one type.
class GgufValue {
 public:
  /// All integers are int64_t but those beyond its range; f32 and f64 are double.
  using Item = std::variant<int64_t, uint64_t, double, bool, std::string_view>;

  enum class Kind { Unsigned, Signed, Float, Bool, String, Array };

  GgufValue(uint32_t type, bool is_array, std::span<const std::byte> bytes,
            std::vector<std::string_view> strings);

  bool is_array() const { return is_array_; }
  /// The type as the file has it: "u32", "array of string".
  std::string type_name() const;
  /// What the items are; never Array, which is_array() says.
  Kind kind() const;
  /// The number of items.
  int64_t size() const;
  /// Item `i` of size(), decoded.
  Item item(int64_t i = 0) const;
  /// The items of an array of strings, or the one string.
  const std::vector<std::string_view>& strings() const { return strings_; }

 private:
  uint32_t type_;  // the type of an item, by the file's numbers
  bool is_array_;
  std::span<const std::byte> bytes_;       // the items, unless they are strings
  std::vector<std::string_view> strings_;  // the items, if they are strings
};

/// What a tensor type's block is: `values` values in `bytes` bytes; both at least 1.
struct TypeGeometry {
  std::string name;
  int64_t values;
  int64_t bytes;
};

/// The geometry of type `id`, or an Error that names `tensor`, which is already printable().
using TypeLookup = std::function<TypeGeometry(uint32_t id, const std::string& tensor)>;

/// A tensor as the file holds it.
struct GgufTensor {
  std::string name;
  std::vector<int64_t> shape;  // outermost first, the reverse of the file's order
  uint32_t type_id;
  uint64_t offset;  // from the beginning of the file
  std::span<const std::byte> bytes;
};

/// A checked GGUF file: its metadata and its tensors, all views into the file.
class Gguf {
 public:
  struct Entry {
    std::string_view key;
    GgufValue value;
  };

  static constexpr int64_t int_min = std::numeric_limits<int64_t>::min();
  static constexpr int64_t int_max = std::numeric_limits<int64_t>::max();
  static constexpr double finite_max = std::numeric_limits<double>::max();

  /// Reads `bytes`, which must outlive the result; errors call the file `name`.
  static Gguf parse(std::span<const std::byte> bytes, const std::string& name,
                    const TypeLookup& lookup);
  /// Maps and reads the file at `path`; owner() keeps the mapping.
  static Gguf open(const std::string& path, const TypeLookup& lookup);

  /// What keeps the bytes alive: hold it as long as any view; null after parse().
  std::shared_ptr<const void> owner() const { return owner_; }
  /// What errors call the file.
  const std::string& name() const { return name_; }
  /// The format's version, 2 or 3.
  int64_t version() const { return version_; }

  /// All metadata, in the file's order.
  const std::vector<Entry>& metadata() const { return metadata_; }
  /// The value of `key`, or null.
  const GgufValue* find(std::string_view key) const;

  // Typed access. An Error names the key, the type that is there and the one that was expected, or
  // the value and its bounds; a number is finite unless the bounds let infinity in, never NaN. The
  // forms with a fallback take it only where the key is absent: a wrong type is still an Error.

  /// The integer at `key`, within [low, high].
  int64_t integer(std::string_view key, int64_t low = int_min, int64_t high = int_max) const;
  int64_t integer_or(std::string_view key, int64_t fallback, int64_t low = int_min,
                     int64_t high = int_max) const {
    return find(key) ? integer(key, low, high) : fallback;
  }
  /// The integer or float at `key`, within [low, high].
  double number(std::string_view key, double low = -finite_max, double high = finite_max) const;
  double number_or(std::string_view key, double fallback, double low = -finite_max,
                   double high = finite_max) const {
    return find(key) ? number(key, low, high) : fallback;
  }
  /// The bool at `key`.
  bool flag(std::string_view key) const;
  bool flag_or(std::string_view key, bool fallback) const {
    return find(key) ? flag(key) : fallback;
  }
  /// The string at `key`: bytes of any kind, not always UTF-8.
  std::string_view string(std::string_view key) const;
  std::string_view string_or(std::string_view key, std::string_view fallback) const {
    return find(key) ? string(key) : fallback;
  }

  /// The array of integers at `key`, each within [low, high].
  std::vector<int64_t> integers(std::string_view key, int64_t low = int_min,
                                int64_t high = int_max) const;
  /// The array of integers or floats at `key`, each within [low, high].
  std::vector<double> numbers(std::string_view key, double low = -finite_max,
                              double high = finite_max) const;
  /// The array of strings at `key`.
  std::vector<std::string_view> strings(std::string_view key) const;

  /// All tensors, in the order of their descriptions.
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  /// The tensor called `name`, or null.
  const GgufTensor* find_tensor(std::string_view name) const;
  /// The tensor called `name`; an Error if there is none.
  const GgufTensor& tensor(std::string_view name) const;

 private:
  class Reader;

  Gguf() = default;
  void read_metadata(Reader& in, uint64_t count);
  void read_tensors(Reader& in, uint64_t count, const TypeLookup& lookup);
  const GgufValue& require(std::string_view key, bool is_array, const char* expected,
                           std::initializer_list<GgufValue::Kind> kinds) const;

  std::shared_ptr<const void> owner_;
  std::string name_;
  int64_t version_ = 0;
  std::vector<Entry> metadata_;
  std::map<std::string_view, size_t> keys_;  // into metadata_
  std::vector<GgufTensor> tensors_;
  std::map<std::string, size_t, std::less<>> names_;  // into tensors_
};

}  // namespace niwaki
