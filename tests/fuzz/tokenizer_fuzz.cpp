// Fuzzes the tokenizer with a stranger's vocabulary and a stranger's text. The input is lines: what
// a line is, its first byte says; all after the first empty line is the text to encode.
//
//     3<|im_start|>    a token of type 3
//     ma b             a merge
//     p..., e..., B    the pre-tokenizer, the eos id (its first byte), no byte tokens
//
// Error is the right answer to a bad vocabulary and to bad UTF-8; anything else that is thrown or
// trapped is a finding, and so is text that does not come back.
#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/error.h"
#include "models/tokenizer.h"
#include "models/utf8.h"

using namespace niwaki;

namespace {

// The byte-level alphabet, spelled as the first 256 tokens.
const std::vector<std::string>& byte_tokens() {
  static const std::vector<std::string> instance = [] {
    std::vector<std::string> tokens;
    int64_t next = 0x100;
    for (int64_t byte = 0; byte < 256; byte++) {
      const bool prints = (byte > 0x20 && byte < 0x7F) || (byte > 0xA0 && byte != 0xAD);
      const int64_t code = prints ? byte : next++;
      const std::string two = {static_cast<char>(0xC0 | code >> 6),
                               static_cast<char>(0x80 | (code & 0x3F))};
      tokens.push_back(code < 0x80 ? std::string(1, static_cast<char>(code)) : two);
    }
    return tokens;
  }();
  return instance;
}

// The text to encode; what stands before it goes into `vocabulary`.
std::string_view parse(std::string_view input, Vocabulary& vocabulary) {
  vocabulary.pre = "qwen2";
  vocabulary.tokens.assign(byte_tokens().begin(), byte_tokens().end());
  vocabulary.types.assign(256, 1);
  while (!input.empty() && input[0] != '\n') {
    const std::string_view line = input.substr(1, input.find('\n') - 1);
    const char kind = input[0];
    if (kind == 'p') {
      vocabulary.pre = line;
    } else if (kind == 'e' && !line.empty()) {
      vocabulary.eos = static_cast<signed char>(line[0]) * 4;
    } else if (kind == 'B') {
      vocabulary.tokens.clear();
      vocabulary.types.clear();
    } else if (kind == 'm') {
      vocabulary.merges.push_back(line);
    } else {
      vocabulary.tokens.push_back(line);
      vocabulary.types.push_back(kind - '0');
    }
    input.remove_prefix(std::min(input.size(), line.size() + 2));
  }
  return input.substr(std::min<size_t>(input.size(), 1));
}

void require(bool ok) {
  if (!ok) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Vocabulary vocabulary;
  const std::string_view text = parse({reinterpret_cast<const char*>(data), size}, vocabulary);
  Utf8Stream stream;
  std::string repaired = stream.push(text);
  repaired += stream.flush();
  require(!first_invalid_utf8(repaired));
  require(first_invalid_utf8(text) || repaired == text);
  try {
    const Tokenizer tokenizer(vocabulary);
    tokenizer.decode(tokenizer.encode(repaired, true));
    const std::vector<int64_t> ids = tokenizer.encode(text, false);
    const bool plain =
        std::ranges::all_of(vocabulary.types, [](int64_t type) { return type == 1; });
    require(!plain || tokenizer.decode(ids) == nfc(text));
  } catch (const Error&) {
  }
  return 0;
}
