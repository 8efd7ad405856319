// How long a model takes from its graph to programs: bench_compile [-n] [FILE.gguf]
//
// Schedules, lowers, renders and compiles prefill and decode as a first run does, on one thread and
// without a program cache, and prints the seconds of each stage. Without a file it takes the model
// that niwaki carries; with -n it leaves LLVM out, which is what a device of another kind pays too.
//
// A program and no test: a bound on seconds would fail on a machine that is busy. What tests bound
// is the number of rewrites.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "codegen/render.h"
#include "core/error.h"
#include "core/rewrite.h"
#include "models/default_model.h"
#include "models/formats.h"
#include "models/qwen3.h"
#include "ops/rules.h"
#include "runtimes/device.h"
#include "runtimes/jit.h"
#include "schedule/schedule.h"

using namespace niwaki;

namespace {

constexpr int64_t chunk = 64;
constexpr int64_t context = 4096;

// The processor's time, which others that use the machine change less than the clock on the wall.
double now() { return 1e3 * double(std::clock()) / CLOCKS_PER_SEC; }

struct Stages {
  double graph = 0;
  double schedule = 0;
  double lower = 0;
  double render = 0;
  double llvm = 0;
  double link = 0;
  size_t kernels = 0;
  size_t programs = 0;
  size_t lines = 0;
  int64_t rewrites = 0;

  double total() const { return graph + schedule + lower + render + llvm + link; }
  void add(const Stages& s) {
    graph += s.graph;
    schedule += s.schedule;
    lower += s.lower;
    render += s.render;
    llvm += s.llvm;
    link += s.link;
    kernels += s.kernels;
    programs += s.programs;
    lines += s.lines;
    rewrites += s.rewrites;
  }
  void print(const char* name) const {
    fmt::print(
        "{:<8} {:>7.1f} {:>9.1f} {:>7.1f} {:>7.1f} {:>7.1f} {:>6.1f} {:>8.1f} {:>8} {:>9} "
        "{:>7} {:>9}\n",
        name, graph, schedule, lower, render, llvm, link, total(), kernels, programs, lines,
        rewrites);
  }
};

class Compiler {
 public:
  Compiler(const Qwen3& model, const Target& target, Jit* jit)
      : model_(model), target_(target), jit_(jit), ids_(Tensor::empty({chunk}, i32)) {}

  Stages compile(bool prefill) {
    Stages s;
    int64_t rewrites = rewrites_done();
    SimplifyMemo memo;
    double start = now();
    UOp pos = variable("pos", 0, context);
    UOp t = prefill ? variable("t", 1, chunk) : index(1);
    Tensor hidden = model_.forward(ids_.narrow(0, 0, t), pos);
    if (prefill) hidden = hidden.narrow(0, dim_sub(t, index(1)), 1);
    Tensor logits = model_.logits(hidden);
    double built = now();
    Schedule plan = niwaki::schedule({logits.uop()});
    double scheduled = now();
    s.graph = built - start;
    s.schedule = scheduled - built;
    s.kernels = plan.kernels.size();
    for (const Kernel& kernel : plan.kernels) {
      if (known_.insert(kernel.ast.get()).second) compile(kernel.ast, s);
    }
    s.rewrites = rewrites_done() - rewrites;
    return s;
  }

 private:
  void compile(const UOp& ast, Stages& s) {
    keep_.push_back(ast);
    double start = now();
    LinearCode linear = lower(ast, target_);
    double lowered = now();
    std::string name = fmt::format("kernel_{}", keep_.size());
    std::string text = render(linear, target_, name);
    double rendered = now();
    s.lower += lowered - start;
    s.render += rendered - lowered;
    s.programs++;
    s.lines += size_t(std::count(text.begin(), text.end(), '\n'));
    if (!jit_) return;
    std::vector<char> object = jit_->compile(text);
    double compiled = now();
    jit_->load(object, name);
    s.llvm += compiled - rendered;
    s.link += now() - compiled;
  }

  const Qwen3& model_;
  const Target& target_;
  Jit* jit_;
  Tensor ids_;
  std::unordered_set<const Node*> known_;
  std::vector<UOp> keep_;
};

void run(const std::string& path, bool with_llvm) {
  Gguf file =
      path.empty() ? Gguf::parse(default_model(), "default.gguf", geometry_of) : open_weights(path);
  Qwen3 model = Qwen3::load(file, Qwen3Config::from(file), context + chunk, f32);
  const Target& target = device("CPU").target();
  double start = now();
  std::unique_ptr<Jit> jit;
  if (with_llvm) jit = std::make_unique<Jit>();
  double started = now() - start;
  Compiler compiler(model, target, jit.get());
  fmt::print("milliseconds of {}, {} lanes; LLVM starts in {:.1f}\n", file.name(), target.lanes,
             started);
  fmt::print("{:<8} {:>7} {:>9} {:>7} {:>7} {:>7} {:>6} {:>8} {:>8} {:>9} {:>7} {:>9}\n", "",
             "graph", "schedule", "lower", "render", "llvm", "link", "total", "kernels", "programs",
             "lines", "rewrites");
  Stages prefill = compiler.compile(true);
  prefill.print("prefill");
  Stages decode = compiler.compile(false);
  decode.print("decode");
  Stages both = prefill;
  both.add(decode);
  both.print("both");
}

}  // namespace

int main(int argc, char** argv) {
  bool with_llvm = true;
  std::string path;
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]) == "-n") with_llvm = false;
    else path = argv[i];
  }
  try {
    run(path, with_llvm);
  } catch (const std::exception& e) {
    fmt::print(stderr, "bench_compile: {}\n", e.what());
    return 1;
  }
}
