// What the heuristic of axes.cpp looks at: the regions of a kernel and what they cost.
//
// A kernel is made of regions: what is stored is one, and so is every stage. Each has loops over
// what it writes and reduces of its own, and gets vectors and tiles like a kernel of its own.
#pragma once

#include <algorithm>
#include <vector>

#include "codegen/lower.h"

namespace niwaki {

/// What writes memory, the stores or a stage, and what it takes: the nodes down to other stages.
struct Region {
  UOp root;  // the sink or the stage
  std::vector<UOp> nodes = {};
  std::vector<UOp> outputs = {};  // loops over what is written, outermost first
  std::vector<UOp> reduces = {};  // distinct loops of its reduces
  double cost = 0;

  /// Values that come packed from a stage to be made, if any; bytes of one element of `fastest`.
  std::vector<UOp> packed = {};
  UOp sharing;  // the loop whose iterations read them alike
  UOp fastest;  // the loop along which elements are written, and values packed
  double packed_bytes = 0;

  /// Of a kernel or of one of its stages.
  explicit Region(UOp from) : root(std::move(from)) { find_nodes(); }

  bool is_kernel() const { return root->op == Op::Sink; }
  const UOp& written_at() const { return is_kernel() ? root[0][1] : root[0]; }

  /// Nodes and reduces anew, down to packed values: what is below belongs to their stage.
  void find_nodes();
  bool is_packed(const UOp& u) const {
    return std::find(packed.begin(), packed.end(), u) != packed.end();
  }
  RangeSet packed_ranges() const;
};

/// What the heuristic looks at: the nodes of a kernel, its loops and its regions.
struct Loops {
  UOp ast;
  UOp store;
  std::vector<UOp> nodes;
  std::vector<UOp> outputs;  // the store's ranges, outermost first
  std::vector<UOp> reduces;  // distinct ranges of reduces and stages
  std::vector<Region> regions;

  explicit Loops(const UOp& kernel);

  /// Operations of a region before anything is chosen for it.
  double cost(const Region& region) const;
};

/// Iterations of a loop at its greatest end, at least 1.
double trips(const UOp& range);
/// Iterations of a node: the product of the loops it cannot be hoisted out of.
double iterations(const UOp& u, const Loops& loops);
/// An index computation: cheap, and mostly hoisted or folded into addresses.
bool is_address(const UOp& u);
/// Whether `lanes` consecutive iterations of r, from a multiple of lanes on, read one short
/// stretch.
bool reads_together(const UOp& at, const UOp& r, int64_t lanes);
/// What `n` iterations in pieces of `amount` cost, because the last piece does some again.
double waste(double n, int64_t amount);
/// Operations of a region with `r` (null: no loop) as vectors of `lanes`.
double vector_cost(const Loops& loops, const Region& region, const UOp& r, int64_t lanes,
                   const Target& target);

// --- the choices, in order ---

/// The loop for whose iterations a region's values are packed, if any (choose_packing.cpp).
void choose_packing(const Loops& loops, const Target& target, Region& region);

struct Vectors {
  std::vector<Move> moves;
  std::vector<UOp> axes;
};
/// The loops that become vectors (choose_vectors.cpp).
Vectors choose_vectors(const Loops& loops, const Target& target);

/// Copies of a region's body over one or two of its loops (choose_tiles.cpp).
void choose_tiles(const Loops& loops, const Region& region, const Target& target,
                  const Vectors& vectors, std::vector<Move>& moves);

}  // namespace niwaki
