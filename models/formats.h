// The weight formats of GGUF files: which number in a file means which dtype, and how its blocks
// are decoded. A format is one row of one table and, where it packs bits, one function of a few
// lines of tensor ops (models/formats.cpp). Nothing below this file knows any of them.
//
// Numbers are ggml's (github.com/ggml-org/ggml, include/ggml.h). Forks have used some of them for
// layouts of their own, so a file can look right and decode to noise: what can be told apart is
// refused by name.
#pragma once

#include <string>
#include <vector>

#include "models/gguf.h"
#include "ops/tensor.h"

namespace niwaki {

/// A weight format: its number in the file, its name there, its dtype and the geometry of a block.
struct Format {
  uint32_t id;
  std::string name;
  DType dtype;
  int64_t values;
  int64_t bytes;
};

/// All formats that can be read. The first call registers the packed dtypes by name.
const std::vector<Format>& formats();

/// The format of type `id`, or an Error that names `tensor` and what can be read instead.
const Format& format_of(uint32_t id, const std::string& tensor);

/// The same for the reader of GGUF files, which is to know of blocks and nothing else.
TypeGeometry geometry_of(uint32_t id, const std::string& tensor);

/// Opens a file of weights; Error also where its weights are not what their types say.
Gguf open_weights(const std::string& path);

/// A tensor of the file as a constant over the mapped bytes, in the format's dtype: nothing is
/// copied. Error where there is none.
Tensor weight(const Gguf& file, std::string_view name);

}  // namespace niwaki
