// LLVM through its C API, which does not change between versions. IR text is parsed, run through
// the one pass that it needs (accumulators are stack slots until sroa), and compiled for the host;
// ORC links the object into this process. The vectors in the text are final: LLVM's own vectoriser
// and unroller are not run, and would cost several times the rest.
#include "runtimes/jit.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/Core.h>
#include <llvm-c/Error.h>
#include <llvm-c/IRReader.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Orc.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <llvm-c/Transforms/PassBuilder.h>

#include "core/error.h"

namespace niwaki {
namespace {

std::string take(char* message) {
  std::string text = message ? message : "";
  LLVMDisposeMessage(message);
  return text;
}

void check_error(LLVMErrorRef error, const char* what) {
  if (!error) return;
  char* message = LLVMGetErrorMessage(error);
  std::string text = message;
  LLVMDisposeErrorMessage(message);
  fail("jit: {}: {}", what, text);
}

constexpr const char* passes = "function(sroa)";

}  // namespace

struct Jit::State {
  LLVMTargetMachineRef machine = nullptr;
  LLVMOrcLLJITRef orc = nullptr;
  std::string features;

  LLVMMemoryBufferRef emit(const std::string& ir, LLVMCodeGenFileType kind) const {
    LLVMContextRef context = LLVMContextCreate();
    LLVMMemoryBufferRef text =
        LLVMCreateMemoryBufferWithMemoryRangeCopy(ir.data(), ir.size(), "kernel");
    LLVMModuleRef module = nullptr;
    char* message = nullptr;
    bool broken = LLVMParseIRInContext(context, text, &module, &message);
    std::string said = take(broken ? message : nullptr);
    expect(!broken, "LLVM does not accept a kernel: {}\n{}", said, ir);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(machine);
    LLVMSetModuleDataLayout(module, layout);
    LLVMDisposeTargetData(layout);
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    check_error(LLVMRunPasses(module, passes, machine, options), "passes");
    LLVMDisposePassBuilderOptions(options);
    LLVMMemoryBufferRef out = nullptr;
    broken = LLVMTargetMachineEmitToMemoryBuffer(machine, module, kind, &message, &out);
    said = take(broken ? message : nullptr);
    LLVMDisposeModule(module);
    LLVMContextDispose(context);
    expect(!broken, "LLVM cannot compile a kernel: {}", said);
    return out;
  }
};

Jit::Jit() : state_(std::make_unique<State>()) {
  LLVMInitializeNativeTarget();
  LLVMInitializeNativeAsmPrinter();
  LLVMInitializeNativeAsmParser();
  std::string triple = take(LLVMGetDefaultTargetTriple());
  std::string cpu = take(LLVMGetHostCPUName());
  state_->features = take(LLVMGetHostCPUFeatures());
  LLVMTargetRef target = nullptr;
  char* message = nullptr;
  bool unknown = LLVMGetTargetFromTriple(triple.c_str(), &target, &message);
  std::string said = take(unknown ? message : nullptr);
  check(!unknown, "jit: LLVM has no target for {}: {}", triple, said);
  // The JIT's default code model is the large one: longer code, slower to compile.
  state_->machine =
      LLVMCreateTargetMachine(target, triple.c_str(), cpu.c_str(), state_->features.c_str(),
                              LLVMCodeGenLevelDefault, LLVMRelocPIC, LLVMCodeModelSmall);
  check_error(LLVMOrcCreateLLJIT(&state_->orc, LLVMOrcCreateLLJITBuilder()), "start");
  unsigned major = 0;
  unsigned minor = 0;
  unsigned patch = 0;
  LLVMGetVersion(&major, &minor, &patch);
  machine_ = fmt::format("LLVM {}.{}.{} {} {} {} {}", major, minor, patch, triple, cpu,
                         state_->features, passes);
}

Jit::~Jit() {
  if (state_->orc) LLVMConsumeError(LLVMOrcDisposeLLJIT(state_->orc));
  if (state_->machine) LLVMDisposeTargetMachine(state_->machine);
}

bool Jit::has_feature(const std::string& feature) const {
  return ("," + state_->features + ",").find(",+" + feature + ",") != std::string::npos;
}

std::vector<char> Jit::compile(const std::string& ir) const {
  LLVMMemoryBufferRef out = state_->emit(ir, LLVMObjectFile);
  const char* start = LLVMGetBufferStart(out);
  std::vector<char> object(start, start + LLVMGetBufferSize(out));
  LLVMDisposeMemoryBuffer(out);
  return object;
}

std::string Jit::assembly(const std::string& ir) const {
  LLVMMemoryBufferRef out = state_->emit(ir, LLVMAssemblyFile);
  std::string text(LLVMGetBufferStart(out), LLVMGetBufferSize(out));
  LLVMDisposeMemoryBuffer(out);
  return text;
}

void* Jit::load(const std::vector<char>& object, const std::string& function) {
  LLVMMemoryBufferRef buffer =
      LLVMCreateMemoryBufferWithMemoryRangeCopy(object.data(), object.size(), function.c_str());
  LLVMOrcJITDylibRef library = LLVMOrcLLJITGetMainJITDylib(state_->orc);
  check_error(LLVMOrcLLJITAddObjectFile(state_->orc, library, buffer), "link");
  LLVMOrcExecutorAddress address = 0;
  check_error(LLVMOrcLLJITLookup(state_->orc, &address, function.c_str()), "link");
  return reinterpret_cast<void*>(address);
}

}  // namespace niwaki
