// The commands that open a model: on the one that the program carries, on a golden file, and on
// files that are none.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>

#include "process.h"

using namespace niwaki_test;
using nlohmann::json;

namespace {

const Words greedy = {"run", "-p", "the world", "-n", "8", "--temp", "0"};

Words operator+(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

std::string join(const json& tokens) {
  std::string out;
  for (const int64_t id : tokens) out += fmt::format("{}{}", out.empty() ? "" : ",", id);
  return out;
}

// An error as it should be: one line on stderr, nothing on stdout, status 1, within a second; five
// where others use the machine too.
void check_error(const Outcome& outcome, const std::string& message) {
  CAPTURE(outcome.err);
  CHECK(outcome.status == 1);
  CHECK(outcome.out.empty());
  CHECK(outcome.err.starts_with("error: "));
  CHECK(outcome.err.find(message) != std::string::npos);
  CHECK(std::ranges::count(outcome.err, '\n') == 1);
  CHECK(outcome.err.ends_with('\n'));
  CHECK(outcome.seconds < 5);
}

// A running program whose stdout is a pipe.
struct Running {
  int reading;
  pid_t child;

  explicit Running(const Words& words) {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    child = start(words, "", scratch / "err", ends[1]);
    ::close(ends[1]);
    reading = ends[0];
  }
};

}  // namespace

TEST_CASE("cli: run makes text, the same for the same seed") {
  const Words words = {"run", "-p", "the world", "-n", "24", "--temp", "2", "--ignore-eos"};
  const Outcome first = run_program(words + Words{"--seed", "7"});
  CAPTURE(first.err);
  CHECK(first.status == 0);
  CHECK(!first.out.empty());
  CHECK(first.err.find("seed 7\n") != std::string::npos);
  CHECK(first.err.find("precision exact, context 2048 in f32, ") != std::string::npos);
  CHECK(first.err.find("[ Prompt: ") != std::string::npos);
  CHECK(first.err.find(" t/s | Generation: ") != std::string::npos);
  CHECK(first.err.find('\r') == std::string::npos);
  CHECK(run_program(words + Words{"-s", "7"}).out == first.out);
  CHECK(run_program(words + Words{"-s", "8"}).out != first.out);
  CHECK(run_program(words).status == 0);
}

TEST_CASE("cli: run takes its prompt from a file, less the last line break") {
  const std::string path = scratch.file("prompt", "the world\n");
  const Outcome spoken = run_program(greedy);
  CHECK(spoken.status == 0);
  CHECK(run_program({"run", "-f", path, "-n", "8", "--temp", "0"}).out == spoken.out);
  CHECK(run_program(greedy + Words{"-m", tiny_model}).status == 0);
}

TEST_CASE("cli: run says the same on another device and with other threads") {
  const Words words = {"run", "-p", "the", "-n", "2", "--temp", "0", "-c", "64"};
  const Outcome first = run_program(words);
  CHECK(!first.out.empty());
  CHECK(run_program(words + Words{"-t", "1"}).out == first.out);
  CHECK(run_program(words + Words{"--device", "INTERP"}).out == first.out);
}

// INTERP is so slow that the first token is read long before the last is made.
TEST_CASE("cli: run streams, and Ctrl-C ends it") {
  const Running program({"run", "-p", "the", "--ignore-eos", "-c", "64", "--device", "INTERP"});
  char byte = 0;
  CHECK(::read(program.reading, &byte, 1) == 1);
  CHECK(::waitpid(program.child, nullptr, WNOHANG) == 0);
  ::kill(program.child, SIGINT);
  while (::read(program.reading, &byte, 1) == 1) continue;
  CHECK(wait_for(program.child).status == 130);
  ::close(program.reading);
  CHECK(read_file(scratch / "err").find("[ Prompt: ") != std::string::npos);
}

TEST_CASE("cli: run ends in silence when nobody reads any more") {
  const Running program({"run", "-p", "the", "--ignore-eos", "--temp", "2"});
  ::close(program.reading);
  CHECK(wait_for(program.child).status == 141);
  CHECK(read_file(scratch / "err").find("error") == std::string::npos);
}

TEST_CASE("cli: prompts that cannot be run") {
  check_error(run_program({"run", "-p", "a \xff"}), "run: the prompt is not UTF-8 at byte 2: ");
  check_error(run_program({"run", "-p", ""}), "run: the prompt is empty: ");
  check_error(run_program({"run", "-p", "abcdefghij", "-c", "4"}), "tokens and the context 4: ");
  check_error(run_program({"run", "-f", scratch / "none"}), "No such file or directory");
  check_error(run_program({"run", "-f", source_dir}), "cannot read the prompt file");
  check_error(run_program({"run", "-f", "/dev/zero"}), "has over 67108864 bytes: shorten it");
  check_error(run_program({"run", "-p", "a", "--device", "TPU"}), "unknown name 'TPU'");
  check_error(run_program({"run", "-p", "a", "--precision", "vague"}), "vague");
  check_error(run_program({"run", "-p", "a", "-m", ""}), "open: : No such file");
  check_error(run_program({"run", "-p", "a"}, {"NIWAKI_DEVICE=TPU"}), "unknown name 'TPU'");
}

TEST_CASE("cli: logits in the form of the goldens") {
  const json golden =
      json::parse(read_file(source_dir + "/tests/golden/models/tiny-q1_0.f64.json"));
  const Words words = {"logits", "-m", tiny_model, "-t", join(golden["tokens"])};
  const Outcome outcome = run_program(words);
  CAPTURE(outcome.err);
  REQUIRE(outcome.status == 0);
  const json mine = json::parse(outcome.out);
  CHECK(mine.size() == golden.size());
  CHECK(mine["file"] == golden["file"]);
  CHECK(mine["tokens"] == golden["tokens"]);
  CHECK(mine["vocab"] == golden["vocab"]);
  REQUIRE(mine["positions"].size() == golden["positions"].size());

  const json half = json::parse(run_program(words + Words{"--cache-type", "f16"}).out);
  CHECK(half["positions"] != mine["positions"]);

  const json top = json::parse(run_program(words + Words{"--top", "3"}).out);
  for (size_t i = 0; i < golden["positions"].size(); i++) {
    const json& position = mine["positions"][i];
    CHECK(position.size() == 2);
    CHECK(position["argmax"] == golden["positions"][i]["argmax"]);
    const std::vector<double> logits = position["logits"];
    CHECK(logits.size() == golden["vocab"]);

    const json& pairs = top["positions"][i]["logits"];
    REQUIRE(pairs.size() == 3);
    CHECK(pairs[0][0] == position["argmax"]);
    for (const json& pair : pairs) CHECK(pair[1] == logits[pair[0].get<size_t>()]);
    CHECK(pairs[0][1] >= pairs[1][1]);
    CHECK(pairs[1][1] >= pairs[2][1]);
  }
}

TEST_CASE("cli: logits of tokens that cannot be fed") {
  check_error(run_program({"logits", "-m", tiny_model, "-t", "1,300"}),
              "logits: there is no token 300: the vocabulary has 300");
  check_error(run_program({"logits", "-m", tiny_model, "-t", "1,2,3", "-c", "2"}),
              "logits: there are 3 tokens and the context has 2: ");
}

TEST_CASE("cli: tokenize, with special tokens as one id each") {
  CHECK(run_program({"tokenize", "-m", tiny_model, ""}).out == "[]\n");
  CHECK(run_program({"tokenize", "-m", tiny_model, "hello<|im_end|>"}).out == "[292, 299]\n");
  CHECK(run_program({"tokenize", "-m", tiny_model, "--", "-m"}).out == "[12, 76]\n");
  check_error(run_program({"tokenize", "-m", tiny_model, "\xc3"}), "UTF-8");
}

TEST_CASE("cli: inspect shows metadata and tensors") {
  const Outcome outcome = run_program({"inspect", tiny_model});
  CHECK(outcome.status == 0);
  for (const std::string part :
       {"general.architecture", "'qwen3'", "array of string", "300", "token_embd.weight",
        " 1e-06\n", "Q1_0", "[300, 256]", "25 tensors"}) {
    CAPTURE(part);
    CHECK(outcome.out.find(part) != std::string::npos);
  }
}

TEST_CASE("cli: bench as a table and as JSON") {
  const Words words = {"bench", "-p", "16", "-n", "4", "-r", "3"};
  const Outcome table = run_program(words);
  CAPTURE(table.err);
  CHECK(table.status == 0);
  CHECK(table.err.empty());
  for (const std::string part : {"| model ", "size |", "params", "backend", "threads", "cache",
                                 "f32", "t/s", "±", "pp16", "tg4", "GB/s", "CPU"}) {
    CAPTURE(part);
    CHECK(table.out.find(part) != std::string::npos);
  }
  const json tests = json::parse(run_program(words + Words{"-o", "json", "-ct", "f16"}).out);
  REQUIRE(tests.size() == 2);
  CHECK(tests[0]["n_prompt"] == 16);
  CHECK(tests[0]["gb_per_s"].is_null());
  CHECK(tests[1]["n_gen"] == 4);
  CHECK(tests[1]["bandwidth_share"] > 0);
  for (const json& test : tests) {
    CHECK(test["type_k"] == "f16");
    CHECK(test["type_v"] == "f16");
    CHECK(test["samples_ts"].size() == 3);
    CHECK(test["samples_ns"].size() == 3);
    std::vector<double> samples = test["samples_ts"];
    std::ranges::sort(samples);
    CHECK(test["median_ts"] == samples[1]);
    CHECK(test["avg_ts"] >= samples[0]);
    CHECK(test["avg_ts"] <= samples[2]);
  }
  check_error(run_program({"bench", "-p", "100", "-n", "0", "-c", "64"}),
              "bench: pp100 does not fit the context of 64 tokens");
}

TEST_CASE("cli: files that are no model are refused, by every command") {
  const std::string model = read_file(tiny_model);
  REQUIRE(model.size() > 100000);
  struct Case {
    std::string path;
    std::string message;
  };
  std::vector<Case> cases = {
      {scratch / "none.gguf", "No such file or directory"},
      {source_dir, "is a directory"},
      {"/dev/zero", "is not a regular file"},
      {scratch.file("empty.gguf", ""), "is empty"},
      {scratch.file("page.gguf", "<!DOCTYPE html><html><body>404</body></html>"), "an HTML page"},
      {scratch.file("lfs.gguf", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
       "a git-lfs pointer"},
      {scratch.file("zeros.gguf", std::string(4096, '\0')), "the magic is"},
      {scratch.file("line\nbreak.gguf", "GGUF"), "line?break.gguf"},
  };
  for (const size_t size : {5, 23, 100, 2000, 20000, 100000, 201056}) {
    const std::string name = fmt::format("cut{}.gguf", size);
    cases.push_back({scratch.file(name, model.substr(0, size)), name});
  }
  for (const Case& each : cases) {
    CAPTURE(each.path);
    check_error(run_program({"inspect", each.path}), each.message);
    check_error(run_program({"run", "-m", each.path, "-p", "a"}), each.message);
    check_error(run_program({"logits", "-m", each.path, "-t", "1"}), each.message);
    check_error(run_program({"tokenize", "-m", each.path, "a"}), each.message);
    check_error(run_program({"bench", "-m", each.path}), each.message);
    check_error(run_program({"explain", "--text", each.path}), each.message);
  }
}
