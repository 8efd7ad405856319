// The rows. Each was held against its language's own document: ISO C11, the CUDA C++ programming
// guide, the Metal Shading Language specification 3, and the OpenCL C 1.2 specification, which all
// of today's drivers take.
//
// A few spellings are choices. 64-bit integers are `long long` in CUDA, whose `long` is 32 bits on
// Windows, and `long` in Metal and OpenCL, where it is 64 bits everywhere. Buffers never overlap:
// the schedule gives a kernel one param for one buffer, so `restrict` is the truth. CUDA's infinity
// is made from bits, as NVRTC brings no math.h. A product and a sum are fused only where the code
// says so: OpenCL is told in its prelude; compilers of the others by a flag (-ffp-contract=off,
// --fmad=false, fast math off for Metal), for which they have no portable pragma.
//
// No row has f16 or bf16: sixteen-bit floats were made integers before. Metal has no f64.
#include "codegen/dialects.h"

#include "core/error.h"

namespace niwaki {
namespace {

// CUDA has an intrinsic for each pair of types; this is Metal's name for all of them.
constexpr std::string_view cuda_as_type =
    "template <class To, class From>\n"
    "__device__ To as_type(From x) {{\n"
    "  To y;\n"
    "  memcpy(&y, &x, sizeof y);\n"
    "  return y;\n"
    "}}\n";

constexpr std::string_view c_bits =
    "static inline {to} {from_name}_as_{to_name}({from} x) {{\n"
    "  {to} y;\n"
    "  memcpy(&y, &x, sizeof y);\n"
    "  return y;\n"
    "}}\n";

constexpr Dialect c = {
    .name = "c",
    .prelude = "#include <stdint.h>\n",
    .math_prelude = "#include <math.h>\n",
    .bool_prelude = "#include <stdbool.h>\n",
    .f64_prelude = "",
    .bitcast_prelude = "#include <string.h>\n",
    .bitcast_helper = c_bits,
    .head =
        "void {name}(void* const* buffers, const int64_t* variables, int64_t begin, "
        "int64_t end) {{\n",
    .buffer = "  {type}* restrict p{index} = buffers[{index}];\n",
    .constant_buffer = "  const {type}* restrict p{index} = buffers[{index}];\n",
    .variable = "  const {type} {name} = variables[{index}];\n",
    .separator = "",
    .tail = "",
    .positional = false,
    .block = {},
    .thread = {},
    .types = {"void", "bool", "int8_t", "uint8_t", "int16_t", "uint16_t", "int32_t", "uint32_t",
              "int64_t", "uint64_t", "", "", "float", "double", ""},
    .float_suffix = "f",
    .i64_suffix = "ll",
    .u64_suffix = "ull",
    .infinity = "INFINITY",
    .nan = "NAN",
    .bitcast = "{from_name}_as_{to_name}({x})",
};

constexpr Dialect cuda = {
    .name = "cuda",
    .prelude = "",
    .math_prelude = "",
    .bool_prelude = "",
    .f64_prelude = "",
    .bitcast_prelude = "",
    .bitcast_helper = cuda_as_type,
    .head = "extern \"C\" __global__ void {name}(\n    ",
    .buffer = "{type}* __restrict__ p{index}",
    .constant_buffer = "const {type}* __restrict__ p{index}",
    .variable = "const {type} {name}",
    .separator = ",\n    ",
    .tail = ") {\n",
    .positional = true,
    .block = {"blockIdx.x", "blockIdx.y", "blockIdx.z"},
    .thread = {"threadIdx.x", "threadIdx.y", "threadIdx.z"},
    .types = {"void", "bool", "signed char", "unsigned char", "short", "unsigned short", "int",
              "unsigned", "long long", "unsigned long long", "", "", "float", "double", ""},
    .float_suffix = "f",
    .i64_suffix = "ll",
    .u64_suffix = "ull",
    .infinity = "__int_as_float(0x7f800000)",
    .nan = "__int_as_float(0x7fc00000)",
    .bitcast = "as_type<{to}>({x})",
};

constexpr Dialect metal = {
    .name = "metal",
    .prelude = "#include <metal_stdlib>\nusing namespace metal;\n",
    .math_prelude = "",
    .bool_prelude = "",
    .f64_prelude = "",
    .bitcast_prelude = "",
    .bitcast_helper = "",
    .head = "kernel void {name}(\n    ",
    .buffer = "device {type}* p{index} [[buffer({slot})]]",
    .constant_buffer = "const device {type}* p{index} [[buffer({slot})]]",
    .variable = "constant {type}& {name} [[buffer({slot})]]",
    .separator = ",\n    ",
    .tail =
        ",\n    uint3 block_id [[threadgroup_position_in_grid]],\n"
        "    uint3 thread_id [[thread_position_in_threadgroup]]) {\n",
    .positional = true,
    .block = {"block_id.x", "block_id.y", "block_id.z"},
    .thread = {"thread_id.x", "thread_id.y", "thread_id.z"},
    .types = {"void", "bool", "char", "uchar", "short", "ushort", "int", "uint", "long", "ulong",
              "", "", "float", "", ""},
    .float_suffix = "",
    .i64_suffix = "l",
    .u64_suffix = "ul",
    .infinity = "INFINITY",
    .nan = "NAN",
    .bitcast = "as_type<{to}>({x})",
};

constexpr Dialect opencl = {
    .name = "opencl",
    .prelude = "#pragma OPENCL FP_CONTRACT OFF\n",
    .math_prelude = "",
    .bool_prelude = "",
    .f64_prelude = "#pragma OPENCL EXTENSION cl_khr_fp64 : enable\n",
    .bitcast_prelude = "",
    .bitcast_helper = "",
    .head = "__kernel void {name}(\n    ",
    .buffer = "__global {type}* restrict p{index}",
    .constant_buffer = "__global const {type}* restrict p{index}",
    .variable = "const {type} {name}",
    .separator = ",\n    ",
    .tail = ") {\n",
    .positional = true,
    .block = {"get_group_id(0)", "get_group_id(1)", "get_group_id(2)"},
    .thread = {"get_local_id(0)", "get_local_id(1)", "get_local_id(2)"},
    .types = {"void", "bool", "char", "uchar", "short", "ushort", "int", "uint", "long", "ulong",
              "", "", "float", "double", ""},
    .float_suffix = "",
    .i64_suffix = "l",
    .u64_suffix = "ul",
    .infinity = "INFINITY",
    .nan = "NAN",
    .bitcast = "as_{to}({x})",
};

}  // namespace

const Dialect& dialect_of(Language language) {
  switch (language) {
    case Language::C: return c;
    case Language::Cuda: return cuda;
    case Language::Metal: return metal;
    case Language::OpenCl: return opencl;
    default: break;
  }
  throw InternalError("internal error: render: no dialect of C");
}

}  // namespace niwaki
