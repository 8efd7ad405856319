// The reader and the writer of safetensors, on good files and on every kind of bad one. Files are
// written here byte by byte, so that a hostile case reads as what it puts in place of what is
// right.
#include "models/safetensors.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "models/formats.h"
#include "models/gguf.h"
#include "runtimes/realize.h"

using namespace niwaki;

namespace {

namespace fs = std::filesystem;

const std::string cut = ": the file is cut short or damaged: download it again";
const std::string broken = ": the file is broken: write it again";
const std::string other = ": give a safetensors file";

// A file of a header and `size` bytes of data: 0, 1, 2, ...
std::string file_of(std::string_view header, size_t size = 0) {
  uint64_t length = header.size();
  std::string data(reinterpret_cast<const char*>(&length), sizeof length);
  data += header;
  for (size_t i = 0; i < size; ++i) data += char(i);
  return data;
}

std::string tensor(std::string_view name, std::string_view dtype, std::string_view shape,
                   std::string_view offsets) {
  return fmt::format(R"("{}":{{"dtype":"{}","shape":[{}],"data_offsets":[{}]}})", name, dtype,
                     shape, offsets);
}

Safetensors parse(std::string_view data) {
  return parse_safetensors(std::as_bytes(std::span(data)), "m.st");
}

template <class Function>
std::string error_of(const Function& function) {
  try {
    function();
  } catch (const Error& error) {
    return error.text();
  }
  return "no error";
}

std::string parse_error(std::string_view data) {
  return error_of([&] { parse(data); });
}

struct TemporaryDirectory {
  fs::path path;
  TemporaryDirectory() {
    path = fs::temp_directory_path() / fmt::format("niwaki_safetensors_{}", ::getpid());
    fs::create_directory(path);
  }
  ~TemporaryDirectory() { fs::remove_all(path); }
  std::string file(const char* name) const { return (path / name).string(); }
  size_t files() const {
    return size_t(std::distance(fs::directory_iterator(path), fs::directory_iterator()));
  }
};

std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

const Buffer& memory(const Tensor& t) { return *t.uop()->get<BufferRef>(); }

std::vector<uint8_t> bytes_of(const Tensor& t) {
  const uint8_t* data = static_cast<const uint8_t*>(memory(t).data);
  return {data, data + memory(t).bytes()};
}

std::vector<int64_t> shape_of(const Tensor& t) { return memory(t).shape; }

// One of each kind: what the mutations start from.
std::string good_file() {
  return file_of(R"({"__metadata__":{"format":"pt","note":"caf\u00e9"},)" +
                     tensor("a.weight", "F32", "2,3", "0,24") + "," +
                     tensor("flag", "BOOL", "2", "25,27") + "," + tensor("b", "I8", "", "24,25") +
                     "," + tensor("none", "F64", "0,7", "27,27") + "}   ",
                 0) +
         std::string("\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40\0\0\x80\x40\0\0\xa0\x40\0\0\xc0\x40", 24) +
         std::string("\xfe\1\0", 3);
}

}  // namespace

TEST_CASE("safetensors: a file that was written by hand") {
  const std::string data = good_file();
  Safetensors file = parse(data);
  CHECK(file.metadata ==
        std::map<std::string, std::string>{{"format", "pt"}, {"note", "caf\xc3\xa9"}});
  REQUIRE(file.tensors.size() == 4);
  const Tensor& weight = file.tensors.at("a.weight");
  CHECK(weight.dtype() == f32);
  CHECK(shape_of(weight) == std::vector<int64_t>{2, 3});
  CHECK(to_vector<float>(weight * 1) == std::vector<float>{1, 2, 3, 4, 5, 6});
  CHECK(item<int64_t>(file.tensors.at("b")) == -2);
  CHECK(file.tensors.at("b").rank() == 0);
  CHECK(to_vector<bool>(file.tensors.at("flag")) == std::vector<bool>{true, false});
  CHECK(shape_of(file.tensors.at("none")) == std::vector<int64_t>{0, 7});
  CHECK(to_vector<double>(file.tensors.at("none")).empty());
  CHECK(parse(file_of("{}")).tensors.empty());
}

TEST_CASE("safetensors: data is read in place where its address allows it") {
  // The header is of 64 bytes with its length, or of 68.
  alignas(8) char bytes[128];
  for (size_t pad : {0, 4}) {
    std::string header = "{" + tensor("w", "F64", "1", "0,8") + "}";
    header.resize(64 - 8 + pad, ' ');
    std::string data = file_of(header, 8);
    std::memcpy(bytes, data.data(), data.size());
    Tensor w = parse({bytes, data.size()}).tensors.at("w");
    bool inside = memory(w).data == bytes + 64 + pad;
    CHECK(inside == (pad == 0));
    CHECK(bytes_of(w) == std::vector<uint8_t>{0, 1, 2, 3, 4, 5, 6, 7});
    CHECK_THROWS_WITH(w.assign(Tensor::zeros({1}, f64)), "assign: the target is constant");
  }
}

TEST_CASE("safetensors: what is saved is loaded") {
  TemporaryDirectory directory;
  const std::string path = directory.file("all.safetensors");
  std::map<std::string, Tensor> state;
  const std::vector<DType> dtypes = {boolean, u8,  i8,  u16,  i16, u32, i32,
                                     u64,     i64, f16, bf16, f32, f64};
  const std::vector<std::vector<int64_t>> shapes = {{}, {0}, {3}, {2, 0, 4}, {1, 5, 2}};
  for (DType t : dtypes) {
    for (const std::vector<int64_t>& shape : shapes) {
      int64_t n = 1;
      for (int64_t dim : shape) n *= dim;
      Tensor x = (Tensor::arange(n) * 3 + 1).cast(t).reshape(Dims(shape.begin(), shape.end()));
      state.emplace(fmt::format("{} ({})", name(t), fmt::join(shape, ",")), x);
    }
  }
  state.emplace("a buffer", Tensor::from<float>({1.5f, -2}, {2}));
  state.emplace("the same twice", state.at("f32 (3)"));
  state.emplace("", Tensor(7));
  const std::map<std::string, std::string> metadata = {{"step", "12"},
                                                       {"\"quoted\"\n", "\xc3\xa9"}};
  save_safetensors(path, state, metadata);
  Safetensors found = open_safetensors(path);
  CHECK(found.metadata == metadata);
  REQUIRE(found.tensors.size() == state.size());
  for (const auto& [key, tensor] : state) {
    CAPTURE(key);
    const Tensor& loaded = found.tensors.at(key);
    CHECK(loaded.dtype() == tensor.dtype());
    CHECK(loaded.shape() == tensor.shape());
    CHECK(bytes_of(loaded) == bytes_of(realize(tensor)));
    CHECK(reinterpret_cast<uintptr_t>(memory(loaded).data) % uint64_t(byte_size(loaded.dtype())) ==
          0);
  }
  // Over the file that the tensors are views of.
  save_safetensors(path, found.tensors, metadata);
  std::map<std::string, Tensor> again = load_safetensors(path);
  for (const auto& [key, tensor] : found.tensors)
    CHECK(bytes_of(again.at(key)) == bytes_of(tensor));
  CHECK(directory.files() == 1);
}

TEST_CASE("safetensors: the bytes that are written") {
  TemporaryDirectory directory;
  const std::string path = directory.file("m.safetensors");
  save_safetensors(path, {{"a", Tensor::from<uint8_t>({7}, {1})},
                          {"b", Tensor::from<uint16_t>({0x201}, {1, 1})}});
  std::string header = R"({"a":{"data_offsets":[2,3],"dtype":"U8","shape":[1]},)"
                       R"("b":{"data_offsets":[0,2],"dtype":"U16","shape":[1,1]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  CHECK(content(path) == file_of(header) + "\1\2\7");
  save_safetensors(path, {}, {{"k", "v"}});
  CHECK(content(path) == file_of(R"({"__metadata__":{"k":"v"}})" + std::string(6, ' ')));
  save_safetensors(path, {});
  CHECK(content(path) == file_of("{}      "));
}

TEST_CASE("safetensors: what cannot be a header") {
  std::string too_long(8, '\0');
  too_long[4] = 1;
  const std::pair<std::string, std::string> cases[] = {
      {"", "the file has 0 bytes and the length of its header 8" + cut},
      {"1234567", "the file has 7 bytes and the length of its header 8" + cut},
      {"GGUF\3", "this is a GGUF file: open it as a model"},
      {"PK\3\4 and so on",
       "this is a zip archive or a PyTorch checkpoint: convert it to safetensors"},
      {std::string(8, '\xff'),
       "the header has 18446744073709551615 bytes, more than 100000000" + other},
      {too_long, "the header has 4294967296 bytes, more than 100000000" + other},
      {std::string("\3\0\0\0\0\0\0\0{}", 10), "the header has 3 bytes of the 2 left" + cut},
      {file_of(""), "the header begins '', not '{'" + other},
      {file_of("[]"), "the header begins '[', not '{'" + other},
      {file_of(" {}"), "the header begins ' ', not '{'" + other},
      {file_of("{"), "the header is no JSON at byte 9" + broken},
      {file_of("{}}"), "the header is no JSON at byte 10" + broken},
      {file_of("{\"a\":tru}"), "the header is no JSON at byte 16" + broken},
      {file_of("{\"\xff\":{}}"), "the header is no JSON at byte 10" + broken},
      {file_of(std::string("{\"a\":\0}", 7)), "the header is no JSON at byte 13" + broken},
      {file_of(R"({"a":{"shape":[1e999]}})"), "the header is no JSON at byte 27" + broken},
  };
  for (const auto& [data, expected] : cases)
    CHECK(parse_error(data) == "safetensors: m.st: " + expected);
}

TEST_CASE("safetensors: headers of the wrong form") {
  const std::string deep(100000, '[');
  const std::string dims = [] {
    std::string list = "1";
    for (int i = 0; i < 32; ++i) list += ",1";
    return list;
  }();
  const std::string w = tensor("w", "U8", "4", "0,4");
  const std::string a = "the tensor 'w' ";
  const std::pair<std::string, std::string> cases[] = {
      {R"({"w":1})", a + "has a number where an object is expected"},
      {R"({"w":null})", a + "has null where an object is expected"},
      {R"({"w":[]})", a + "has an array where an object is expected"},
      {R"({"w":)" + deep, a + "has an array where an object is expected"},
      {R"({"w":{"shape":)" + deep, a + "has an array where a whole number is expected"},
      {R"({"w":{"dtype":)" + deep, a + "has an array where a string is expected"},
      {R"({"w":{"shape":{}}})", a + "has an object where an array is expected"},
      {R"({"w":{"shape":4}})", a + "has a number where an array is expected"},
      {R"({"w":{"shape":"4"}})", a + "has a string where an array is expected"},
      {R"({"w":{"shape":[-1]}})", a + "has a negative number where a whole number is expected"},
      {R"({"w":{"shape":[4.0]}})",
       a + "has a number that is not whole where a whole number is expected"},
      {R"({"w":{"shape":[18446744073709551616]}})",
       a + "has a number that is not whole where a whole number is expected"},
      {R"({"w":{"shape":[true]}})", a + "has a bool where a whole number is expected"},
      {R"({"w":{"shape":["4"]}})", a + "has a string where a whole number is expected"},
      {R"({"w":{"dtype":4}})", a + "has a number where a string is expected"},
      {R"({"w":{"dtype":{}}})", a + "has an object where a string is expected"},
      {R"({"w":{"size":4}})", a + "has the unknown field 'size'"},
      {R"({"w":{"shape":[4],"shape":[4]}})", a + "has shape twice"},
      {R"({"w":{}})", a + "has no dtype"},
      {R"({"w":{"dtype":"U8"}})", a + "has no shape"},
      {R"({"w":{"dtype":"U8","shape":[4]}})", a + "has no data_offsets"},
      {"{" + w + "," + w + "}", a + "is there twice"},
      {"{" + tensor("w", "U8", dims, "0,4") + "}", a + "has more than 32 numbers in its shape"},
      {"{" + tensor("w", "U8", "4", dims) + "}",
       a + "has more than 32 numbers in its data_offsets"},
      {"{" + tensor("w", "U8", "4", "0") + "}", a + "has 1 offsets, not 2"},
      {"{" + tensor("w", "U8", "4", "0,4,4") + "}", a + "has 3 offsets, not 2"},
      {R"({"__metadata__":4})", "the metadata has a number where an object is expected"},
      {R"({"__metadata__":{"k":4}})", "the metadata has a number where a string is expected"},
      {R"({"__metadata__":{"k":{}}})", "the metadata has an object where a string is expected"},
      {R"({"__metadata__":{"k":[]}})", "the metadata has an array where a string is expected"},
      {R"({"__metadata__":{"k":"","k":""}})", "the metadata has 'k' twice"},
      {R"({"__metadata__":{},"__metadata__":{}})", "the metadata is there twice"},
  };
  for (const auto& [header, expected] : cases) {
    CHECK(parse_error(file_of(header, 4)) == "safetensors: m.st: " + expected + broken);
  }
  for (const char* dtype : {"F8_E4M3", "C64", "f32", ""}) {
    CHECK(parse_error(file_of("{" + tensor("w", dtype, "4", "0,4") + "}", 4)) ==
          fmt::format("safetensors: m.st: the tensor 'w' has the dtype '{}': niwaki reads BOOL, U8 "
                      "to I64, F16, BF16, F32, F64",
                      dtype));
  }
}

TEST_CASE("safetensors: shapes and places that do not fit") {
  const auto of = [](const std::vector<std::string>& tensors) {
    return file_of(fmt::format("{{{}}}", fmt::join(tensors, ",")), 8);
  };
  const auto one = [&](const char* dtype, const char* shape, const char* offsets) {
    return of({tensor("w", dtype, shape, offsets)});
  };
  const std::string a = "the tensor 'w' ";
  CHECK(parse_error(one("F32", "2", "0,8")) == "no error");
  const std::pair<std::string, std::string> cases[] = {
      {one("F32", "3", "0,8"), a + "has 8 bytes, and f32 (3) is 12" + broken},
      {one("F32", "", "0,8"), a + "has 8 bytes, and f32 () is 4" + broken},
      {one("F32", "2,0", "0,8"), a + "has 8 bytes, and f32 (2, 0) is 0" + broken},
      {one("F32", "2", "0,9"), a + "has the bytes 0 to 9 of 8 bytes of data" + cut},
      {one("F32", "2", "0,18446744073709551615"),
       a + "has the bytes 0 to 18446744073709551615 of 8 bytes of data" + cut},
      {one("F32", "2", "8,0"), a + "has the bytes 8 to 0" + broken},
      {one("U8", "7", "1,8"),
       a + "begins at byte 1 of the data, and no tensor has those from 0" + broken},
      {one("U8", "7", "0,7"), "the file has 8 bytes of data, of which 7 are used" + broken},
      {of({}), "the file has 8 bytes of data, of which 0 are used" + broken},
      {one("F32", "4294967296,4294967296", "0,8"),
       a + "has the shape (4294967296, 4294967296), beyond 2^56" + broken},
      {one("F32", "4294967296,4294967296,0", "0,8"),
       a + "has the shape (4294967296, 4294967296, 0), beyond 2^56" + broken},
      {one("F32", "0,4294967296,4294967296", "0,8"),
       a + "has the shape (0, 4294967296, 4294967296), beyond 2^56" + broken},
      {one("F64", "18446744073709551615", "0,8"),
       a + "has the shape (18446744073709551615), beyond 2^56" + broken},
      {one("F64", "72057594037927936", "0,8"),
       a + "has 8 bytes, and f64 (72057594037927936) is 576460752303423488" + broken},
      {of({tensor("v", "U8", "5", "0,5"), tensor("w", "U8", "4", "4,8")}),
       a + "begins at byte 4 of the data, within the one that ends at 5" + broken},
      {of({tensor("v", "U8", "8", "0,8"), tensor("w", "U8", "0", "4,4")}),
       a + "begins at byte 4 of the data, within the one that ends at 8" + broken},
      {of({tensor("v", "U8", "3", "0,3"), tensor("w", "U8", "4", "4,8")}),
       a + "begins at byte 4 of the data, and no tensor has those from 3" + broken},
      {one("BOOL", "8", "0,8"), a + "has a bool that is neither 0 nor 1" + broken},
      {of({tensor("\\u001b[2J", "U8", "7", "0,8")}),
       "the tensor '\\x1b[2J' has 8 bytes, and u8 (7) is 7" + broken},
  };
  for (const auto& [data, expected] : cases)
    CHECK(parse_error(data) == "safetensors: m.st: " + expected);
}

TEST_CASE("safetensors: a file cut at any byte, or longer by one, is refused") {
  const std::string data = good_file();
  CHECK(parse_error(data) == "no error");
  for (size_t size = 0; size < data.size(); ++size) {
    // A copy of its own, so that a read past the end is a read past an allocation.
    const std::vector<char> cut_file(data.begin(), data.begin() + ptrdiff_t(size));
    CHECK(parse_error({cut_file.data(), size}).starts_with("safetensors: m.st: "));
  }
  CHECK(parse_error(data + "x") ==
        "safetensors: m.st: the file has 28 bytes of data, of which 27 are used" + broken);
}

TEST_CASE("safetensors: a file with one wrong byte is refused or safe to read") {
  const uint32_t seed = std::random_device()();
  MESSAGE("seed ", seed);
  std::mt19937 random(seed);
  const std::string data = good_file();
  int64_t refused = 0;
  for (int64_t i = 0; i < 2000; ++i) {
    std::vector<char> mutant(data.begin(), data.end());
    mutant[random() % mutant.size()] ^= char(1 + random() % 255);
    const std::string error = error_of([&] {
      for (const auto& [key, tensor] : parse({mutant.data(), mutant.size()}).tensors) {
        bytes_of(tensor);
      }
    });
    CHECK((error == "no error" || error.starts_with("safetensors: m.st: ")));
    CHECK(error.find('\n') == std::string::npos);
    refused += error != "no error";
  }
  CHECK(refused > 200);
  CHECK(refused < 1900);
}

TEST_CASE("safetensors: what cannot be saved, and what a failure leaves") {
  TemporaryDirectory directory;
  const std::string path = directory.file("m.st");
  const Tensor x = Tensor::ones({1000});
  save_safetensors(path, {{"x", x}});
  const std::string before = content(path);
  const auto error = [&](const std::map<std::string, Tensor>& state,
                         const std::map<std::string, std::string>& metadata = {}) {
    return error_of([&] { save_safetensors(path, state, metadata); });
  };
  const std::string start = "save_safetensors: " + path + ": ";
  CHECK(error({{"__metadata__", x}}) ==
        start + "the tensor '__metadata__' cannot have that name: give another, in UTF-8");
  CHECK(error({{"\xff", x}}) ==
        start + "the tensor '\\xff' cannot have that name: give another, in UTF-8");
  const DType packed = format_of(41, "w").dtype;
  const std::vector<uint8_t> block(18);
  CHECK(error({{"w", Tensor::view(block.data(), packed, {128}, nullptr)}}) ==
        start + "the tensor 'w' has the dtype " + name(packed) +
            ": cast it to one that the format has");
  CHECK(error({{"w", Tensor::arange(variable("n", 1, 4))}}) ==
        start + "the tensor 'w' has the symbolic shape (n)");
  CHECK(error({{"x", x}}, {{"k", "\xff"}}) == start + "the metadata 'k' is not in UTF-8");
  CHECK(error({{"x", x}}, {{"\xff", "v"}}) == start + "the metadata '\\xff' is not in UTF-8");
  CHECK(error({{"x", x}}, {{"k", std::string(100'000'000, 'v')}}) ==
        start + "the header has 100000088 bytes, more than 100000000: give less metadata");

  // A disk that is full, as far as this process is concerned.
  ::rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &limit) == 0);
  ::rlimit small = limit;
  small.rlim_cur = 1000;
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const std::string full = error({{"x", x}});
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
  std::signal(SIGXFSZ, handler);
  CHECK(full == start + "File too large");
  CHECK(content(path) == before);
  CHECK(directory.files() == 1);

  const std::string inside = directory.file("none") + "/m.st";
  const std::string temporary = fmt::format(".{}.tmp", ::getpid());
  CHECK(error_of([&] { save_safetensors(inside, {}); }) ==
        "save_safetensors: " + inside + temporary + ": No such file or directory");
  std::ofstream(path + temporary) << "another's";
  CHECK(error({}) == start.substr(0, start.size() - 2) + temporary + ": File exists");
  fs::remove(path + temporary);
  const std::string taken = directory.file("directory");
  fs::create_directory(taken);
  CHECK(error_of([&] { save_safetensors(taken, {}); }) ==
        "save_safetensors: " + taken + ": Is a directory");
  CHECK(directory.files() == 2);
}
