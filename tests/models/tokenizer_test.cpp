// The tokenizer against the real thing: Qwen3's own vocabulary (tests/golden/tokenizer/, made by
// tests/tools/make_tokenizer_fixture.py) and the ids that its own library gives. Splitting, merging
// and UTF-8 are also held against slow and obvious versions of themselves, written here.
#include "models/tokenizer.h"

#include <doctest/doctest.h>
#include <utf8proc.h>

#include <chrono>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "core/error.h"
#include "models/utf8.h"

using namespace niwaki;

namespace {

using Ids = std::vector<int64_t>;

std::ifstream open_golden(const std::string& name) {
  std::ifstream file(NIWAKI_SOURCE_DIR "/tests/golden/tokenizer/" + name);
  REQUIRE(file);
  return file;
}

// The fixture as a model file would hold it. The texts live as long as the program.
const Vocabulary& qwen3() {
  static std::deque<std::string> texts;
  static const Vocabulary instance = [] {
    Vocabulary vocabulary;
    std::ifstream vocab = open_golden("qwen3.vocab");
    std::map<int64_t, std::pair<int64_t, std::string>> listed;
    for (std::string id, type, text; vocab >> id >> type >> text;) {
      listed[std::stoll(id)] = {std::stoll(type), text};
    }
    std::ifstream merges = open_golden("qwen3.merges");
    for (std::string left, right; merges >> left >> right;) {
      vocabulary.merges.push_back(texts.emplace_back(left + " " + right));
      listed[255 + std::ssize(vocabulary.merges)] = {1, left + right};
    }
    for (const auto& [id, token] : listed) {
      REQUIRE(id == std::ssize(vocabulary.tokens));
      vocabulary.types.push_back(token.first);
      vocabulary.tokens.push_back(texts.emplace_back(token.second));
    }
    vocabulary.pre = "qwen2";
    vocabulary.eos = 151645;
    vocabulary.pad = 151643;
    return vocabulary;
  }();
  return instance;
}

const Tokenizer& qwen3_tokenizer() {
  static const Tokenizer instance(qwen3());
  return instance;
}

// The 256 bytes only, to which a test adds its own tokens.
Vocabulary bytes_only() {
  Vocabulary vocabulary;
  vocabulary.tokens.assign(qwen3().tokens.begin(), qwen3().tokens.begin() + 256);
  vocabulary.pre = "qwen2";
  return vocabulary;
}

int64_t add(Vocabulary& vocabulary, std::string_view text, TokenType type) {
  vocabulary.types.resize(vocabulary.tokens.size(), 1);
  vocabulary.types.push_back(static_cast<int64_t>(type));
  vocabulary.tokens.push_back(text);
  return std::ssize(vocabulary.tokens) - 1;
}

std::string utf8_of(char32_t code) {
  uint8_t bytes[4];
  const int64_t size = utf8proc_encode_char(static_cast<int32_t>(code), bytes);
  return std::string(bytes, bytes + size);
}

std::u32string codes_of(std::string_view text) {
  std::u32string codes;
  for (size_t at = 0; at < text.size(); at += read_utf8(text.substr(at)).size) {
    codes += read_utf8(text.substr(at)).code;
  }
  return codes;
}

// NFC by the library's own function, which is the slow one.
std::string reference_nfc(std::string_view text) {
  uint8_t* out = nullptr;
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  const int64_t size =
      utf8proc_map(reinterpret_cast<const uint8_t*>(text.data()), std::ssize(text), &out, options);
  REQUIRE(size >= 0);
  const std::string normal(out, out + size);
  std::free(out);
  return normal;
}

// Text that has much of what splitters and normalisers stumble on.
std::string random_text(std::mt19937_64& random, int64_t length) {
  const std::u32string common =
      U"aZst'ſrvemld09½٣Ⅷ  \n\r\t\u00A0\u3000\u0085\u2028!?.-_$<|>\u0000\u200D\uFEFF"
      U"é\u0301\u0323\u0327\u0338Å\u1100\u1161\u11A8한日ไعП🙂𝒳\u0903\u0345";
  const std::string_view contractions[] = {"'re", "'VE", "'lL", "'Ll", "'M", "'D", "'T", "'lr"};
  std::string text;
  for (int64_t i = 0; i < length; i++) {
    if (random() % 16 == 0) text += contractions[random() % 8];
    char32_t code = common[random() % common.size()];
    if (random() % 8 == 0) code = static_cast<char32_t>(random() % 0x11000);
    if (code >= 0xD800 && code < 0xE000) code = 'x';
    text += utf8_of(code);
  }
  return text;
}

std::string repeat(std::string_view unit, size_t size) {
  std::string text;
  while (text.size() < size) text += unit;
  return text;
}

// The regex of split_qwen2 as data, and the textbook matcher: greedy, with backtracking.
struct Element {
  bool (*is)(char32_t);
  size_t least;
  size_t most;  // 0: not a match but a negative lookahead
};

bool letter(char32_t c) {
  return utf8proc_category_string(c)[0] == 'L';
}
bool number(char32_t c) {
  return utf8proc_category_string(c)[0] == 'N';
}
bool newline(char32_t c) {
  return c == '\r' || c == '\n';
}
bool space(char32_t c) {
  static const std::u32string all =
      U"\t\n\v\f\r \u0085\u00A0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009"
      U"\u200A\u2028\u2029\u202F\u205F\u3000";
  return all.find(c) != all.npos;
}
template <char32_t lower, char32_t other = lower - 'a' + 'A'>
bool fold(char32_t c) {
  return c == lower || c == lower - 'a' + 'A' || c == other;
}

const std::vector<std::vector<Element>>& qwen2_regex() {
  constexpr size_t many = SIZE_MAX;
  static const Element quote = {[](char32_t c) { return c == '\''; }, 1, 1};
  static const std::vector<std::vector<Element>> alternatives = {
      {quote, {fold<'s', U'ſ'>, 1, 1}},
      {quote, {fold<'t'>, 1, 1}},
      {quote, {fold<'r'>, 1, 1}, {fold<'e'>, 1, 1}},
      {quote, {fold<'v'>, 1, 1}, {fold<'e'>, 1, 1}},
      {quote, {fold<'m'>, 1, 1}},
      {quote, {fold<'l'>, 2, 2}},
      {quote, {fold<'d'>, 1, 1}},
      {{[](char32_t c) { return !newline(c) && !letter(c) && !number(c); }, 0, 1},
       {letter, 1, many}},
      {{number, 1, 1}},
      {{[](char32_t c) { return c == ' '; }, 0, 1},
       {[](char32_t c) { return !space(c) && !letter(c) && !number(c); }, 1, many},
       {newline, 0, many}},
      {{space, 0, many}, {newline, 1, many}},
      {{space, 1, many}, {[](char32_t c) { return !space(c); }, 0, 0}},
      {{space, 1, many}},
  };
  return alternatives;
}

// The length of the match of elements[i..] at `at`, or -1.
int64_t match(const std::u32string& text, size_t at, std::span<const Element> elements) {
  if (elements.empty()) return 0;
  const Element& element = elements.front();
  if (element.most == 0 && at < text.size() && element.is(text[at])) return -1;
  size_t n = 0;
  while (n < element.most && at + n < text.size() && element.is(text[at + n])) n++;
  for (; n + 1 > element.least; n--) {
    const int64_t rest = match(text, at + n, elements.subspan(1));
    if (rest >= 0) return static_cast<int64_t>(n) + rest;
    if (n == 0) break;
  }
  return -1;
}

}  // namespace

TEST_CASE("tokenizer: Qwen3's own ids") {
  const nlohmann::json golden = nlohmann::json::parse(open_golden("cases.json"));
  REQUIRE(golden["cases"].size() == 57);
  for (const nlohmann::json& one : golden["cases"]) {
    const std::string text = one["text"];
    CAPTURE(text);
    const Ids ids = qwen3_tokenizer().encode(text, true);
    CHECK(ids == one["ids"].get<Ids>());
    CHECK(qwen3_tokenizer().decode(ids) == reference_nfc(text));
  }
  // By Hugging Face's tokenizers, the Rust library: blanks beyond ASCII, marks out of order.
  CHECK(qwen3_tokenizer().encode("a\u0085 b", true) == Ids{64, 126, 227, 293});
  CHECK(qwen3_tokenizer().encode("a\u00A0!", true) == Ids{64, 4102, 0});
  CHECK(qwen3_tokenizer().encode("a\u2028\u2029 b", true) == Ids{64, 378, 101, 378, 102, 293});
  CHECK(qwen3_tokenizer().encode("e\u0301\u0323", true) == Ids{124635, 53839});
  CHECK(qwen3_tokenizer().encode("'LLx", true) == Ids{6, 4086, 87});
}

TEST_CASE("tokenizer: any text comes back") {
  const uint64_t seed = 7;
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int64_t i = 0; i < 2000; i++) {
    const std::string text = random_text(random, 1 + i % 40);
    CAPTURE(text);
    CHECK(qwen3_tokenizer().decode(qwen3_tokenizer().encode(text, false)) == reference_nfc(text));
  }
}

TEST_CASE("tokenizer: special tokens") {
  const Tokenizer& qwen = qwen3_tokenizer();
  CHECK(qwen.encode("<|im_<|im_end|>", true) == Ids{27, 91, 318, 62, 151645});
  CHECK(qwen.encode("<|im_end|>", false).size() > 1);
  CHECK(qwen.bytes(151645, false) == "");
  CHECK(qwen.bytes(151645, true) == "<|im_end|>");
  CHECK(qwen.bytes(151667, false) == "<think>");
  CHECK(qwen.is_end(151645));
  CHECK(qwen.is_end(151643));
  CHECK(!qwen.is_end(151644));
  CHECK(!qwen.is_end(-1));

  Vocabulary vocabulary = bytes_only();
  const int64_t shorter = add(vocabulary, "<a", TokenType::control);
  const int64_t longer = add(vocabulary, "<a><b>", TokenType::user_defined);
  add(vocabulary, "<a", TokenType::user_defined);
  add(vocabulary, "", TokenType::control);
  add(vocabulary, "\x82", TokenType::control);
  const int64_t unused = add(vocabulary, "[PAD]", TokenType::unused);
  vocabulary.bos = vocabulary.eos = shorter;
  vocabulary.add_bos = vocabulary.add_eos = true;
  const Tokenizer tokenizer(vocabulary);
  CHECK(tokenizer.encode("<a><b><a><a", true) == Ids{longer, shorter, 29, shorter});
  CHECK(tokenizer.encode("€", true) == tokenizer.encode("€", false));
  CHECK(tokenizer.encode("!", true, true) == Ids{shorter, 0, shorter});
  CHECK(tokenizer.bytes(unused, false) == "");
  CHECK(tokenizer.decode(Ids{0, unused, longer}) == "![PAD]<a><b>");
}

TEST_CASE("tokenizer: merging equals the quadratic loop") {
  const uint64_t seed = 11;
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int64_t round = 0; round < 200; round++) {
    std::vector<std::string> known = {"a", "b", "c"};
    std::deque<std::string> merges;
    std::map<std::pair<std::string, std::string>, int64_t> ranks;
    Vocabulary vocabulary = bytes_only();
    while (merges.size() < 12) {
      const std::string left = known[random() % known.size()];
      const std::string right = known[random() % known.size()];
      if (!ranks.emplace(std::pair(left, right), std::ssize(merges)).second) continue;
      known.push_back(left + right);
      merges.push_back(left + " " + right);
    }
    for (const std::string& text : merges) vocabulary.merges.push_back(text);
    for (const std::string& text : known) vocabulary.tokens.push_back(text);
    const Tokenizer tokenizer(vocabulary);

    std::vector<std::string> expected;
    std::string text;
    for (int64_t i = 0; i < 40; i++) text += expected.emplace_back(1, "abc"[random() % 3]);
    for (;;) {
      std::pair<int64_t, size_t> best = {INT64_MAX, 0};  // rank, position
      for (size_t i = 0; i + 1 < expected.size(); i++) {
        const auto found = ranks.find({expected[i], expected[i + 1]});
        if (found != ranks.end()) best = std::min(best, std::pair(found->second, i));
      }
      if (best.first == INT64_MAX) break;
      expected[best.second] += expected[best.second + 1];
      expected.erase(expected.begin() + static_cast<int64_t>(best.second) + 1);
    }
    std::vector<std::string> pieces;
    for (const int64_t id : tokenizer.encode(text, false)) {
      pieces.push_back(tokenizer.bytes(id, false));
    }
    CHECK(pieces == expected);
  }
}

TEST_CASE("pretokenize: the scanner equals the regex") {
  const uint64_t seed = 13;
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int64_t i = 0; i < 20000; i++) {
    const std::string text = random_text(random, 1 + i % 24);
    const std::u32string codes = codes_of(text);
    int64_t expected = -1;
    for (const std::vector<Element>& alternative : qwen2_regex()) {
      expected = match(codes, 0, alternative);
      if (expected >= 0) break;
    }
    CAPTURE(text);
    CHECK(std::ssize(codes_of(split_qwen2(text))) == expected);
  }
}

TEST_CASE("tokenizer: a megabyte of anything is linear") {
  const size_t size = 1'000'000;
  std::vector<std::string> texts;
  for (const std::string_view unit : {"a", " ", "\n", " \n", "7", "🙂", "!", "é", "'", "<|im_"}) {
    texts.push_back(repeat(unit, size));
  }
  texts.push_back(repeat("\u0301", size / 2) + repeat("\u0323", size / 2));  // marks out of order
  for (const std::string& text : texts) {
    CAPTURE(text.substr(0, 8));
    const std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
    const Ids ids = qwen3_tokenizer().encode(text, true);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    CHECK(seconds.count() < 20);  // half a second as a release, hours if anything is quadratic
    CHECK(qwen3_tokenizer().decode(ids).size() == text.size());
  }
}

TEST_CASE("tokenizer: errors") {
  const Tokenizer& qwen = qwen3_tokenizer();
  CHECK_THROWS_WITH_AS(qwen.encode("ab\xFF!", true),
                       "tokenize: invalid UTF-8 at byte 2 of 4 (0xff): the text must be UTF-8",
                       Error);
  CHECK_THROWS_WITH_AS(qwen.encode("€\xE2\x82", false),
                       "tokenize: invalid UTF-8 at byte 3 of 5 (0xe2): the text must be UTF-8",
                       Error);
  CHECK_THROWS_WITH_AS(qwen.bytes(151669, false),
                       "detokenize: no token 151669: the vocabulary has 151669 tokens", Error);
  CHECK_THROWS_WITH_AS(qwen.decode(Ids{-1}),
                       "detokenize: no token -1: the vocabulary has 151669 tokens", Error);

  using Change = void (*)(Vocabulary&);
  const std::pair<Change, const char*> cases[] = {
      {[](Vocabulary& v) { v.pre = "llama-bpe"; },
       "tokenizer: unknown pre-tokenizer \"llama-bpe\": the known ones are \"qwen2\""},
      {[](Vocabulary& v) {
         v.types = {1, 1};
       },
       "tokenizer: token_type has 2 entries for 256 tokens: it needs one a token"},
      {[](Vocabulary& v) { add(v, "x", TokenType{7}); },
       "tokenizer: token 256 \"x\" has type 7: the types are 1 to 6"},
      {[](Vocabulary& v) { v.eot = 256; },
       "tokenizer: eot is token 256: the vocabulary has 256 tokens"},
      {[](Vocabulary& v) { v.bos = -2; },
       "tokenizer: bos is token -2: the vocabulary has 256 tokens"},
      {[](Vocabulary& v) { v.add_bos = true; },
       "tokenizer: add_bos_token is set: there is no bos token to add"},
      {[](Vocabulary& v) { v.add_eos = true; },
       "tokenizer: add_eos_token is set: there is no eos token to add"},
      {[](Vocabulary& v) { v.tokens.clear(); },
       "tokenizer: no token for byte 0x00: a byte-level vocabulary spells it \"Ā\""},
      {[](Vocabulary& v) { v.merges = {"a b"}; },
       "tokenizer: merge 0 \"a b\": \"ab\" is not in the vocabulary, or is a control token"},
      {[](Vocabulary& v) { v.merges = {"a bc"}; },
       "tokenizer: merge 0 \"a bc\": \"bc\" is not in the vocabulary, or is a control token"},
      {[](Vocabulary& v) {
         add(v, "ab", TokenType::control);
         v.merges = {"a b"};
       },
       "tokenizer: merge 0 \"a b\": \"ab\" is not in the vocabulary, or is a control token"},
      {[](Vocabulary& v) { v.merges = {"a\n"}; },
       "tokenizer: merge 0 \"a\\n\": it must be two tokens with one space between"},
      {[](Vocabulary& v) { v.merges = {"a b c"}; },
       "tokenizer: merge 0 \"a b c\": it must be two tokens with one space between"},
  };
  for (const auto& [change, text] : cases) {
    Vocabulary vocabulary = bytes_only();
    change(vocabulary);
    CHECK_THROWS_WITH_AS(Tokenizer{vocabulary}, text, Error);
  }

  Vocabulary vocabulary = bytes_only();
  add(vocabulary, "a€", TokenType::normal);
  CHECK_THROWS_WITH_AS(
      Tokenizer(vocabulary).bytes(256, false),
      "detokenize: token 256 \"a€\" spells no bytes: \"€\" is not in the byte-level alphabet",
      Error);
}

TEST_CASE("utf8: the first invalid byte, as the library sees it") {
  const uint64_t seed = 17;
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int64_t i = 0; i < 100000; i++) {
    std::string text = random_text(random, 1 + i % 4);
    text[random() % text.size()] ^= static_cast<char>(1 << random() % 8);
    std::optional<size_t> expected;
    for (size_t at = 0; at < text.size() && !expected;) {
      int32_t code = 0;
      const uint8_t* bytes = reinterpret_cast<const uint8_t*>(text.data()) + at;
      const int64_t size = utf8proc_iterate(bytes, static_cast<int64_t>(text.size() - at), &code);
      if (size < 0) expected = at;
      at += static_cast<size_t>(size);
    }
    CHECK(first_invalid_utf8(text) == expected);
  }
}

TEST_CASE("utf8: a stream gives out whole characters only") {
  Utf8Stream stream;
  std::string out;
  for (const char byte : std::string("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x99\x82!")) {
    out += stream.push({&byte, 1}) + "|";
  }
  CHECK(out == "a||é|||€||||🙂|!|");
  CHECK(stream.flush() == "");

  const std::pair<std::string_view, std::string_view> cases[] = {
      {"\xFF", "\uFFFD"},                      // never part of a character
      {"\xC0\x80", "\uFFFD\uFFFD"},            // overlong
      {"\xED\xA0\x80", "\uFFFD\uFFFD\uFFFD"},  // a surrogate
      {"\xF4\x90", "\uFFFD\uFFFD"},            // beyond U+10FFFF
      {"\xE2\x82g", "\uFFFDg"},                // cut by another character
      {"g\xF0\x9F\x99", "g\uFFFD"},            // cut by the end
  };
  for (const auto& [bytes, expected] : cases) {
    std::string whole = stream.push(bytes);
    whole += stream.flush();
    CHECK(whole == expected);
    std::string one_by_one;
    for (const char byte : bytes) one_by_one += stream.push({&byte, 1});
    one_by_one += stream.flush();
    CHECK(one_by_one == expected);
  }
}

TEST_CASE("utf8: NFC, as the library has it") {
  const uint64_t seed = 19;
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int64_t i = 0; i < 20000; i++) {
    const std::string text = random_text(random, 1 + i % 16);
    CHECK(nfc(text) == reference_nfc(text));
  }
}
