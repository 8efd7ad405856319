// The text form of a graph: what goldens, traces and error texts show. A line a node, sources
// before users; constants stand where they are used.
//
//   %0 = buffer {#0 f32 4 8}
//   %1 = reduce %0 {add 1} : f32[4, 1]
//   %2 = mul %1 0.125f32 : f32[4, 1]
//
// parse(print(g)) gives back the very node.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/uop.h"

namespace niwaki {

/// The graph as text; buffers are numbered in order of appearance.
std::string print(const UOp& root);

/// The buffers of a graph in the order in which print() numbers them.
std::vector<BufferRef> buffers_of(const UOp& root);

/// The graph a text stands for, with #n the n-th buffer; Error naming the line where it is wrong.
UOp parse(std::string_view text, const std::vector<BufferRef>& buffers = {});

/// One line for a node whose sources have the given names: what print() writes after "%n = ".
std::string print_node(const UOp& u, const std::vector<std::string>& source_names,
                       const std::vector<BufferRef>& buffers);

/// A constant as text: "3" for i64, "1.5f32", "true".
std::string print_constant(const UOp& u);

/// The type annotation: "f32[4, 8]", with symbolic dims as expressions.
std::string print_type(const UOp& u);

}  // namespace niwaki
