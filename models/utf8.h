// UTF-8 read strictly, as the Unicode Standard defines it (table 3-7): no overlong forms, no
// surrogates, nothing beyond U+10FFFF. Text enters by prompts, files and sockets, so it is checked
// once at the border, and what stands behind the border may assume it.
//
// A token of a byte-level vocabulary is any run of bytes, and a character is often two or three
// tokens. So what a model says reaches a terminal or a socket by Utf8Stream, which holds a
// character back until it is whole. A byte that can never belong to one becomes U+FFFD, since a
// JSON writer rightly refuses it and a model may not stop the server.
//
// Offsets here are size_t, as std::string_view has them.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace niwaki {

/// What stands at the front of a text: a character, or why there is none.
struct Utf8Character {
  enum class State { whole, invalid, cut };  // cut: the text ends inside the character
  State state;
  char32_t code;  // U+FFFD unless whole
  size_t size;    // bytes; where not whole, those that one U+FFFD stands for
};

/// Reads the character at the front of non-empty `text`.
Utf8Character read_utf8(std::string_view text);

/// The offset of the first byte that is not part of a whole character, if there is one.
std::optional<size_t> first_invalid_utf8(std::string_view text);

/// Normalization form C (UAX #15) of valid UTF-8, in O(n log n) whatever the text.
std::string nfc(std::string_view text);

/// Turns a stream of bytes into a stream of valid UTF-8.
class Utf8Stream {
 public:
  /// Adds bytes; returns what has become whole, U+FFFD standing for what can never be.
  std::string push(std::string_view bytes);

  /// Ends the stream: a character still incomplete becomes one U+FFFD.
  std::string flush();

 private:
  std::string held_;  // the beginning of a character, three bytes at most
};

}  // namespace niwaki
