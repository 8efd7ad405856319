// Pre-tokenization: text is cut into pieces (words, digits, punctuation, blanks) before BPE, so
// that no token crosses a piece. Each family of models states its cut as a regex; a model that is
// fed other pieces than those it was trained on sees other tokens, and is quietly worse.
//
// The regexes are few and never change, so each is a scanner written by hand rather than a regex
// engine. std::regex recurses on each character and overflows the stack; backtracking engines are
// quadratic on long runs of blanks; RE2 has no lookahead. A scanner is linear and one page long,
// and the tests hold it against a backtracking matcher of the regex itself.
#pragma once

#include <string_view>

namespace niwaki {

/// Returns the first piece of non-empty, valid UTF-8: what the regex of a family matches there.
using Splitter = std::string_view (*)(std::string_view text);

/// The splitter that `tokenizer.ggml.pre` names; Error when we do not have it.
Splitter splitter_named(std::string_view pre);

/// Qwen2, Qwen2.5, Qwen3: a regex of seven alternatives, of which the first that matches is taken
/// (source: pre_tokenizer in Qwen3's tokenizer.json):
///     (?i:'s|'t|'re|'ve|'m|'ll|'d)
///     [^\r\n\p{L}\p{N}]?\p{L}+
///     \p{N}
///     [ ]?[^\s\p{L}\p{N}]+[\r\n]*
///     \s*[\r\n]+
///     \s+(?!\S)
///     \s+
std::string_view split_qwen2(std::string_view text);

}  // namespace niwaki
