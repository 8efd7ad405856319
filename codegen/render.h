// Rendering: linear code becomes the text of a program. Every renderer is a function from code to a
// string; what a target cannot say was rewritten away before.
#pragma once

#include <string>

#include "codegen/lower.h"

namespace niwaki {

/// The program's text, with one function `name`, in the target's language.
std::string render(const LinearCode& linear, const Target& target, const std::string& name);

/// LLVM IR (render_llvm.cpp): void name(ptr buffers, ptr variables, i64 begin, i64 end), where
/// buffers is an array of pointers in the order of the params, variables an array of i64 in the
/// order of LinearCode::variables, and [begin, end) the part of the Parallel loop to run.
std::string render_llvm(const LinearCode& linear, const Target& target, const std::string& name);

/// C, CUDA, Metal or OpenCL, by the row of the dialect table (render_c.cpp).
std::string render_c(const LinearCode& linear, Language language, const std::string& name);

}  // namespace niwaki
