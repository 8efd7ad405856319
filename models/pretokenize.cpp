#include "models/pretokenize.h"

#include <utf8proc.h>

#include "core/error.h"
#include "models/utf8.h"

namespace niwaki {

namespace {

// All that the regexes ask of a character. A newline is also a \s; `none` is the end of the text.
enum class Kind { letter, number, newline, blank, other, none };

struct Character {
  Kind kind;
  size_t size;
};

Kind kind_of(char32_t code) {
  if (code == '\n' || code == '\r') return Kind::newline;
  if (('\t' <= code && code <= '\r') || code == 0x85) return Kind::blank;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(code))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: return Kind::letter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return Kind::number;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return Kind::blank;
    default: return Kind::other;
  }
}

Character character_at(std::string_view text, size_t at) {
  if (at == text.size()) return {Kind::none, 0};
  const Utf8Character character = read_utf8(text.substr(at));
  return {kind_of(character.code), character.size};
}

// The end of the run of `kind` that begins at `at`.
size_t end_of_run(std::string_view text, size_t at, Kind kind) {
  for (;;) {
    const Character character = character_at(text, at);
    if (character.kind != kind) return at;
    at += character.size;
  }
}

// The size of an English contraction at the front of `text` in any case, or 0. The long s counts,
// as it does in Unicode's case folding: the engine that cut the training text folds it to s.
size_t contraction(std::string_view text) {
  for (const std::string_view known : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'\u017F"}) {
    if (text.size() < known.size()) continue;
    bool equal = true;
    for (size_t i = 0; i < known.size(); i++) {
      const bool upper = 'A' <= text[i] && text[i] <= 'Z';
      equal = equal && (upper ? text[i] - 'A' + 'a' : text[i]) == known[i];
    }
    if (equal) return known.size();
  }
  return 0;
}

// The last three alternatives, at a run of \s: up to its last newline, if it has one; the whole run
// where the text ends there; else all but the last, which is left for the piece that follows.
std::string_view split_space(std::string_view text) {
  size_t at = 0;
  size_t last = 0;
  size_t after_newline = 0;
  Character character = character_at(text, at);
  while (character.kind == Kind::blank || character.kind == Kind::newline) {
    last = at;
    at += character.size;
    if (character.kind == Kind::newline) after_newline = at;
    character = character_at(text, at);
  }
  if (after_newline > 0) return text.substr(0, after_newline);
  return text.substr(0, character.kind == Kind::none || last == 0 ? at : last);
}

}  // namespace

std::string_view split_qwen2(std::string_view text) {
  if (const size_t size = contraction(text); size > 0) return text.substr(0, size);
  const Character first = character_at(text, 0);
  const Character second = character_at(text, first.size);
  const bool opens_word = first.kind == Kind::blank || first.kind == Kind::other;

  if (first.kind == Kind::number) return text.substr(0, first.size);
  if (first.kind == Kind::letter || (opens_word && second.kind == Kind::letter)) {
    return text.substr(0, end_of_run(text, first.size, Kind::letter));
  }
  if (first.kind == Kind::other || (text[0] == ' ' && second.kind == Kind::other)) {
    const size_t end = end_of_run(text, first.size, Kind::other);
    return text.substr(0, end_of_run(text, end, Kind::newline));
  }
  return split_space(text);
}

Splitter splitter_named(std::string_view pre) {
  check(pre == "qwen2", "tokenizer: unknown pre-tokenizer {:?}: the known ones are \"qwen2\"",
        pre.substr(0, 40));
  return split_qwen2;
}

}  // namespace niwaki
