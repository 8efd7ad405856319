// The reader of model files, on good files and on every kind of bad one. Files are written here
// byte by byte, so that a hostile case reads as what it puts in place of what is right.
#include "models/gguf.h"

#include "core/error.h"
#include "models/mapped_file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace niwaki;

namespace {

// The value types by the file's numbers.
enum : uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };
enum : uint32_t { F32 = 0, F16 = 1, Q1_0 = 41 };

constexpr uint64_t huge = ~uint64_t{0};
const std::string cut = ": the file is cut short or damaged: download it again";
const std::string broken = ": the file is broken: convert the model again";

// Bytes of a file in the making.
struct Bytes {
  std::string data;

  template <class T>
  Bytes& put(T value) {
    data.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Bytes& raw(std::string_view text) {
    data += text;
    return *this;
  }
  Bytes& text(std::string_view text) { return put<uint64_t>(text.size()).raw(text); }
  Bytes& header(uint64_t n_tensors, uint64_t n_entries, uint32_t version = 3) {
    return raw("GGUF").put(version).put(n_tensors).put(n_entries);
  }
  Bytes& key(std::string_view name, uint32_t type) { return text(name).put(type); }
  Bytes& array_key(std::string_view name, uint32_t type, uint64_t count) {
    return key(name, array).put(type).put(count);
  }
  Bytes& tensor(std::string_view name, const std::vector<uint64_t>& dims, uint32_t type,
                uint64_t offset) {
    text(name).put<uint32_t>(dims.size());
    for (const uint64_t dim : dims) put(dim);
    return put(type).put(offset);
  }
  Bytes& pad(size_t count, char value = 0) {
    data.append(count, value);
    return *this;
  }
  Bytes& align(size_t alignment) { return pad((alignment - data.size() % alignment) % alignment); }
};

TypeGeometry geometry(uint32_t id, const std::string& tensor) {
  if (id == F32) return {"F32", 1, 4};
  if (id == F16) return {"F16", 1, 2};
  if (id == Q1_0) return {"Q1_0", 128, 18};
  fail("the tensor {} has the unknown type {}", tensor, id);
}

Gguf parse(std::string_view data) {
  return Gguf::parse(std::as_bytes(std::span(data)), "m.gguf", geometry);
}

template <class Function>
std::string error_of(const Function& function) {
  try {
    function();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::string parse_error(std::string_view data) {
  return error_of([&] { parse(data); });
}

// One of each: the file that the good cases read and the mutations start from.
std::string good_file(uint32_t version = 3) {
  Bytes out;
  out.header(3, 18, version);
  out.key("u8", u8).put<uint8_t>(200).key("i8", i8).put<int8_t>(-100);
  out.key("u16", u16).put<uint16_t>(60000).key("i16", i16).put<int16_t>(-30000);
  out.key("u32", u32).put<uint32_t>(4000000000).key("i32", i32).put<int32_t>(-2000000000);
  out.key("u64", u64).put<uint64_t>(1ull << 62).key("i64", i64).put<int64_t>(INT64_MIN);
  out.key("big", u64).put(huge);
  out.key("f32", f32).put(1.5f).key("f64", f64).put(-0.25);
  out.key("yes", boolean).put<uint8_t>(1);
  out.key("text", string).text("caf\xc3\xa9 \xff");
  out.array_key("words", string, 3).text("a").text("").text("\xfe");
  out.array_key("ints", i16, 2).put<int16_t>(-7).put<int16_t>(8);
  out.array_key("floats", f32, 2).put(0.5f).put(INFINITY);
  out.array_key("none", u32, 0);
  out.array_key("bools", boolean, 2).put<uint8_t>(0).put<uint8_t>(1);
  out.tensor("packed", {128, 2, 3}, Q1_0, 0);  // 6 blocks of 18 bytes
  out.tensor("norm", {5}, F32, 160);           // a gap before, which is allowed
  out.tensor("half", {3, 1}, F16, 128);        // out of order, which is allowed
  return out.align(32).pad(128, 'p').pad(32, 'h').pad(20, 'n').data;
}

struct TemporaryFile {
  std::filesystem::path path;
  explicit TemporaryFile(std::string_view content) {
    path = std::filesystem::temp_directory_path() / fmt::format("niwaki_gguf_{}", ::getpid());
    std::ofstream(path, std::ios::binary) << content;
  }
  ~TemporaryFile() { std::filesystem::remove(path); }
};

// Everything a caller can reach, so that a sanitizer sees it reached.
int64_t touch(const Gguf& file) {
  int64_t sum = 0;
  for (const Gguf::Entry& entry : file.metadata()) {
    for (int64_t i = 0; i < entry.value.size(); ++i) {
      const GgufValue::Item item = entry.value.item(i);
      const std::string_view* const text = std::get_if<std::string_view>(&item);
      if (text) sum += static_cast<int64_t>(printable(*text).size());
    }
  }
  for (const GgufTensor& tensor : file.tensors()) {
    for (const std::byte byte : tensor.bytes) sum += std::to_integer<int64_t>(byte);
  }
  return sum;
}

}  // namespace

TEST_CASE("gguf: metadata of every type") {
  for (const uint32_t version : {2, 3}) {
    const std::string data = good_file(version);
    const Gguf file = parse(data);
    CHECK(file.version() == version);
    CHECK(file.name() == "m.gguf");
    CHECK(file.owner() == nullptr);
    CHECK(file.metadata().size() == 18);
    CHECK(file.metadata()[0].key == "u8");
    CHECK(file.integer("u8") == 200);
    CHECK(file.integer("i8") == -100);
    CHECK(file.integer("u16") == 60000);
    CHECK(file.integer("i16") == -30000);
    CHECK(file.integer("u32") == 4000000000);
    CHECK(file.integer("i32") == -2000000000);
    CHECK(file.integer("u64") == int64_t{1} << 62);
    CHECK(file.integer("i64") == INT64_MIN);
    CHECK(file.number("f32") == 1.5);
    CHECK(file.number("f64") == -0.25);
    CHECK(file.number("u8") == 200.0);
    CHECK(file.number("big") == 18446744073709551616.0);
    CHECK(file.flag("yes"));
    CHECK(file.string("text") == "caf\xc3\xa9 \xff");
    CHECK(file.strings("words") == std::vector<std::string_view>{"a", "", "\xfe"});
    CHECK(file.integers("ints") == std::vector<int64_t>{-7, 8});
    CHECK(file.numbers("ints") == std::vector<double>{-7, 8});
    CHECK(file.numbers("floats", 0, INFINITY) == std::vector<double>{0.5, INFINITY});
    CHECK(file.integers("none").empty());
    CHECK(std::get<bool>(file.find("bools")->item(1)));
    CHECK(std::get<uint64_t>(file.find("big")->item()) == huge);
    CHECK(file.find("words")->type_name() == "array of string");
    CHECK(file.find("absent") == nullptr);
    CHECK_THROWS_AS(file.find("ints")->item(2), InternalError);
    CHECK(file.integer_or("absent", 3) == 3);
    CHECK(file.number_or("absent", 0.5) == 0.5);
    CHECK(file.string_or("absent", "x") == "x");
    CHECK(file.flag_or("absent", true));
    CHECK(file.integer_or("u8", 3) == 200);
  }
}

TEST_CASE("gguf: tensors are views with the outermost dim first") {
  const std::string data = good_file();
  const Gguf file = parse(data);
  CHECK(file.tensors().size() == 3);
  const GgufTensor& packed = file.tensor("packed");
  CHECK(packed.shape == std::vector<int64_t>{3, 2, 128});
  CHECK(packed.type_id == Q1_0);
  CHECK(packed.offset % 32 == 0);
  CHECK(packed.bytes.size() == 108);
  CHECK(packed.bytes.data() == std::as_bytes(std::span(data)).data() + packed.offset);
  CHECK(file.tensor("half").bytes.size() == 6);
  CHECK(file.tensor("half").bytes.front() == std::byte{'h'});
  CHECK(file.tensor("norm").bytes.size() == 20);
  CHECK(file.tensor("norm").bytes.back() == std::byte{'n'});
  CHECK(file.find_tensor("absent") == nullptr);
  CHECK(error_of([&] { file.tensor("blk.0\n"); }) ==
        "gguf: m.gguf: the tensor 'blk.0\\x0a' is missing: none of the 3 tensors has that name");
}

TEST_CASE("gguf: data begins at a multiple of the file's alignment") {
  Bytes data = Bytes().header(1, 1).key("general.alignment", u32).put<uint32_t>(256);
  data.tensor("t", {1}, F32, 256).align(256).pad(256).pad(4, 't');
  const Gguf file = parse(data.data);
  CHECK(file.tensor("t").offset == 512);
  CHECK(file.tensor("t").bytes.front() == std::byte{'t'});
}

TEST_CASE("gguf: typed access says which key, what it is and what was expected") {
  const std::string data = good_file();
  const Gguf file = parse(data);
  const std::string key = "gguf: m.gguf: the key ";
  const std::pair<std::string, std::string> cases[] = {
      {error_of([&] { file.integer("a.b"); }), "'a.b' is missing: expected an integer"},
      {error_of([&] { file.integer("f32"); }), "'f32' is f32: expected an integer"},
      {error_of([&] { file.integer("yes"); }), "'yes' is bool: expected an integer"},
      {error_of([&] { file.integer("ints"); }), "'ints' is array of i16: expected an integer"},
      {error_of([&] { file.integer_or("text", 1); }), "'text' is string: expected an integer"},
      {error_of([&] { file.integer("u8", 1, 64); }), "'u8' is 200: expected 1 to 64"},
      {error_of([&] { file.integer("i8", 0); }), "'i8' is -100: expected 0 to 9223372036854775807"},
      {error_of([&] { file.integer("big"); }),
       "'big' is 18446744073709551615: expected -9223372036854775808 to 9223372036854775807"},
      {error_of([&] { file.number("text"); }), "'text' is string: expected a number"},
      {error_of([&] { file.number("f32", 0, 1); }), "'f32' is 1.5: expected 0 to 1"},
      {error_of([&] { file.flag("u8"); }), "'u8' is u8: expected a bool"},
      {error_of([&] { file.flag("bools"); }), "'bools' is array of bool: expected a bool"},
      {error_of([&] { file.string("u8"); }), "'u8' is u8: expected a string"},
      {error_of([&] { file.strings("text"); }), "'text' is string: expected an array of strings"},
      {error_of([&] { file.strings("none"); }),
       "'none' is array of u32: expected an array of strings"},
      {error_of([&] { file.integers("i8"); }), "'i8' is i8: expected an array of integers"},
      {error_of([&] { file.integers("ints", 0, 9); }), "'ints' is -7: expected 0 to 9"},
      {error_of([&] { file.numbers("floats", 0, 1); }), "'floats' is inf: expected 0 to 1"},
      {error_of([&] { file.numbers("words"); }),
       "'words' is array of string: expected an array of numbers"},
  };
  for (const auto& [actual, expected] : cases) CHECK(actual == key + expected);

  const std::string nan = Bytes().header(0, 1).key("eps", f32).put(NAN).data;
  CHECK(error_of([&] { parse(nan).number("eps", 0, INFINITY); }) ==
        key + "'eps' is nan: expected 0 to inf");
}

TEST_CASE("gguf: text from a file is escaped and cut") {
  CHECK(printable("token_embd.weight") == "'token_embd.weight'");
  CHECK(printable("") == "''");
  CHECK(printable(std::string_view("it's\0\x1b[2J\\", 10)) == "'it\\'s\\x00\\x1b[2J\\\\'");
  CHECK(printable("\xe5\xba\xad") == "'\\xe5\\xba\\xad'");
  CHECK(printable(std::string(65, 'a')) == "'" + std::string(64, 'a') + "'... (65 bytes)");
}

TEST_CASE("gguf: other kinds of file are named") {
  const std::string page = "download the model itself, not the page that shows it";
  const std::string anew = "download or convert the model anew, as GGUF";
  const std::pair<std::string, std::string> cases[] = {
      {"<!DOCTYPE html><title>404", "this is an HTML page: " + page},
      {"<html>", "this is an HTML page: " + page},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:1",
       "this is a git-lfs pointer: run `git lfs pull` to fetch the model"},
      {"lmgg and so on", "this is an old ggml file: " + anew},
      {"fmgg and so on", "this is an old ggmf file: " + anew},
      {"tjgg and so on", "this is an old ggjt file: " + anew},
      {"PK\3\4 and so on", "this is a zip archive or a PyTorch checkpoint: convert it to GGUF"},
      {Bytes().put<uint64_t>(9).raw("{\"a\": 1}").data,
       "this is a safetensors file: convert it to GGUF"},
      {"", "the file has 0 bytes and a header has 24" + cut},
      {"GGUF", "the file has 4 bytes and a header has 24" + cut},
      {"\x7f"
       "ELF" +
           std::string(60, ' '),
       "the magic is '\\x7fELF' at byte 0: give a file that begins 'GGUF'"},
      {Bytes().header(0, 0, 1).data,
       "the header has version 1 at byte 4: versions 2 and 3 can be read"},
      {Bytes().header(0, 0, 0).data,
       "the header has version 0 at byte 4: versions 2 and 3 can be read"},
      {Bytes().header(0, 0, 4).data,
       "the header has version 4 at byte 4: versions 2 and 3 can be read"},
      {Bytes().header(0, 0, 0x03000000).data,
       "the header is big-endian at byte 4: download the little-endian file"},
  };
  for (const auto& [data, expected] : cases)
    CHECK(parse_error(data) == "gguf: m.gguf: " + expected);
}

TEST_CASE("gguf: hostile metadata") {
  const auto one = [] { return Bytes().header(0, 1); };
  const std::pair<std::string, std::string> cases[] = {
      {Bytes().header(0, huge).data,
       "the metadata needs 18446744073709551615 x 14 bytes of the 0 left at byte 24" + cut},
      {Bytes().header(huge, 0).data,
       "the list of tensors needs 18446744073709551615 x 33 bytes of the 0 left at byte 24" + cut},
      {one().put(huge).pad(20).data,
       "key 1 of 1 needs 18446744073709551615 bytes of the 20 left at byte 32" + cut},
      {one().key("", u8).pad(8).data, "key 1 of 1 is empty at byte 24" + broken},
      {one().key("k", 13).pad(8).data,
       "the key 'k' has the unknown value type 13 at byte 33" + broken},
      {one().key("k", 0xffffffff).pad(8).data,
       "the key 'k' has the unknown value type 4294967295 at byte 33" + broken},
      {one().key("k", u64).pad(7).data, "the key 'k' needs 8 bytes of the 7 left at byte 37" + cut},
      {one().key("k", boolean).put<uint8_t>(2).data,
       "the key 'k' has a bool of 2, neither 0 nor 1 at byte 37" + broken},
      {one().array_key("k", boolean, 2).put<uint16_t>(0xff01).data,
       "the key 'k' has a bool of 255, neither 0 nor 1 at byte 50" + broken},
      {one().key("k", string).put(huge).data,
       "the key 'k' needs 18446744073709551615 bytes of the 0 left at byte 45" + cut},
      {one().array_key("k", array, 1).pad(12).data,
       "the key 'k' is an array of arrays at byte 37: niwaki reads flat arrays only"},
      {one().array_key("k", 99, 1).pad(12).data,
       "the key 'k' has the unknown value type 99 at byte 37" + broken},
      {one().array_key("k", u32, 1ull << 62).pad(12).data,
       "the key 'k' needs 4611686018427387904 x 4 bytes of the 12 left at byte 49" + cut},
      {one().array_key("k", string, 1ull << 61).pad(12).data,
       "the key 'k' needs 2305843009213693952 x 8 bytes of the 12 left at byte 49" + cut},
      {one().array_key("k", string, 2).text("").put<uint64_t>(1).data,
       "the key 'k' needs 1 bytes of the 0 left at byte 65" + cut},
      {Bytes().header(0, 2).key("k", u8).pad(1).key("k", u8).pad(1).data,
       "the key 'k' is there twice at byte 38" + broken},
      {one().key("\x1b]0;\n", 13).pad(8).data,
       "the key '\\x1b]0;\\x0a' has the unknown value type 13 at byte 37" + broken},
      {one().key("general.alignment", u32).put<uint32_t>(0).data,
       "the key 'general.alignment' is 0: expected 8 to 2147483648"},
      {one().key("general.alignment", u32).put<uint32_t>(24).data,
       "the key 'general.alignment' is 24: expected a power of two"},
      {one().key("general.alignment", u64).put(huge).data,
       "the key 'general.alignment' is 18446744073709551615: expected 8 to 2147483648"},
      {one().key("general.alignment", f32).put(32.f).data,
       "the key 'general.alignment' is f32: expected an integer"},
  };
  for (const auto& [data, expected] : cases)
    CHECK(parse_error(data) == "gguf: m.gguf: " + expected);
}

TEST_CASE("gguf: hostile tensors") {
  // A file of tensors is its descriptions and 64 bytes of data after them.
  const auto file = [](const Bytes& tensors, uint64_t count = 1) {
    return Bytes().header(count, 0).raw(tensors.data).align(32).pad(64).data;
  };
  const auto one = [&](const std::vector<uint64_t>& dims, uint32_t type = F32,
                       uint64_t offset = 0) {
    return file(Bytes().tensor("t", dims, type, offset));
  };
  const uint64_t half = uint64_t{1} << 32;
  const std::string long_name(65, 'n');
  CHECK(parse_error(one({16})) == "no error");
  CHECK(parse_error(one({2, 2, 2, 2})) == "no error");
  const std::pair<std::string, std::string> cases[] = {
      {file(Bytes().tensor("", {1}, F32, 0)),
       "tensor 1 of 1 has a name of 0 bytes, not 1 to 64 at byte 24" + broken},
      {file(Bytes().tensor(long_name, {1}, F32, 0)),
       "tensor 1 of 1 has a name of 65 bytes, not 1 to 64 at byte 24" + broken},
      {file(Bytes().put(huge).pad(40)),
       "tensor 1 of 1 needs 18446744073709551615 bytes of the 128 left at byte 32" + cut},
      {one({}), "the tensor 't' has 0 dims, not 1 to 4 at byte 33" + broken},
      {one({1, 1, 1, 1, 1}), "the tensor 't' has 5 dims, not 1 to 4 at byte 33" + broken},
      {one({4, 0}), "the tensor 't' has a dim of 0 at byte 45" + broken},
      {one({half, half}),
       "the tensor 't' has 4294967296 x 4294967296 values, beyond 2^63 at byte 45" + broken},
      {one({half, half, 0}),
       "the tensor 't' has 4294967296 x 4294967296 values, beyond 2^63 at byte 45" + broken},
      {one({huge}),
       "the tensor 't' has 1 x 18446744073709551615 values, beyond 2^63 at byte 37" + broken},
      {one({half, half / 2}),
       "the tensor 't' has 4294967296 x 2147483648 values, beyond 2^63 at byte 45" + broken},
      {one({half, half / 4}),
       "the tensor 't' needs 4611686018427387904 x 4 bytes of the 103 left at byte 57" + cut},
      {one({1000}), "the tensor 't' needs 4000 bytes of the 79 left at byte 49" + cut},
      {one({8}, 7), "the tensor 't' has the unknown type 7"},
      {one({64}, Q1_0),
       "the tensor 't' has rows of 64 values, and Q1_0 comes in blocks of 128 at byte 45" + broken},
      {one({64, 2}, Q1_0),
       "the tensor 't' has rows of 64 values, and Q1_0 comes in blocks of 128 at byte 53" + broken},
      {one({1}, F32, 4),
       "the tensor 't' has offset 4, no multiple of the alignment 32 at byte 49" + broken},
      {one({1}, F32, 64),
       "the tensor 't' has 4 bytes at offset 64 of 64 bytes of data at byte 64" + cut},
      {one({9}, F32, 32),
       "the tensor 't' has 36 bytes at offset 32 of 64 bytes of data at byte 64" + cut},
      {one({1}, F32, huge - 31),
       "the tensor 't' has 4 bytes at offset 18446744073709551584 of 64 bytes of data at byte 64" +
           cut},
      {file(Bytes().tensor("a", {1}, F32, 0).tensor("a", {1}, F32, 32), 2),
       "the tensor 'a' is there twice at byte 57" + broken},
      {file(Bytes().tensor("a", {1}, F32, 32).tensor("b", {9}, F32, 0), 2),
       "the tensor 'a' overlaps 'b' at byte 128" + broken},
      {file(Bytes().tensor("a", {1}, F32, 0).tensor("b", {1}, F32, 0), 2),
       "the tensor 'b' overlaps 'a' at byte 96" + broken},
  };
  for (const auto& [data, expected] : cases)
    CHECK(parse_error(data) == "gguf: m.gguf: " + expected);

  const std::string no_data = Bytes().header(1, 0).tensor("t", {1}, F32, 0).data;
  CHECK(parse_error(no_data) ==
        "gguf: m.gguf: the tensor 't' has 4 bytes at offset 0 of 0 bytes of data at byte 64" + cut);
}

TEST_CASE("gguf: a file cut at any byte is refused") {
  const std::string data = good_file();
  for (size_t size = 0; size < data.size(); ++size) {
    // A copy of its own, so that a read past the end is a read past an allocation.
    const std::vector<char> cut_file(data.begin(), data.begin() + static_cast<ptrdiff_t>(size));
    CHECK(parse_error({cut_file.data(), size}).starts_with("gguf: m.gguf: "));
  }
  CHECK(parse_error(data) == "no error");
}

TEST_CASE("gguf: a file with one wrong byte is refused or safe to read") {
  const uint32_t seed = std::random_device()();
  MESSAGE("seed ", seed);
  std::mt19937 random(seed);
  const std::string data = good_file();
  int64_t refused = 0;
  for (int64_t i = 0; i < 2000; ++i) {
    std::vector<char> mutant(data.begin(), data.end());
    mutant[random() % mutant.size()] ^= static_cast<char>(1 + random() % 255);
    const std::string error = error_of([&] { touch(parse({mutant.data(), mutant.size()})); });
    CHECK((error == "no error" || error.starts_with("gguf: m.gguf: ")));
    CHECK(error.find('\n') == std::string::npos);
    refused += error != "no error";
  }
  CHECK(refused > 200);
  CHECK(refused < 1800);
}

TEST_CASE("gguf: a real file") {
  const std::string path = NIWAKI_SOURCE_DIR "/tests/golden/models/tiny-q1_0.gguf";
  std::shared_ptr<const void> owner;
  std::span<const std::byte> bytes;
  {
    const Gguf file = Gguf::open(path, geometry);
    CHECK(file.version() == 3);
    CHECK(file.metadata().size() == 25);
    CHECK(file.tensors().size() == 25);
    CHECK(file.string("general.architecture") == "qwen3");
    CHECK(file.integer("qwen3.block_count", 1, 1000) == 2);
    CHECK(file.number("qwen3.rope.freq_base") == 1e6);
    CHECK_FALSE(file.flag("tokenizer.ggml.add_bos_token"));
    CHECK(file.strings("tokenizer.ggml.tokens").size() == 300);
    CHECK(file.strings("tokenizer.ggml.merges")[1] == "\xc4\xa0t h");
    CHECK(file.integers("tokenizer.ggml.token_type", 1, 6).size() == 300);
    const GgufTensor& embedding = file.tensor("token_embd.weight");
    CHECK(embedding.shape == std::vector<int64_t>{300, 256});
    CHECK(embedding.bytes.size() == 300 * 256 / 128 * 18);
    CHECK(touch(file) > 0);
    owner = file.owner();
    bytes = embedding.bytes;
  }
  CHECK(owner.use_count() == 1);
  CHECK(std::to_integer<int>(bytes.back()) >= 0);  // still mapped: the owner is held
}

TEST_CASE("mapped_file: a file is mapped, moved and released") {
  const TemporaryFile file("hello");
  const auto text = [](const MappedFile& mapped) {
    return std::string(reinterpret_cast<const char*>(mapped.bytes().data()), mapped.bytes().size());
  };
  MappedFile first(file.path);
  CHECK(text(first) == "hello");
  MappedFile second(std::move(first));
  CHECK(text(second) == "hello");
  first = std::move(second);
  CHECK(text(first) == "hello");
  CHECK(second.bytes().empty());
}

TEST_CASE("mapped_file: what cannot be mapped") {
  const auto message = [](const std::string& path) {
    return error_of([&] { MappedFile mapped(path); });
  };
  CHECK(message("/nonexistent/m.gguf") == "open: /nonexistent/m.gguf: No such file or directory");
  CHECK(message("/") == "open: /: is a directory: give a file inside it");
  CHECK(message("/dev/null") == "open: /dev/null: is not a regular file: copy it to one first");
  const TemporaryFile empty("");
  CHECK(message(empty.path) == "open: " + empty.path.string() + ": is empty: download it again");
  const std::string inside = empty.path.string() + "/m.gguf";
  CHECK(message(inside) == "open: " + inside + ": Not a directory");
  std::filesystem::remove(empty.path);
  REQUIRE(::mkfifo(empty.path.c_str(), 0600) == 0);
  CHECK(message(empty.path) ==
        "open: " + empty.path.string() + ": is not a regular file: copy it to one first");
}
