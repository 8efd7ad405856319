// Kernels that an earlier process of the same build compiled, by what they compute: to run one
// again, nothing of it need be lowered or rendered.
//
// What is kept is text beside the programs: the program's key, and what a launch asks of linear
// code. It is as little trusted as they are: what does not read as it was written counts as absent.
#pragma once

#include <optional>
#include <string>

#include "codegen/lower.h"
#include "runtimes/cache.h"

namespace niwaki {

struct KnownKernel {
  /// Of its program in the cache.
  std::string key;
  /// Its variables, Parallel loop and work; no code.
  LinearCode launch;
};

class KnownKernels {
 public:
  /// For kernels that are compiled for `machine`; `cache` has to outlive it.
  KnownKernels(const ProgramCache& cache, std::string machine)
      : cache_(&cache), machine_(std::move(machine)) {}

  std::optional<KnownKernel> find(const UOp& ast) const;
  void keep(const UOp& ast, const KnownKernel& kernel) const;

 private:
  std::string key_of(const UOp& ast) const;

  const ProgramCache* cache_;
  std::string machine_;
};

}  // namespace niwaki
