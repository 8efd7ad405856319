// The weight formats: decoded values against ggml's own, bit for bit, and the refusal of what a
// file may hold instead.
#include "models/formats.h"

#include <doctest/doctest.h>

#include <bit>
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
      const std::vector<float> values = to_vector<float>(packed, device(device_name));
      std::vector<uint32_t> bits;
      for (const float value : values) bits.push_back(std::bit_cast<uint32_t>(value));
      CHECK(bits == expected);
    }
  }
}

TEST_CASE("formats: a packed dtype goes by its name") {
  CHECK(formats().size() == 8);
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
      ": convert the model to one of F32, F16, BF16, Q8_0, Q4_0, Q1_0, Q2_0, TQ2_0";
  const std::pair<uint32_t, std::string> cases[] = {
      {4, "4 (unknown)"},
      {12, "12 (Q4_K)"},
      {34, "34 (TQ1_0)"},
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
