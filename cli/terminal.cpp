#include "cli/terminal.h"

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <system_error>

#include "core/error.h"
#include "models/gguf.h"
#include "models/utf8.h"

namespace niwaki {

void write_out(std::string_view text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (written && std::fflush(stdout) == 0) return;
  // Whose parent ignores SIGPIPE gets this error in its place, and should end the same way.
  if (errno == EPIPE) throw Exit{128 + SIGPIPE};
  fail("stdout: cannot write: {}", std::generic_category().message(errno));
}

void write_note(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); }

bool is_terminal_out() { return ::isatty(STDOUT_FILENO) == 1; }

std::string json_string(std::string_view text) {
  Utf8Stream stream;
  std::string valid = stream.push(text);
  valid += stream.flush();
  std::string out = "\"";
  for (const char c : valid) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c >= 0 && c < ' ') {
      out += fmt::format("\\u{:04x}", static_cast<int>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string name_text(std::string_view name) {
  const std::string quoted = printable(name);
  return quoted.size() == name.size() + 2 ? std::string(name) : quoted;
}

ProgressLine::ProgressLine() : on_(::isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() { erase(); }

// Spaces rather than an escape sequence, which not every terminal understands.
void ProgressLine::show(std::string_view text) {
  if (!on_) return;
  write_note(fmt::format("\r{:<{}}", text, shown_.size()));
  shown_ = text;
}

void ProgressLine::erase() {
  if (!shown_.empty()) write_note(fmt::format("\r{:{}}\r", "", shown_.size()));
  shown_.clear();
}

}  // namespace niwaki
