// What every pass and every renderer makes of the shared cases. `axes` shows the moves that were
// chosen; the graph passes run for the "llvm" target, a fixed machine with eight lanes, so that the
// files do not depend on where the tests run.
#include <doctest/doctest.h>

#include "cases/cases.h"
#include "codegen/lower.h"
#include "codegen/prepare.h"
#include "codegen/render.h"
#include "core/text.h"
#include "schedule/schedule.h"
#include "support/golden.h"

namespace niwaki::test {
namespace {

Schedule schedule_of(const Case& c) {
  std::vector<UOp> uops;
  for (const Tensor& t : c.make()) uops.push_back(t.uop());
  return schedule(uops);
}

}  // namespace

TEST_CASE("goldens of every pass") {
  Target target = target_of("llvm");
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    std::vector<std::pair<std::string, std::string>> texts;
    auto add = [&](const std::string& stage, const std::string& text) {
      for (auto& [known, all] : texts) {
        if (known == stage) {
          all += text + "\n";
          return;
        }
      }
      texts.emplace_back(stage, text + "\n");
    };
    for (const Kernel& kernel : schedule_of(c).kernels) {
      std::string moves = "#";
      UOp before = kernel.ast;
      auto trace = [&](const std::string& pass, const UOp& ast) {
        std::string head = pass == "axes" ? moves + "\n" : "";
        add(pass, head + (ast == before ? "unchanged\n" : print(ast)));
        before = ast;
      };
      auto choose = [&](const UOp& ast, const Target& t) {
        std::vector<Move> chosen = choose_axes(ast, t);
        for (const Move& move : chosen) moves += " " + to_string(move) + ";";
        return chosen;
      };
      LinearCode linear = lower(kernel.ast, target, trace, choose);
      add("linear", print(linear));
    }
    for (const auto& [stage, text] : texts) check_golden(stage, c.name, text);
  }
}

TEST_CASE("goldens of what is prepared") {
  Target target = target_of("llvm");
  int64_t changed = 0;
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    for (const Kernel& kernel : schedule_of(c).kernels) {
      UOp before = kernel.ast;
      auto trace = [&](const std::string& pass, const UOp& ast) {
        if (ast != before) check_golden(pass, c.name, print(ast) + "\n");
        before = ast;
      };
      Prepared prepared = prepare(kernel.ast, target, trace);
      if (prepared.ast == kernel.ast) continue;
      ++changed;
      check_golden("prepared", c.name, print(lower(prepared.ast, target)));
    }
  }
  CHECK(changed > 0);
}

TEST_CASE("goldens of every target's source") {
  for (const std::string& name : target_names()) {
    Target target = target_of(name);
    if (target.interpreted) continue;
    for (const Case& c : cases()) {
      CAPTURE(name);
      CAPTURE(c.name);
      std::string text;
      int64_t n = 0;
      for (const Kernel& kernel : schedule_of(c).kernels) {
        text += render(lower(kernel.ast, target), target, "kernel_" + std::to_string(n++)) + "\n";
      }
      check_golden(name, c.name, text);
    }
  }
}

TEST_CASE("lowering is deterministic") {
  Target target = target_of("llvm");
  for (const Case& c : cases()) {
    for (const Kernel& kernel : schedule_of(c).kernels) {
      CHECK(print(lower(kernel.ast, target)) == print(lower(kernel.ast, target)));
    }
  }
}

}  // namespace niwaki::test
