// Runs the program as a shell would, with its real arguments, files and signals: what the tests of
// the command line are about is what a user sees, which no call of a function shows.
#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

namespace niwaki_test {

using Words = std::vector<std::string>;

inline const std::string source_dir = NIWAKI_SOURCE_DIR;
inline const std::string tiny_model = source_dir + "/tests/golden/models/tiny-q1_0.gguf";

/// A directory of this test's own, removed at the end.
class Scratch {
 public:
  Scratch() { std::filesystem::create_directories(path_); }
  ~Scratch() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  /// Writes a file, returns its path.
  std::string file(const std::string& name, const std::string& content) const {
    std::ofstream(path_ / name, std::ios::binary) << content;
    return *this / name;
  }

 private:
  std::filesystem::path path_ =
      std::filesystem::temp_directory_path() / fmt::format("niwaki_cli_{}", ::getpid());
};

inline const Scratch scratch;

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Starts the program with stdin, stdout and stderr from and to files or, where not -1, stdout to a
/// descriptor. `environment` goes before what this test was started with.
inline pid_t start(const Words& words, const std::string& out, const std::string& err,
                   int out_descriptor = -1, Words environment = {}) {
  // Compiled programs go where other tests' go, and never to the user's cache.
  environment.push_back("NIWAKI_CACHE=" NIWAKI_BINARY_DIR "/cli_test_cache");
  for (char** entry = ::environ; *entry; entry++) environment.push_back(*entry);
  const auto pointers = [](const Words& strings) {
    std::vector<char*> out;
    for (const std::string& each : strings) out.push_back(const_cast<char*>(each.c_str()));
    out.push_back(nullptr);
    return out;
  };
  Words all = {NIWAKI_BINARY_DIR "/niwaki"};
  all.insert(all.end(), words.begin(), words.end());

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  constexpr int flags = O_WRONLY | O_CREAT | O_TRUNC;
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  if (out_descriptor >= 0) {
    ::posix_spawn_file_actions_adddup2(&actions, out_descriptor, 1);
  } else {
    ::posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), flags, 0600);
  }
  ::posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), flags, 0600);
  pid_t child = 0;
  const int error = ::posix_spawn(&child, all[0].c_str(), &actions, nullptr, pointers(all).data(),
                                  pointers(environment).data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::runtime_error("cannot start " + all[0]);
  return child;
}

struct Outcome {
  int status;  // as a shell shows it: of a signal, 128 and its number
  std::string out;
  std::string err;
  double seconds;  // of processor time: a busy machine does not count
};

/// Waits for the program's end; `out` and `err` are for the caller to fill in.
inline Outcome wait_for(pid_t child) {
  int status = 0;
  rusage usage = {};
  ::wait4(child, &status, 0, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), "", "",
          seconds(usage.ru_utime) + seconds(usage.ru_stime)};
}

/// Runs the program to its end.
inline Outcome run_program(const Words& words, const Words& environment = {}) {
  Outcome outcome = wait_for(start(words, scratch / "out", scratch / "err", -1, environment));
  outcome.out = read_file(scratch / "out");
  outcome.err = read_file(scratch / "err");
  return outcome;
}

}  // namespace niwaki_test
