// The tokenizer: byte-level BPE, as GPT-2 introduced it and Qwen uses it.
//
// Text becomes tokens in four steps.
//   1. Special tokens (<|im_start|>, <think>) are cut out: leftmost first, there the longest.
//   2. What lies between them is normalised to NFC, as the training text was. Without this "é"
//   typed
//      as two code points would be tokens that the model has hardly seen.
//   3. It is split into pieces by the family's pre-tokenizer (models/pretokenize.h).
//   4. The bytes of a piece are tokens to begin with; then, as long as two neighbours can merge,
//   the
//      pair of the lowest rank does, the leftmost on ties.
//
// In the file a token is text: byte-level vocabularies spell each byte as one printable character
// (the GPT-2 alphabet: a space is Ġ). Only the constructor reads that spelling to encode: it turns
// the 256 bytes and all merges into ids, and encoding then compares numbers, never strings.
//
// Merging keeps the symbols of a piece in a linked list and the mergeable pairs in a heap, so a
// piece of n bytes costs O(n log n). The obvious loop, which looks for the best pair anew after
// each merge, is quadratic, and a piece can be a megabyte long: a prompt of one letter is one
// piece.
//
// The vocabulary comes from a stranger's file. The constructor checks what encoding relies on; it
// does not read the spelling of all tokens, so a token that spells no bytes is an Error when
// decoded. A token that repeats the text of another is accepted: both decode, and encoding yields
// the first.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/pretokenize.h"

namespace niwaki {

/// The kinds of tokens, as `tokenizer.ggml.token_type` counts them.
enum class TokenType : int64_t { normal = 1, unknown, control, user_defined, unused, byte };

/// A vocabulary as a model file holds it: the arrays and keys of `tokenizer.ggml.*`.
/// The texts are views and must outlive the tokenizer made from them.
struct Vocabulary {
  std::vector<std::string_view> tokens;  // a token's id is its index
  std::vector<int64_t> types;            // one TokenType a token; empty: all are normal
  std::vector<std::string_view> merges;  // "left right", lowest rank first
  std::string_view pre;                  // the pre-tokenizer
  int64_t bos = -1;                      // ids; -1: there is none
  int64_t eos = -1;
  int64_t eot = -1;
  int64_t pad = -1;
  bool add_bos = false;
  bool add_eos = false;
};

/// A hash table that is filled once: open addressing, linear probing, no removal. A lookup is one
/// cache miss where std::unordered_map has two or three, and loading a vocabulary is half a million
/// of them.
template <class Key, class Value>
class FlatMap {
 public:
  /// A table for at most `capacity` keys.
  explicit FlatMap(size_t capacity = 0)
      : slots_(std::bit_ceil(capacity + capacity / 2 + 2)),
        shift_(std::countl_zero(slots_.size()) + 1) {}

  /// The value of `key`; null where there is none.
  const Value* find(const Key& key) const {
    const Slot& slot = slots_[index_of(key)];
    return slot.used ? &slot.value : nullptr;
  }

  /// Adds `key` unless it is there: the first value stays.
  void insert(const Key& key, const Value& value) {
    Slot& slot = slots_[index_of(key)];
    if (!slot.used) slot = {true, key, value};
  }

 private:
  struct Slot {
    bool used = false;
    Key key;
    Value value;
  };

  // The slot that holds `key`, or the empty one where it would go. The upper bits of a product are
  // well mixed where std::hash of an integer is the integer.
  size_t index_of(const Key& key) const {
    const uint64_t hash = uint64_t{std::hash<Key>{}(key)} * 0x9E3779B97F4A7C15;
    size_t index = hash >> shift_;
    while (slots_[index].used && slots_[index].key != key) index = (index + 1) % slots_.size();
    return index;
  }

  std::vector<Slot> slots_;  // a power of two, at most two thirds of them used
  int shift_;                // leaves as many bits of a hash as an index has
};

/// Turns text into token ids and back. Immutable: any number of threads may share one.
class Tokenizer {
 public:
  /// Checks the vocabulary and indexes it; Error says which token or merge is wrong.
  explicit Tokenizer(Vocabulary vocabulary);

  /// The ids of `text`; Error unless it is UTF-8. With `parse_special`, control and user-defined
  /// tokens in the text are matched: for templates. Without it no control token can come out: for
  /// what users type. With `add_special`, bos and eos are added where the vocabulary wants them.
  std::vector<int64_t> encode(std::string_view text, bool parse_special,
                              bool add_special = false) const;

  /// The text of `ids`, control tokens included: what encode() was given, after NFC.
  std::string decode(std::span<const int64_t> ids) const;

  /// The bytes of one token, which need not be whole UTF-8 (see Utf8Stream). Control, unknown and
  /// unused tokens are empty unless `show_control`. Error if there is no such token.
  std::string bytes(int64_t id, bool show_control) const;

  /// Whether `id` ends a reply: eos, eot, <|im_end|> or <|endoftext|>.
  bool is_end(int64_t id) const { return ends_.contains(id); }

  /// What the tokenizer was made from.
  const Vocabulary& vocabulary() const { return vocabulary_; }

 private:
  struct Merge {
    int64_t rank;
    int64_t result;
  };
  struct Special {
    std::string_view text;
    int64_t id;
  };
  class Piece;

  void check_ids() const;
  void index_tokens();
  void index_merges(const FlatMap<std::string_view, int64_t>& ids);
  TokenType type(int64_t id) const;
  const Special* special_at(std::string_view text) const;
  void encode_plain(std::string_view text, std::vector<int64_t>& ids) const;

  Vocabulary vocabulary_;
  Splitter split_;
  int64_t byte_ids_[256];
  FlatMap<uint64_t, Merge> merges_;  // by left id << 32 | right id
  std::vector<Special> specials_;    // sorted by text, no text twice
  std::set<int64_t> ends_;
};

}  // namespace niwaki
