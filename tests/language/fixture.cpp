#include "language/fixture.h"

#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <span>

#include "core/error.h"
#include "ops/gradient.h"
#include "runtimes/realize.h"

namespace niwaki::test {
namespace {

using nlohmann::json;

// --- the numbers both sides make ---

uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

uint64_t fnv(const std::string& text) {
  uint64_t h = 0xCBF29CE484222325;
  for (unsigned char byte : text) h = (h ^ byte) * 0x100000001B3;
  return h;
}

uint64_t hash_at(uint64_t key, size_t i) { return mix(key + (i + 1) * 0x9E3779B97F4A7C15); }

double uniform_at(uint64_t key, size_t i, double low, double high) {
  return low + (high - low) * (double(hash_at(key, i) >> 40) / 16777216.0);
}

double sign_at(uint64_t key, size_t i) { return hash_at(key, i) >> 63 ? -1.0 : 1.0; }

double number(const json& v) {
  if (v.is_boolean()) return v.get<bool>();
  if (!v.is_string()) return v.get<double>();
  if (v == "nan") return std::nan("");
  return v == "inf" ? INFINITY : -INFINITY;
}

// --- tensors ---

DType dtype_named(const std::string& text) {
  for (DType t : {boolean, i8, u8, i16, u16, i32, u32, i64, u64, f16, bf16, f32, f64}) {
    if (name(t) == text) return t;
  }
  fail("fixture: unknown dtype {}", text);
}

Tensor tensor_of(const std::vector<double>& values, std::vector<int64_t> shape, DType t) {
  Tensor empty = Tensor::empty(std::move(shape), t);
  char* data = static_cast<char*>(empty.uop()->get<BufferRef>()->data);
  for (size_t i = 0; i < values.size(); ++i) {
    store_value(t, data + int64_t(i) * byte_size(t), value_of(t, values[i]));
  }
  return empty;
}

Tensor input(const json& row, uint64_t key) {
  DType t = dtype_named(row["dtype"]);
  std::vector<int64_t> shape = row["shape"];
  std::vector<double> values;
  if (row.contains("values")) {
    for (const json& v : row["values"]) values.push_back(number(v));
    return tensor_of(values, shape, t);
  }
  size_t n = 1;
  for (int64_t dim : shape) n *= size_t(dim);
  double low = row["low"];
  double high = row["high"];
  for (size_t i = 0; i < n; ++i) {
    double u = uniform_at(key, i, low, high);
    if (t == boolean) u = u >= (low + high) / 2;
    else if (!is_float(t)) u = std::floor(u);
    values.push_back(u);
  }
  return tensor_of(values, shape, t);
}

std::vector<double> numbers_of(const Tensor& t) {
  const Buffer& b = *t.uop()->get<BufferRef>();
  std::vector<double> found;
  for (int64_t i = 0; i < b.size(); ++i) {
    Value v = load_value(b.dtype, static_cast<const char*>(b.data) + i * byte_size(b.dtype));
    found.push_back(is_float(b.dtype) ? v.f : b.dtype == u64 ? double(v.bits) : double(v.i));
  }
  return found;
}

// --- comparing ---

struct Tolerance {
  double relative;
  double absolute;
};

bool close(double a, double b, Tolerance t) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  if (std::isinf(a) || std::isinf(b)) return a == b;
  return std::abs(a - b) <= t.absolute + t.relative * std::abs(b);
}

// A sum of n terms with random signs: errors add as the square root of their number.
bool close_sum(double a, double b, double rms, size_t n, Tolerance t) {
  return std::abs(a - b) <= 4 * std::sqrt(double(n)) * (t.absolute + t.relative * rms);
}

double rms(std::span<const double> values) {
  double sum = 0;
  for (double v : values) sum += v * v;
  return values.empty() ? 0 : std::sqrt(sum / double(values.size()));
}

std::string kind_of(DType t) {
  return is_float(t) ? "float" : t.kind == Kind::Bool ? "bool" : "integer";
}

void check_shape(const Tensor& found, const json& wanted) {
  std::vector<int64_t> shape;
  for (const UOp& dim : found.shape()) shape.push_back(*const_int(dim));
  CHECK(shape == wanted["shape"].get<std::vector<int64_t>>());
  CHECK(kind_of(found.dtype()) == wanted["kind"].get<std::string>());
}

void check_values(std::vector<double> found, const json& wanted, const std::string& key,
                  Tolerance t) {
  if (wanted.contains("values")) {
    const json& values = wanted["values"];
    REQUIRE(found.size() == values.size());
    for (size_t i = 0; i < found.size(); ++i) {
      double want = number(values[i]);
      if (!close(found[i], want, t)) FAIL_CHECK("element ", i, ": ", found[i], " is not ", want);
    }
    return;
  }
  std::map<std::string, std::pair<int64_t, int64_t>> odd;
  for (size_t i = 0; i < found.size(); ++i) {
    double& v = found[i];
    if (std::isfinite(v)) continue;
    auto& [count, places] = odd[std::isnan(v) ? "nan" : v > 0 ? "inf" : "-inf"];
    ++count;
    places += int64_t(i) + 1;
    v = 0;
  }
  for (const char* name : {"nan", "inf", "-inf"}) {
    std::pair<int64_t, int64_t> none{0, 0};
    std::pair<int64_t, int64_t> want =
        wanted.contains(name) ? std::pair<int64_t, int64_t>{wanted[name][0], wanted[name][1]}
                              : none;
    INFO("places of ", name);
    CHECK(odd[name].first == want.first);
    CHECK(odd[name].second == want.second);
  }
  for (size_t k = 0; k < wanted["sums"].size(); ++k) {
    uint64_t sign_key = fnv(fmt::format("{}/sum {}", key, k));
    double sum = 0;
    for (size_t i = 0; i < found.size(); ++i) sum += found[i] * sign_at(sign_key, i);
    double want = number(wanted["sums"][k]);
    if (!close_sum(sum, want, rms(found), found.size(), t)) {
      FAIL_CHECK("sum ", k, " with random signs: ", sum, " is not ", want);
    }
  }
}

void check_gradient(const std::vector<double>& found, const json& wanted, const std::string& key,
                    int64_t input, Tolerance t) {
  for (size_t k = 0; k < wanted.size(); ++k) {
    uint64_t sign_key = fnv(fmt::format("{}/direction {} {}", key, k, input));
    double along = 0;
    for (size_t i = 0; i < found.size(); ++i) along += found[i] * sign_at(sign_key, i);
    double want = number(wanted[k]);
    bool same = std::isfinite(along) && std::isfinite(want)
                    ? close_sum(along, want, rms(found), found.size(), t)
                    : close(along, want, t);
    if (!same) {
      FAIL_CHECK("gradient of input ", input, " along ", k, ": ", along, " is not ", want);
    }
  }
}

// --- files ---

const std::vector<json>& calls_of(const std::string& family, const std::string& name) {
  static std::map<std::string, std::map<std::string, std::vector<json>>> all;
  auto [found, fresh] = all.try_emplace(family);
  if (fresh) {
    std::ifstream file(NIWAKI_SOURCE_DIR "/tests/golden/language/" + family + ".json");
    for (std::string line; std::getline(file, line);) {
      json row = json::parse(line);
      found->second[row["name"]].push_back(std::move(row));
    }
  }
  return found->second[name];
}

}  // namespace

Fixture::Fixture(const std::string& family, const std::string& name)
    : family_(family), name_(name) {
  if (left() == 0) FAIL_CHECK("no fixture of ", name_, " in ", family_, ".json");
}

Fixture::~Fixture() {
  if (left() > 0 && !std::uncaught_exceptions()) FAIL_CHECK(left(), " calls were not made");
}

int64_t Fixture::left() const { return int64_t(calls_of(family_, name_).size() - next_); }

void Fixture::run(const Op& op) {
  INFO(name_, " call ", next_);
  if (left() == 0) {
    FAIL_CHECK("no fixture is left");
    return;
  }
  std::string key = fmt::format("{}/{}", name_, next_);
  const json& row = calls_of(family_, name_)[next_++];
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < row["inputs"].size(); ++i) {
    inputs.push_back(input(row["inputs"][i], fnv(fmt::format("{}/in {}", key, i))));
  }
  std::vector<Tensor> wanted = op(inputs);
  size_t n_outputs = wanted.size();
  REQUIRE(n_outputs == row["outputs"].size());

  // The loss of the gradients: outputs weighted by random numbers.
  std::vector<int64_t> by;
  if (row.contains("gradients")) {
    Tensor loss(0.0);
    for (size_t i = 0; i < n_outputs; ++i) {
      if (!is_float(wanted[i].dtype())) continue;
      uint64_t weight_key = fnv(fmt::format("{}/weight {}", key, i));
      std::vector<int64_t> shape = row["outputs"][i]["shape"];
      size_t n = 1;
      for (int64_t dim : shape) n *= size_t(dim);
      std::vector<double> weights;
      for (size_t j = 0; j < n; ++j) weights.push_back(uniform_at(weight_key, j, -1, 1));
      DType t = wanted[i].dtype();
      loss = loss + (wanted[i] * tensor_of(weights, shape, t)).sum();
    }
    std::vector<Tensor> sources;
    for (const auto& [i, along] : row["gradients"].items()) {
      by.push_back(std::stoll(i));
      sources.push_back(inputs[size_t(by.back())]);
    }
    for (Tensor& g : gradient(loss, sources)) wanted.push_back(std::move(g));
  }

  for (const char* device_name : {"INTERP", "CPU"}) {
    if (row.value("cpu_only", false) && std::string(device_name) == "INTERP") continue;
    INFO("on ", device_name);
    std::vector<Tensor> found = realize(wanted, {}, device(device_name));
    Tolerance forward{row.value("rtol", 1e-5), row.value("atol", 1e-6)};
    for (size_t i = 0; i < n_outputs; ++i) {
      INFO("output ", i);
      check_shape(wanted[i], row["outputs"][i]);
      check_values(numbers_of(found[i]), row["outputs"][i], fmt::format("{}/out {}", key, i),
                   forward);
    }
    Tolerance backward{row.value("grad_rtol", 1e-4), row.value("grad_atol", 1e-5)};
    for (size_t i = 0; i < by.size(); ++i) {
      check_gradient(numbers_of(found[n_outputs + i]), row["gradients"][std::to_string(by[i])], key,
                     by[i], backward);
    }
  }
}

}  // namespace niwaki::test
