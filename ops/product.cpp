// Products of matrices and what generalises them. A product is a broadcast multiplication and a
// sum; that it is run as a tiled kernel is the scheduler's and the generators' work.
//
// einsum() contracts two operands at a time, the pair whose loops are the fewest first, and sums
// over an index as soon as no other operand and not the result has it: the greedy path of NumPy.
// The best path is the exponential search that nobody waits for.
#include <algorithm>
#include <cctype>
#include <functional>
#include <limits>
#include <map>

#include "core/error.h"
#include "ops/tensor.h"

namespace niwaki {
namespace {

bool is_storage(DType t) { return t == f16 || t == bf16; }

// --- einsum ---

// The name of a dim: a letter, or for the dims of an ellipsis 0, -1, ... from the right.
using Labels = std::vector<int>;

struct Term {
  Labels labels;
  Tensor x;
};

bool has(const Labels& labels, int label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

// The letters of one term, those of `ellipsis` dims in place of the dots.
Labels labels_of(std::string_view term, int64_t ellipsis, std::string_view formula) {
  Labels labels;
  size_t dots = term.find("...");
  for (size_t i = 0; i < term.size(); ++i) {
    if (i == dots) {
      for (int64_t k = ellipsis; k-- > 0;) labels.push_back(int(-k));
      i += 2;
      continue;
    }
    check(std::isalpha(static_cast<unsigned char>(term[i])),
          "einsum: \"{}\": '{}' is no letter and not of one \"...\"", formula, term[i]);
    labels.push_back(term[i]);
  }
  return labels;
}

std::vector<std::string_view> split(std::string_view text, char by) {
  std::vector<std::string_view> parts;
  for (size_t end; (end = text.find(by)) != text.npos; text.remove_prefix(end + 1)) {
    parts.push_back(text.substr(0, end));
  }
  parts.push_back(text);
  return parts;
}

// Of two dims with one label only the elements where they agree are left: a choice in a sum, of
// which the compiler keeps the one read (schedule/collapse.cpp).
Term without_repeats(Term term) {
  for (size_t a = 0; a < term.labels.size(); ++a) {
    for (size_t b = term.labels.size(); --b > a;) {
      if (term.labels[a] != term.labels[b]) continue;
      int64_t rank = term.x.rank();
      auto place = [&](size_t axis) {
        Dims dims(size_t(rank), Dim(1));
        dims[axis] = term.x.dim(int64_t(axis));
        return Tensor::arange(term.x.dim(int64_t(axis))).reshape(dims);
      };
      term.x = where(place(b) == place(a), term.x, Tensor(0)).sum({int64_t(b)});
      term.labels.erase(term.labels.begin() + int64_t(b));
    }
  }
  return term;
}

// The sum over all dims whose label is not wanted.
Term summed(const Term& term, const std::function<bool(int)>& wanted) {
  Labels kept;
  Axes axes;
  for (size_t i = 0; i < term.labels.size(); ++i) {
    if (wanted(term.labels[i])) kept.push_back(term.labels[i]);
    else axes.push_back(int64_t(i));
  }
  return axes.empty() ? term : Term{kept, term.x.sum(axes)};
}

// The tensor with a dim for each of `labels`, 1 where it has none.
Tensor aligned(const Term& term, const Labels& labels) {
  Axes order;
  Dims dims;
  for (int label : labels) {
    auto found = std::find(term.labels.begin(), term.labels.end(), label);
    bool here = found != term.labels.end();
    if (here) order.push_back(found - term.labels.begin());
    dims.push_back(here ? Dim(term.x.dim(order.back())) : Dim(1));
  }
  return (order.empty() ? term.x : term.x.permute(order)).reshape(dims);
}

Labels united(const Term& a, const Term& b) {
  Labels labels = a.labels;
  for (int label : b.labels) {
    if (!has(labels, label)) labels.push_back(label);
  }
  return labels;
}

}  // namespace

Tensor Tensor::matmul(const Tensor& other, Here) const {
  Tensor a = numbers();
  Tensor b = other.numbers();
  check(a.rank() > 0 && b.rank() > 0, "matmul: a scalar has no dim to sum over: {} @ {}",
        to_string(a.shape()), to_string(b.shape()));
  check(a.dim(-1) == b.dim(b.rank() == 1 ? 0 : -2), "matmul: inner dimensions differ: {} @ {}",
        to_string(a.shape()), to_string(b.shape()));
  DType t = promote(a.dtype(), b.dtype());
  if (is_storage(t)) return a.cast(f32).matmul(b.cast(f32)).cast(t);
  Tensor columns = b.rank() == 1 ? b : b.transpose();
  if (a.rank() == 1 || b.rank() == 1) return (a * columns).sum({-1});
  return (a.unsqueeze(-2) * columns.unsqueeze(-3)).sum({-1});
}

Tensor Tensor::linear(const Tensor& weight, Here) const {
  check(weight.rank() == 2 && rank() >= 1 && dim(-1) == weight.dim(1),
        "linear: the last dim of {} is not the second of the weight {}", to_string(shape()),
        to_string(weight.shape()));
  return (unsqueeze(-2) * weight).sum({-1});
}

Tensor einsum(std::string_view formula, const std::vector<Tensor>& operands, Here) {
  std::string text;
  for (char c : formula) {
    if (!std::isspace(static_cast<unsigned char>(c))) text += c;
  }
  size_t arrow = std::min(text.find("->"), text.size());
  std::vector<std::string_view> inputs = split(std::string_view(text).substr(0, arrow), ',');
  check(inputs.size() == operands.size(), "einsum: \"{}\" has {} terms for {} operands", formula,
        inputs.size(), operands.size());

  std::vector<Term> terms;
  std::map<int, Dim> sizes;
  std::map<int, int64_t> times;
  int64_t ellipsis = 0;
  DType t = boolean;
  for (size_t i = 0; i < inputs.size(); ++i) {
    Tensor x = operands[i].dtype().packed ? operands[i].cast(f32) : operands[i];
    Labels letters = labels_of(inputs[i], 0, formula);
    bool dots = letters.size() < inputs[i].size();
    int64_t rest = x.rank() - int64_t(letters.size());
    check(dots ? rest >= 0 : rest == 0, "einsum: \"{}\": the term \"{}\" for the shape {}", formula,
          inputs[i], to_string(x.shape()));
    terms.push_back({labels_of(inputs[i], rest, formula), x});
    ellipsis = std::max(ellipsis, dots ? rest : 0);
    t = promote(t, x.dtype());
    for (int64_t axis = 0; axis < x.rank(); ++axis) {
      int label = terms[i].labels[size_t(axis)];
      ++times[label];
      UOp& known = sizes.try_emplace(label, x.dim(axis)).first->second.uop;
      bool one = is_const(x.dim(axis), 1);
      check(one || is_const(known, 1) || known == x.dim(axis),
            "einsum: \"{}\": dim {} of operand {} {} is {}, elsewhere {}", formula, axis, i,
            to_string(x.shape()), expression(x.dim(axis)), expression(known));
      if (!one) known = x.dim(axis);
    }
  }

  Labels kept;
  if (arrow < text.size()) {
    kept = labels_of(std::string_view(text).substr(arrow + 2), ellipsis, formula);
  } else {
    for (auto [label, n] : times) {
      if (label <= 0 || n == 1) kept.push_back(label);
    }
  }
  for (int label : kept) {
    check(times.count(label) > 0 && std::count(kept.begin(), kept.end(), label) == 1,
          "einsum: \"{}\": '{}' of the result is of no operand, or twice there", formula,
          char(label));
  }

  auto needed_beside = [&](size_t a, size_t b) {
    return [&, a, b](int label) {
      bool needed = has(kept, label);
      for (size_t i = 0; i < terms.size(); ++i)
        needed |= i != a && i != b && has(terms[i].labels, label);
      return needed;
    };
  };
  for (size_t i = 0; i < terms.size(); ++i) {
    if (is_storage(t)) terms[i].x = terms[i].x.cast(f32);
    terms[i] = summed(without_repeats(terms[i]), needed_beside(i, i));
  }
  while (terms.size() > 1) {
    double least = std::numeric_limits<double>::infinity();
    size_t first = 0;
    size_t second = 1;
    for (size_t a = 0; a < terms.size(); ++a) {
      for (size_t b = a + 1; b < terms.size(); ++b) {
        double loops = 1;
        for (int label : united(terms[a], terms[b])) loops *= double(dim_max(sizes.at(label).uop));
        if (loops >= least) continue;
        least = loops;
        first = a;
        second = b;
      }
    }
    Labels labels = united(terms[first], terms[second]);
    Term both{labels, aligned(terms[first], labels) * aligned(terms[second], labels)};
    terms[first] = summed(both, needed_beside(first, second));
    terms.erase(terms.begin() + int64_t(second));
  }
  Tensor product = aligned(terms[0], kept);
  return is_storage(t) ? product.cast(t) : product;
}

}  // namespace niwaki
