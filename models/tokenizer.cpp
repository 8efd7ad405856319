#include "models/tokenizer.h"

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <queue>
#include <utility>

#include "core/error.h"
#include "models/utf8.h"

namespace niwaki {

namespace {

using Ids = FlatMap<std::string_view, int64_t>;

// The GPT-2 alphabet: a byte that prints in Latin-1 stands for itself, the others for the code
// points from U+0100 on, in order. So every byte has a visible character and no token holds a
// blank.
bool prints(int64_t byte) {
  return ('!' <= byte && byte <= '~') || (0xA1 <= byte && byte <= 0xFF && byte != 0xAD);
}

constexpr char32_t kAlphabetEnd = 0x144;

struct Alphabet {
  std::array<std::string, 256> spelling;
  std::array<uint8_t, kAlphabetEnd> byte{};  // by code point
  std::array<bool, kAlphabetEnd> known{};

  Alphabet() {
    char32_t next = 0x100;
    for (int64_t i = 0; i < 256; i++) {
      const char32_t code = prints(i) ? static_cast<char32_t>(i) : next++;
      if (code >= 0x80) spelling[i] += static_cast<char>(0xC0 | code >> 6);
      spelling[i] += static_cast<char>(code >= 0x80 ? 0x80 | (code & 0x3F) : code);
      byte[code] = static_cast<uint8_t>(i);
      known[code] = true;
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet instance;
  return instance;
}

// As much of a text out of a file as an error message should hold.
std::string_view brief(std::string_view text) { return text.substr(0, 40); }

uint64_t pair_key(int64_t left, int64_t right) {
  return static_cast<uint64_t>(left) << 32 | static_cast<uint64_t>(right);
}

}  // namespace

Tokenizer::Tokenizer(Vocabulary vocabulary)
    : vocabulary_(std::move(vocabulary)), split_(splitter_named(vocabulary_.pre)) {
  check_ids();
  index_tokens();
}

void Tokenizer::check_ids() const {
  const int64_t size = static_cast<int64_t>(vocabulary_.tokens.size());
  expect(size <= std::numeric_limits<int32_t>::max(), "tokenizer: {} tokens", size);
  check(vocabulary_.types.empty() || std::ssize(vocabulary_.types) == size,
        "tokenizer: token_type has {} entries for {} tokens: it needs one a token",
        vocabulary_.types.size(), size);
  const std::pair<std::string_view, int64_t> named[] = {{"bos", vocabulary_.bos},
                                                        {"eos", vocabulary_.eos},
                                                        {"eot", vocabulary_.eot},
                                                        {"pad", vocabulary_.pad}};
  for (const auto& [name, id] : named) {
    check(-1 <= id && id < size, "tokenizer: {} is token {}: the vocabulary has {} tokens", name,
          id, size);
  }
  check(!vocabulary_.add_bos || vocabulary_.bos >= 0,
        "tokenizer: add_bos_token is set: there is no bos token to add");
  check(!vocabulary_.add_eos || vocabulary_.eos >= 0,
        "tokenizer: add_eos_token is set: there is no eos token to add");
}

void Tokenizer::index_tokens() {
  Ids ids(vocabulary_.tokens.size());  // no control tokens, so that merging can never make one
  for (int64_t id = 0; id < std::ssize(vocabulary_.tokens); id++) {
    const std::string_view text = vocabulary_.tokens[id];
    const TokenType kind = type(id);
    check(TokenType::normal <= kind && kind <= TokenType::byte,
          "tokenizer: token {} {:?} has type {}: the types are 1 to 6", id, brief(text),
          static_cast<int64_t>(kind));
    if (kind != TokenType::control) ids.insert(text, id);
    // Valid UTF-8 can only match valid UTF-8 at the bounds of characters, which keeps the text
    // before and after a match valid too. So a special token that is not UTF-8 is never matched.
    const bool special = kind == TokenType::control || kind == TokenType::user_defined;
    if (special && !text.empty() && !first_invalid_utf8(text)) specials_.push_back({text, id});
    if (text == "<|im_end|>" || text == "<|endoftext|>") ends_.insert(id);
  }
  for (const int64_t id : {vocabulary_.eos, vocabulary_.eot}) {
    if (id >= 0) ends_.insert(id);
  }
  std::ranges::stable_sort(specials_, {}, &Special::text);
  const auto same_text = [](const Special& a, const Special& b) { return a.text == b.text; };
  specials_.erase(std::unique(specials_.begin(), specials_.end(), same_text), specials_.end());

  for (int64_t byte = 0; byte < 256; byte++) {
    const std::string& spelling = alphabet().spelling[byte];
    const int64_t* id = ids.find(spelling);
    check(id != nullptr,
          "tokenizer: no token for byte {:#04x}: a byte-level vocabulary spells it {:?}", byte,
          spelling);
    byte_ids_[byte] = *id;
  }
  index_merges(ids);
}

void Tokenizer::index_merges(const Ids& ids) {
  merges_ = FlatMap<uint64_t, Merge>(vocabulary_.merges.size());
  std::string whole;
  for (int64_t rank = 0; rank < std::ssize(vocabulary_.merges); rank++) {
    const std::string_view text = vocabulary_.merges[rank];
    const auto id_of = [&](std::string_view part) {
      const int64_t* id = ids.find(part);
      check(id != nullptr,
            "tokenizer: merge {} {:?}: {:?} is not in the vocabulary, or is a control token", rank,
            brief(text), brief(part));
      return *id;
    };
    const size_t space = text.find(' ');
    const bool is_pair = space != std::string_view::npos && space > 0 && space + 1 < text.size() &&
                         text.find(' ', space + 1) == std::string_view::npos;
    check(is_pair, "tokenizer: merge {} {:?}: it must be two tokens with one space between", rank,
          brief(text));
    const int64_t left = id_of(text.substr(0, space));
    const int64_t right = id_of(text.substr(space + 1));
    whole.assign(text).erase(space, 1);
    // A pair that is listed again has a higher rank there, so it keeps the first.
    merges_.insert(pair_key(left, right), {rank, id_of(whole)});
  }
}

TokenType Tokenizer::type(int64_t id) const {
  return vocabulary_.types.empty() ? TokenType::normal
                                   : static_cast<TokenType>(vocabulary_.types[id]);
}

// The longest special token at the front of `text`. All of [low, high) agree with the text in its
// first `length` bytes; each byte narrows the range, and a token that ends there sorts first.
const Tokenizer::Special* Tokenizer::special_at(std::string_view text) const {
  const Special* longest = nullptr;
  auto low = specials_.begin();
  auto high = specials_.end();
  for (size_t length = 0; low != high; length++) {
    if (low->text.size() == length) longest = &*low++;
    if (length == text.size()) break;
    const auto byte = [length](const Special& special) {
      return static_cast<uint8_t>(special.text[length]);
    };
    low = std::ranges::lower_bound(low, high, static_cast<uint8_t>(text[length]), {}, byte);
    high = std::ranges::upper_bound(low, high, static_cast<uint8_t>(text[length]), {}, byte);
  }
  return longest;
}

// One piece while it is merged. The symbols are a doubly linked list in a vector: a merge grows the
// left symbol and drops the right one, so positions never move and compare as in the text. An entry
// of the heap is stale when its symbol no longer waits for a merge of that rank. The storage is
// kept from piece to piece.
class Tokenizer::Piece {
 public:
  explicit Piece(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  void encode(std::string_view bytes, std::vector<int64_t>& ids) {
    symbols_.clear();
    for (int64_t i = 0; i < std::ssize(bytes); i++) {
      const int64_t id = tokenizer_.byte_ids_[static_cast<uint8_t>(bytes[i])];
      symbols_.push_back({id, i - 1, i + 1, nullptr});
    }
    end_ = std::ssize(symbols_);
    for (int64_t i = 0; i < end_; i++) await(i);
    while (!queue_.empty()) {
      const auto [rank, left] = queue_.top();
      queue_.pop();
      const Merge* merge = symbols_[left].merge;
      if (merge != nullptr && merge->rank == rank) apply(*merge, left);
    }
    for (int64_t i = 0; i < end_; i = symbols_[i].next) ids.push_back(symbols_[i].id);
  }

 private:
  struct Symbol {
    int64_t id;
    int64_t previous;    // -1: none
    int64_t next;        // end_: none
    const Merge* merge;  // with the next symbol; null where there is none
  };
  using Waiting = std::pair<int64_t, int64_t>;  // rank, position of the left symbol

  void await(int64_t left) {
    Symbol& symbol = symbols_[left];
    symbol.merge = nullptr;
    if (symbol.next == end_) return;
    symbol.merge = tokenizer_.merges_.find(pair_key(symbol.id, symbols_[symbol.next].id));
    if (symbol.merge != nullptr) queue_.emplace(symbol.merge->rank, left);
  }

  void apply(const Merge& merge, int64_t left) {
    Symbol& symbol = symbols_[left];
    Symbol& dropped = symbols_[symbol.next];
    symbol.id = merge.result;
    symbol.next = dropped.next;
    dropped.merge = nullptr;
    if (symbol.next != end_) symbols_[symbol.next].previous = left;
    await(left);
    if (symbol.previous >= 0) await(symbol.previous);
  }

  const Tokenizer& tokenizer_;
  std::vector<Symbol> symbols_;
  int64_t end_ = 0;
  std::priority_queue<Waiting, std::vector<Waiting>, std::greater<Waiting>> queue_;
};

void Tokenizer::encode_plain(std::string_view text, std::vector<int64_t>& ids) const {
  const std::string normal = nfc(text);
  std::string_view rest = normal;
  Piece piece(*this);
  while (!rest.empty()) {
    const std::string_view bytes = split_(rest);
    piece.encode(bytes, ids);
    rest.remove_prefix(bytes.size());
  }
}

std::vector<int64_t> Tokenizer::encode(std::string_view text, bool parse_special,
                                       bool add_special) const {
  if (const std::optional<size_t> at = first_invalid_utf8(text)) {
    fail("tokenize: invalid UTF-8 at byte {} of {} ({:#04x}): the text must be UTF-8", *at,
         text.size(), static_cast<uint8_t>(text[*at]));
  }
  std::vector<int64_t> ids;
  if (add_special && vocabulary_.add_bos) ids.push_back(vocabulary_.bos);
  size_t plain = 0;  // where the text that is not yet encoded begins
  size_t at = 0;
  while (parse_special && at < text.size()) {
    const Special* special = special_at(text.substr(at));
    if (special == nullptr) {
      at++;
      continue;
    }
    encode_plain(text.substr(plain, at - plain), ids);
    ids.push_back(special->id);
    at += special->text.size();
    plain = at;
  }
  encode_plain(text.substr(plain), ids);
  if (add_special && vocabulary_.add_eos) ids.push_back(vocabulary_.eos);
  return ids;
}

std::string Tokenizer::decode(std::span<const int64_t> ids) const {
  std::string text;
  for (const int64_t id : ids) text += bytes(id, true);
  return text;
}

std::string Tokenizer::bytes(int64_t id, bool show_control) const {
  check(0 <= id && id < std::ssize(vocabulary_.tokens),
        "detokenize: no token {}: the vocabulary has {} tokens", id, vocabulary_.tokens.size());
  const std::string_view text = vocabulary_.tokens[id];
  const TokenType kind = type(id);
  if (kind == TokenType::user_defined) return std::string(text);
  if (kind != TokenType::normal && kind != TokenType::byte) {
    return std::string(show_control ? text : "");
  }
  std::string bytes;
  for (size_t at = 0; at < text.size();) {
    const Utf8Character character = read_utf8(text.substr(at));
    check(character.code < kAlphabetEnd && alphabet().known[character.code],
          "detokenize: token {} {:?} spells no bytes: {:?} is not in the byte-level alphabet", id,
          brief(text), text.substr(at, character.size));
    bytes += static_cast<char>(alphabet().byte[character.code]);
    at += character.size;
  }
  return bytes;
}

}  // namespace niwaki
