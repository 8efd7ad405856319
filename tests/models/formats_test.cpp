// The weight formats: decoded values against ggml's own, bit for bit, and the refusal of what a
// file may hold instead.
#include "models/formats.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "runtimes/realize.h"

using namespace niwaki;

namespace {

std::string error_of(const std::function<void()>& function) {
  try {
    function();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::shared_ptr<std::vector<uint8_t>> bytes_of(const std::string& hex) {
  auto bytes = std::make_shared<std::vector<uint8_t>>();
  for (size_t i = 0; i < hex.size(); i += 2) {
    bytes->push_back(static_cast<uint8_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

std::vector<uint32_t> words_of(const std::string& hex) {
  std::vector<uint32_t> words;
  for (size_t i = 0; i < hex.size(); i += 8) {
    words.push_back(static_cast<uint32_t>(std::stoul(hex.substr(i, 8), nullptr, 16)));
  }
  return words;
}

std::vector<uint32_t> bits_of(const std::vector<float>& values) {
  std::vector<uint32_t> bits;
  for (const float value : values) bits.push_back(std::bit_cast<uint32_t>(value));
  return bits;
}

}  // namespace

// tests/golden/dequantize.json: blocks that ggml quantised, and what it makes of them.
TEST_CASE("formats: values are ggml's, bit for bit") {
  std::ifstream file(NIWAKI_SOURCE_DIR "/tests/golden/dequantize.json");
  const nlohmann::json golden = nlohmann::json::parse(file).at("types");
  for (const Format& format : formats()) {
    if (format.dtype == f32 || format.dtype == f16) continue;
    CAPTURE(format.name);
    const nlohmann::json& type = golden.at(std::to_string(format.id));
    CHECK(type.at("blck") == format.values);
    CHECK(type.at("bytes") == format.bytes);
    CHECK(type.at("name") == name(format.dtype));
    const std::shared_ptr<std::vector<uint8_t>> bytes = bytes_of(type.at("hex"));
    const std::vector<uint32_t> expected = words_of(type.at("f32"));
    const int64_t n = std::ssize(expected);
    REQUIRE(n / format.values * format.bytes == std::ssize(*bytes));
    for (const char* device_name : {"INTERP", "CPU"}) {
      const Tensor packed = Tensor::view(bytes->data(), format.dtype, {n}, bytes);
      CHECK(bits_of(to_vector<float>(packed, device(device_name))) == expected);
    }
  }
}

// Every exponent and every nibble: the golden blocks have few of them.
TEST_CASE("formats: the whole range of MXFP4") {
  constexpr float halves[] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
  auto bytes = std::make_shared<std::vector<uint8_t>>();
  std::vector<uint32_t> expected;
  for (int power = 0; power < 256; ++power) {
    bytes->push_back(uint8_t(power));
    for (int i = 0; i < 16; ++i) bytes->push_back(uint8_t(i | (15 - i) << 4));
    for (int i = 0; i < 32; ++i) {
      const float half = halves[i < 16 ? i : 31 - i];
      expected.push_back(std::bit_cast<uint32_t>(std::ldexp(half, power - 128)));
    }
  }
  const DType mxfp4 = format_of(39, "'t'").dtype;
  for (const char* device_name : {"INTERP", "CPU"}) {
    const Tensor packed = Tensor::view(bytes->data(), mxfp4, {256 * 32}, bytes);
    CHECK(bits_of(to_vector<float>(packed, device(device_name))) == expected);
  }
}

// Five trits have 243 values, so some bytes stand for none: they are read like the one below.
TEST_CASE("formats: every byte of TQ1_0") {
  auto bytes = std::make_shared<std::vector<uint8_t>>();
  std::vector<float> expected;
  for (int first = 0; first < 256; first += 52) {
    std::vector<int> block;
    for (int i = 0; i < 52; ++i) block.push_back((first + i) % 256);
    for (const int byte : block) bytes->push_back(uint8_t(byte));
    bytes->insert(bytes->end(), {0x00, 0x40});  // 2
    auto run = [&](int begin, int end, int digits) {
      for (int n = 0; n < digits; ++n) {
        for (int i = begin; i < end; ++i) {
          int byte = block[size_t(i)];
          for (int k = 0; k < n; ++k) byte = byte * 3 % 256;
          expected.push_back(float(2 * (byte * 3 / 256 - 1)));
        }
      }
    };
    run(0, 32, 5);
    run(32, 48, 5);
    run(48, 52, 4);
  }
  const DType tq1_0 = format_of(34, "'t'").dtype;
  for (const char* device_name : {"INTERP", "CPU"}) {
    const int64_t n = std::ssize(expected);
    const Tensor packed = Tensor::view(bytes->data(), tq1_0, {n}, bytes);
    CHECK(to_vector<float>(packed, device(device_name)) == expected);
  }
}

// The decoding is fused into the product that reads it, for one row of activations and for many.
TEST_CASE("formats: a product with packed weights is that with their values") {
  constexpr int64_t rows = 48;
  constexpr int64_t columns = 512;
  uint32_t state = 1;
  auto next = [&] { return state = state * 1664525 + 1013904223; };
  for (const Format& format : formats()) {
    if (format.dtype.kind != Kind::Packed) continue;
    CAPTURE(format.name);
    const size_t size = size_t(rows * columns / format.values * format.bytes);
    auto bytes = std::make_shared<std::vector<uint8_t>>();
    // A byte below 0x40 keeps every scale finite, wherever it stands.
    while (bytes->size() < size) bytes->push_back(uint8_t(next() >> 26));
    const Tensor w = Tensor::view(bytes->data(), format.dtype, {rows, columns}, bytes);
    const std::vector<float> values = to_vector<float>(w, device("INTERP"));
    for (const int64_t tokens : {1, 40}) {
      std::vector<float> x;
      while (std::ssize(x) < tokens * columns) x.push_back(float(next() >> 8) / (1 << 23) - 1);
      const Tensor product = Tensor::from(x, {tokens, columns}).linear(w);
      const std::vector<float> got = to_vector<float>(product, device("CPU"));
      double worst = 0;
      for (int64_t t = 0; t < tokens; ++t) {
        for (int64_t n = 0; n < rows; ++n) {
          double sum = 0;
          double size_of_terms = 0;
          for (int64_t k = 0; k < columns; ++k) {
            const double term =
                double(x[size_t(t * columns + k)]) * values[size_t(n * columns + k)];
            sum += term;
            size_of_terms += std::abs(term);
          }
          const double error = std::abs(sum - got[size_t(t * rows + n)]);
          worst = std::max(worst, error / size_of_terms);
        }
      }
      CHECK(worst < 1e-6);
    }
  }
}

TEST_CASE("formats: a packed dtype goes by its name") {
  CHECK(formats().size() == 10);
  for (const Format& format : formats()) {
    CHECK(dtype_from_name(name(format.dtype)) == format.dtype);
    CHECK(storage_bytes(format.dtype, format.values) == format.bytes);
    CHECK(&format_of(format.id, "'t'") == &format);
  }
  CHECK(name(format_of(41, "'t'").dtype) == "q1_0");
  CHECK(geometry_of(35, "'t'").name == "TQ2_0");
}

TEST_CASE("formats: types that are not read") {
  const std::string convert =
      ": convert the model to one of F32, F16, BF16, Q8_0, Q4_0, Q1_0, Q2_0, TQ2_0, TQ1_0, "
      "MXFP4";
  const std::pair<uint32_t, std::string> cases[] = {
      {4, "4 (unknown)"},
      {12, "12 (Q4_K)"},
      {36, "36 (I2_S of the BitNet fork)"},
      {40, "40 (NVFP4)"},
      {142, "142 (PQ2_0 of the PrismML fork)"},
      {143, "143 (PTQ1_0 of the PrismML fork)"},
      {0xffffffff, "4294967295 (unknown)"},
  };
  for (const auto& [id, what] : cases) {
    CHECK(error_of([&] { geometry_of(id, "'t'"); }) == "the tensor 't' has type " + what + convert);
  }
}

TEST_CASE("formats: a weight is a view of the file") {
  const Gguf file = open_weights(NIWAKI_SOURCE_DIR "/tests/golden/models/tiny-q1_0.gguf");
  const Tensor embedding = weight(file, "token_embd.weight");
  CHECK(name(embedding.dtype()) == "q1_0");
  CHECK(to_string(embedding.shape()) == "(300, 256)");
  const Buffer& buffer = *embedding.uop()->get<BufferRef>();
  CHECK(buffer.data == file.tensor("token_embd.weight").bytes.data());
  CHECK(buffer.constant);
  CHECK(buffer.owner == file.owner());
  CHECK(weight(file, "output_norm.weight").dtype() == f32);
}
