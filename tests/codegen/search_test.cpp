// Lists of moves are data: text that is read back, neighbours that are legal and in order.
#include "codegen/search.h"

#include <doctest/doctest.h>

#include <set>

#include "cases/cases.h"
#include "core/error.h"
#include "schedule/schedule.h"

namespace niwaki::test {
namespace {

const Target llvm = target_of("llvm");

struct Choices {
  UOp ast;
  std::vector<Move> first;
  std::vector<std::vector<Move>> others;
};

Choices choices(const std::string& name) {
  std::vector<UOp> roots;
  for (const Tensor& t : find_case(name).make()) roots.push_back(t.uop());
  Choices found;
  found.ast = schedule(roots).kernels.back().ast;
  found.first = choose_axes(found.ast, llvm);
  found.others = neighbours(found.ast, llvm, found.first);
  return found;
}

}  // namespace

TEST_CASE("moves are read as they are written") {
  using Kind = Move::Kind;
  std::vector<Move> moves = {
      {Kind::Vector, 1, false, 8}, {Kind::Split, 2, true, 16},     {Kind::Merge, 1, false, 0},
      {Kind::Unroll, 3, true, 4},  {Kind::Local, 0, false, 64},    {Kind::Global, 0, false, 0},
      {Kind::Pack, 0, false, 0},   {Kind::Parallel, 12, false, 0}, {Kind::Stream, 0, false, 0}};
  CHECK(to_string(moves) ==
        "vector r1 by 8; split k2 by 16; merge r1 with r0; unroll k3 by 4; local r0 by 64; "
        "global r0; pack r0; parallel r12; stream");
  CHECK(parse_moves(to_string(moves)) == moves);
  CHECK(parse_moves("") == std::vector<Move>{});
  for (const char* text :
       {"vector", "vector r1 by", "vector r1 by 8;", "vector r1 by 8; ", "; vector r1 by 8",
        " vector r1 by 8", "vector x1 by 8", "vector r1 with 8", "vector r1 by 08", "turn r1 by 8",
        "vector r1 by 8 9", "vector r1 by 99999999999999999999", "parallel r0\n", "stream r0",
        "vector r by 8"}) {
    CAPTURE(text);
    CHECK(!parse_moves(text));
  }
}

TEST_CASE("what a loop does not allow is refused") {
  UOp ast = choices("matmul").ast;  // 16 x 16 outputs, sums of 32
  for (const char* text : {"", "vector r0 by 8", "unroll r0 by 3", "split k2 by 4; unroll k2 by 8",
                           "vector k2 by 8; parallel r1"}) {
    CAPTURE(text);
    CHECK(is_legal(ast, llvm, *parse_moves(text)));
  }
  for (const char* text :
       {"vector r0 by 5", "vector r0 by 32", "unroll k2 by 3", "split k2 by 5", "parallel k2",
        "parallel r7", "vector r0 by 8; vector k2 by 8", "split k2 by 4; unroll k2 by 16",
        "unroll r0 by 17", "vector r0 by 16; unroll r0 by 2"}) {
    CAPTURE(text);
    CHECK(!is_legal(ast, llvm, *parse_moves(text)));
  }
}

TEST_CASE("neighbours differ in one move and are cheapest first") {
  for (const char* name : {"matmul", "q1_0_matvec", "softmax", "add"}) {
    CAPTURE(name);
    Choices c = choices(name);
    std::set<std::string> texts;
    for (const std::vector<Move>& moves : c.others) {
      CHECK(is_legal(c.ast, llvm, moves));
      CHECK(moves != c.first);
      int64_t more = std::ssize(moves) - std::ssize(c.first);
      CHECK((more >= -1 && more <= 1));
      texts.insert(to_string(moves));
    }
    CHECK(texts.size() == c.others.size());
    REQUIRE(c.others.size() > 4);
  }
}

TEST_CASE("what does less is tried first") {
  // Tiles of a matmul share what they load; sums of lanes that lie apart load each alone.
  Choices c = choices("matmul");
  std::vector<Move> plain = *parse_moves("parallel r0");
  std::vector<std::string> texts;
  for (const std::vector<Move>& moves : neighbours(c.ast, llvm, plain)) {
    texts.push_back(to_string(moves));
  }
  CHECK(texts.front() == "vector r1 by 8; parallel r0");
}

}  // namespace niwaki::test
