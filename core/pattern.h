// Patterns: ordinary run-time trees written with the language's own operators, so that a rule reads
// as its identity and can also be printed and fuzzed.
//
//   w, x, y, z match any node (the same letter twice: the same node); c, d, e match constants;
//   a number matches a constant of that value, of any dtype.
//
// Commutative operands are tried both ways, so no rule needs a permuted copy. The same trees serve
// as replacements and, evaluated over the constants and bounds of a match, as conditions.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/uop.h"

namespace niwaki {

struct PatNode;

/// What the letters of a pattern stand for.
class Match {
 public:
  /// The node that a letter stands for; null where the pattern has no such letter.
  UOp operator[](char letter) const { return UOp(bound_[size_t(letter - 'a')]); }
  /// The node that the whole pattern matched.
  UOp root;
  /// The integer value of a constant's letter.
  int64_t value(char letter) const;

 private:
  friend class Pat;
  bool bind(const PatNode& pattern, const UOp& u, bool& fresh);
  // Nodes at or below the root, which keeps them alive.
  std::array<const Node*, 26> bound_ = {};
};

class Pat {
 public:
  enum class Form : uint8_t { Any, Const, Number, Node, Lower, Upper };

  Pat(double number);
  Pat(int number) : Pat(double(number)) {}
  explicit Pat(Form form, char letter);
  /// A node of this op; `arg`, where given, must be equal.
  Pat(Op op, std::vector<Pat> src, std::optional<Arg> arg = {});

  const PatNode& operator*() const { return *node_; }
  const PatNode* operator->() const { return node_.get(); }

  /// The op a matching root must have, if the pattern fixes one.
  std::optional<Op> root_op() const;
  /// Whether `u` matches; then `m`, which must be empty, has the letters, else it is empty still.
  bool match(const UOp& u, Match& m) const;
  /// The replacement, built from a match, with constants folded; `like` gives numbers their dtype.
  UOp build(const Match& m, const UOp& like) const;
  /// The condition's value on a match, in integers.
  int64_t evaluate(const Match& m) const;
  std::string text() const;

 private:
  std::shared_ptr<const PatNode> node_;
};

/// A part of a pattern in the order of matching: operand `operand` of the part `parent`.
struct PatStep {
  const PatNode* part;
  uint8_t parent;
  uint8_t operand;
};

struct PatNode {
  Pat::Form form;
  char letter = 0;
  double number = 0;
  Op op = Op::Const;
  std::vector<Pat> src;
  std::optional<Arg> arg;
  /// All parts of the pattern that starts here, each after its parent.
  std::vector<PatStep> steps;
};

Pat operator+(const Pat& a, const Pat& b);
Pat operator-(const Pat& a, const Pat& b);
Pat operator*(const Pat& a, const Pat& b);
Pat operator/(const Pat& a, const Pat& b);
Pat operator%(const Pat& a, const Pat& b);
Pat operator&(const Pat& a, const Pat& b);
Pat operator^(const Pat& a, const Pat& b);
Pat operator<<(const Pat& a, const Pat& b);
Pat operator>>(const Pat& a, const Pat& b);
Pat operator<(const Pat& a, const Pat& b);
Pat operator>(const Pat& a, const Pat& b);
Pat operator<=(const Pat& a, const Pat& b);
Pat operator>=(const Pat& a, const Pat& b);
Pat operator!=(const Pat& a, const Pat& b);
Pat operator&&(const Pat& a, const Pat& b);
Pat operator==(const Pat& a, const Pat& b);
Pat max(const Pat& a, const Pat& b);
Pat where(const Pat& c, const Pat& a, const Pat& b);
/// In conditions: the least and greatest value of what the letter matched.
Pat lo(const Pat& letter);
Pat hi(const Pat& letter);

/// The letters, for rule tables to bring into scope.
namespace letters {
inline const Pat w(Pat::Form::Any, 'w');
inline const Pat x(Pat::Form::Any, 'x');
inline const Pat y(Pat::Form::Any, 'y');
inline const Pat z(Pat::Form::Any, 'z');
inline const Pat c(Pat::Form::Const, 'c');
inline const Pat d(Pat::Form::Const, 'd');
inline const Pat e(Pat::Form::Const, 'e');
}  // namespace letters

/// Evaluates a node whose sources are all constants; null where the op has no scalar meaning.
UOp fold(const UOp& u);

}  // namespace niwaki
