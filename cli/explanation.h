// What becomes of a graph, as text for people: its kernels, what was fused into each and why its
// value is stored, and the memory between them. It is the schedule and the list of moves, said in
// words; nothing is compiled or run, so that it is the same whatever the machine does meanwhile.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ops/tensor.h"
#include "runtimes/device.h"

namespace niwaki {

/// What buffers are called, by their memory.
using BufferNames = std::map<const void*, std::string>;

/// The explanation of a graph on a device, under a title. Where kernels repeat, as in the equal
/// blocks of a model, the first of them stand for all.
std::string explanation(const std::string& title, const std::vector<Tensor>& outputs,
                        const Device& device, const BufferNames& names = {});

}  // namespace niwaki
