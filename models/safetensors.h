// safetensors, the file that holds tensors by name: eight bytes with the length of a header, the
// header in JSON, and the tensors' bytes, row-major and little-endian, one after another. The
// format is Hugging Face's (github.com/huggingface/safetensors).
//
// Such a file comes from a stranger, and what the reader promises is what models/gguf.h promises:
// no file can make it touch memory outside the file, allocate more than a fixed multiple of the
// file's size, or recurse. A file is read strictly: names occur once, the tensors cover the data
// without a gap or an overlap, a shape times its dtype is the bytes it has, a bool is 0 or 1. The
// worst a file can do is to be refused in one line.
//
// No data is copied, except that of a tensor whose address its dtype cannot be read from. What was
// loaded is constant; to train it, assign it to a tensor of one's own.
//
// What was rejected. A tree of the JSON: it takes many times the header's bytes, forgets that a
// name occurred twice, and is torn down by recursion; the parser's events are checked as they come.
// Writing to the file in place: the tensors that are saved may be views of it.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "ops/tensor.h"

namespace niwaki {

/// What a file holds, by name.
struct Safetensors {
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> metadata;
};

/// Reads `bytes`, kept alive by `owner` or else by the caller; errors call the file `name`.
Safetensors parse_safetensors(std::span<const std::byte> bytes, const std::string& name,
                              std::shared_ptr<const void> owner = nullptr);
/// Maps and reads the file at `path`; the tensors keep the mapping.
Safetensors open_safetensors(const std::string& path);
/// The tensors of the file at `path`, by name.
std::map<std::string, Tensor> load_safetensors(const std::string& path);

/// Writes `state`, computing on the default device what is no buffer; the file at `path` is
/// replaced when the new one is whole. Error for a dtype that the format lacks or a symbolic shape.
void save_safetensors(const std::string& path, const std::map<std::string, Tensor>& state,
                      const std::map<std::string, std::string>& metadata = {});

}  // namespace niwaki
