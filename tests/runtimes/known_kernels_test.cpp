// A kernel that an earlier process compiled is run again without being lowered, and no file is
// trusted with saying how.
#include <doctest/doctest.h>

#include <filesystem>
#include <map>

#include "runtimes/build_id.h"
#include "runtimes/known_kernels.h"
#include "runtimes/realize.h"
#include "schedule/schedule.h"
#include "support/own.h"

namespace niwaki::test {
namespace {

UOp kernel_of(const Tensor& t) {
  Schedule made = schedule({t.uop()});
  REQUIRE(made.kernels.size() == 1);
  return made.kernels[0].ast;
}

Tensor rows(const UOp& n) { return Tensor::empty({64, 256}).narrow(0, 0, Dim(n)) * 2.0 + 1.0; }

TEST_CASE("a build has an id") {
  CHECK(!build_id().empty());
  CHECK(build_id().size() == 32);
}

TEST_CASE("what a launch asks of a kernel is kept with its program's key") {
  OwnDirectory directory("known_test");
  ProgramCache cache(directory.path);
  KnownKernels known(cache, "a machine");
  UOp ast = kernel_of(rows(variable("n", 1, 64)));
  LinearCode linear = lower(ast, device("CPU").target());
  std::string program = ProgramCache::key("a program");
  CHECK(!known.find(ast));
  known.keep(ast, {program, linear});
  std::optional<KnownKernel> found = known.find(ast);
  REQUIRE(found);
  CHECK(found->key == program);
  CHECK(found->launch.variables == linear.variables);
  CHECK(found->launch.parallel == linear.parallel);
  CHECK(found->launch.work == linear.work);
  CHECK(!known.find(kernel_of(rows(variable("n", 1, 63)))));
  CHECK(!KnownKernels(cache, "another").find(ast));

  std::filesystem::path file = *std::filesystem::directory_iterator(directory.path);
  std::string loop = "%0 = variable {n 1 64} : i64\n%1 = variable {m 1 64} : i64\n";
  std::vector<std::string> damaged = {
      "",
      program,
      program + "\n1",
      program + "\n1\n",
      program + "\n1\nwhatever",
      program + "\n1\n%0 = sink",
      program + "\n1\n" + loop + "%2 = sink %1 %0\n",
      "../../../../../../../etc/passwd0\n1\n%0 = sink 1\n",
  };
  for (const std::string& text : damaged) {
    CAPTURE(text);
    cache.keep(file.stem(), {text.begin(), text.end()});
    CHECK(!known.find(ast));
  }
}

TEST_CASE("the CPU runs what it remembers") {
  OwnSetting plain("NIWAKI_VERIFY", "0");
  Tensor x = realize(Tensor::arange(300).cast(f32).contiguous());
  UOp ast = kernel_of(x * 3.0 + 0.5);
  Device& cpu = device("CPU");
  LinearCode linear = lower(ast, cpu.target());
  cpu.compile(linear);
  cpu.remember(ast, linear);
  std::shared_ptr<Program> program = cpu.recall(ast);
  REQUIRE(program);
  std::vector<float> result(300);
  void* buffers[] = {result.data(), x.uop()->get<BufferRef>()->data};
  program->launch(buffers, {});
  CHECK(result[0] == 0.5F);
  CHECK(result[299] == 299 * 3 + 0.5F);
}

// Two of them are two processes with one disk.
class Counting : public Device {
 public:
  using Disk = std::map<const Node*, std::shared_ptr<Program>>;
  explicit Counting(Disk& disk) : Device("INTERP", target_of("interp")), disk_(disk) {}

  std::shared_ptr<Program> compile(const LinearCode& linear) override {
    ++compiled;
    return last_ = device("INTERP").compile(linear);
  }
  std::shared_ptr<Program> recall(const UOp& kernel) override {
    auto found = disk_.find(kernel.get());
    return found == disk_.end() ? nullptr : found->second;
  }
  void remember(const UOp& kernel, const LinearCode&) override { disk_[kernel.get()] = last_; }

  int compiled = 0;

 private:
  Disk& disk_;
  std::shared_ptr<Program> last_;
};

TEST_CASE("a kernel that is known is not lowered, but where all passes are to be verified") {
  static Counting::Disk disk;
  static Counting first(disk);
  static Counting second(disk);
  static Counting third(disk);
  Tensor t = Tensor::from(std::vector<float>{1, 2, 3}, {3}) * 7.0;
  {
    OwnSetting plain("NIWAKI_VERIFY", "0");
    CHECK(to_vector<float>(t, first)[2] == 21);
    CHECK(to_vector<float>(t, second)[2] == 21);
  }
  OwnSetting verified("NIWAKI_VERIFY", "1");
  CHECK(to_vector<float>(t, third)[2] == 21);
  CHECK(first.compiled == 1);
  CHECK(second.compiled == 0);
  CHECK(third.compiled == 1);
}

}  // namespace
}  // namespace niwaki::test
