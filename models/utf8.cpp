#include "models/utf8.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/error.h"

namespace niwaki {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

int combining_class(int32_t code) { return utf8proc_get_property(code)->combining_class; }

}  // namespace

Utf8Character read_utf8(std::string_view text) {
  using enum Utf8Character::State;
  const uint8_t lead = static_cast<uint8_t>(text[0]);
  if (lead < 0x80) return {whole, lead, 1};
  if (lead < 0xC2 || lead > 0xF4) return {invalid, 0xFFFD, 1};

  const size_t size = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  char32_t code = lead & (0x7F >> size);
  // The second byte has a narrower range after four of the lead bytes: that is all it takes to shut
  // out overlong forms (E0, F0), surrogates (ED) and what lies beyond the last plane (F4).
  uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  for (size_t i = 1; i < size; i++) {
    if (i == text.size()) return {cut, 0xFFFD, i};
    const uint8_t byte = static_cast<uint8_t>(text[i]);
    if (byte < low || byte > high) return {invalid, 0xFFFD, i};
    code = code << 6 | (byte & 0x3F);
    low = 0x80;
    high = 0xBF;
  }
  return {whole, code, size};
}

std::optional<size_t> first_invalid_utf8(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const Utf8Character character = read_utf8(text.substr(at));
    if (character.state != Utf8Character::State::whole) return at;
    at += character.size;
  }
  return std::nullopt;
}

// utf8proc_NFC would do all of this, but it sorts marks by insertion: a prompt of a megabyte of
// accents in the wrong order would take minutes. Only that step is ours.
std::string nfc(std::string_view text) {
  // Below U+0300, whose lead byte is CC, every character is its own normal form.
  const auto is_plain = [](char byte) { return static_cast<uint8_t>(byte) < 0xCC; };
  if (std::ranges::all_of(text, is_plain)) return std::string(text);

  std::vector<int32_t> codes;
  codes.reserve(text.size() + 1);
  for (size_t at = 0; at < text.size();) {
    const Utf8Character character = read_utf8(text.substr(at));
    int32_t parts[8];  // no canonical decomposition is longer than four
    int boundary = 0;
    const int64_t n = utf8proc_decompose_char(static_cast<int32_t>(character.code), parts, 8,
                                              UTF8PROC_DECOMPOSE, &boundary);
    expect(0 <= n && n <= 8, "nfc: U+{:04X} decomposes into {}", uint32_t{character.code}, n);
    codes.insert(codes.end(), parts, parts + n);
    at += character.size;
  }

  const auto is_mark = [](int32_t code) { return combining_class(code) != 0; };
  for (auto begin = codes.begin(); begin != codes.end();) {
    begin = std::find_if(begin, codes.end(), is_mark);
    const auto end = std::find_if_not(begin, codes.end(), is_mark);
    std::ranges::stable_sort(begin, end, {}, combining_class);
    begin = end;
  }

  const int64_t count = static_cast<int64_t>(codes.size());
  codes.push_back(0);  // reencode composes, then writes UTF-8 and a zero over its input
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  const int64_t size = utf8proc_reencode(codes.data(), count, options);
  expect(size >= 0, "nfc: {}", utf8proc_errmsg(size));
  return std::string(reinterpret_cast<const char*>(codes.data()), static_cast<size_t>(size));
}

std::string Utf8Stream::push(std::string_view bytes) {
  held_ += bytes;
  const std::string_view text = held_;
  std::string out;
  size_t at = 0;
  while (at < text.size()) {
    const Utf8Character character = read_utf8(text.substr(at));
    if (character.state == Utf8Character::State::cut) break;
    const bool whole = character.state == Utf8Character::State::whole;
    out += whole ? text.substr(at, character.size) : kReplacement;
    at += character.size;
  }
  held_.erase(0, at);
  return out;
}

std::string Utf8Stream::flush() {
  const bool cut = !held_.empty();
  held_.clear();
  return std::string(cut ? kReplacement : "");
}

}  // namespace niwaki
