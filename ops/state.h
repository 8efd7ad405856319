// State by name. Whatever has tensors that outlive a step - a layer, a model of layers, an
// optimiser
// - has a function visit(visitor) that names each. Everything else follows: the list of parameters
// to train, saving, loading. A model visits its layers under their names:
//
//   void visit(const Visitor& v) const {
//     first.visit(within("first", v));
//     second.visit(within("second", v));
//   }
//
// Loading writes into the buffers that are there, so a captured step keeps working on them.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "ops/tensor.h"

namespace niwaki {

/// What a part of a state is to training: moved along its gradient, or only kept.
enum class Part { Parameter, Kept };

using Visitor = std::function<void(const std::string& name, const Tensor& tensor, Part part)>;
using State = std::map<std::string, Tensor>;

/// A visitor to whom every name begins with `prefix` and a point.
Visitor within(const std::string& prefix, const Visitor& visitor);

/// All parts by name; Error where a name occurs twice.
template <class T>
State state_of(const T& model);
/// The parameters, in the order of visit().
template <class T>
std::vector<Tensor> parameters_of(const T& model);
/// Copies `state` into the buffers of the model. Error naming the part that is missing, not the
/// model's, no buffer, or of another shape or dtype; then nothing was written.
template <class T>
void load_state(const T& model, const State& state);

// --- what the templates stand on ---

/// Adds a part to a state.
void add_part(State& state, const std::string& name, const Tensor& part);
/// load_state() on the parts themselves.
void copy_state(const State& parts, const State& from);

template <class T>
State state_of(const T& model) {
  State found;
  model.visit([&](const std::string& name, const Tensor& t, Part) { add_part(found, name, t); });
  return found;
}

template <class T>
std::vector<Tensor> parameters_of(const T& model) {
  std::vector<Tensor> found;
  model.visit([&](const std::string&, const Tensor& t, Part part) {
    if (part == Part::Parameter) found.push_back(t);
  });
  return found;
}

template <class T>
void load_state(const T& model, const State& state) {
  copy_state(state_of(model), state);
}

}  // namespace niwaki
