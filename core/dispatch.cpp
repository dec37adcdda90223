#include "dispatch.hpp"

#include <cstdlib>

namespace zipfit {

namespace portable {
extern const Kernel kernel;
}
#if ZIPFIT_X86_KERNELS
namespace avx2 {
extern const Kernel kernel;
}
namespace avx512 {
extern const Kernel kernel;
}
#endif

std::vector<const Kernel*> available_kernels() {
  std::vector<const Kernel*> kernels = {&portable::kernel};
#if ZIPFIT_X86_KERNELS
  // What the compiler was allowed to use for each (see CMakeLists.txt) is what must be there.
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
                  __builtin_cpu_supports("popcnt");
  const bool v4 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  if (v3) kernels.push_back(&avx2::kernel);
  if (v3 && v4) kernels.push_back(&avx512::kernel);
#endif
  return kernels;
}

namespace {

/// The last of them; but AVX-512 has to be asked for on the processors that lower their clock for it, the first that
/// had it: those without its later extensions.
const Kernel& best(const std::vector<const Kernel*>& kernels) {
#if ZIPFIT_X86_KERNELS
  if (kernels.back() == &avx512::kernel && !__builtin_cpu_supports("avx512vbmi2")) return avx2::kernel;
#endif
  return *kernels.back();
}

}  // namespace

const Kernel& choose_kernel() {
  const std::vector<const Kernel*> kernels = available_kernels();
  const char* const wanted = std::getenv("ZIPFIT_ISA");
  if (wanted == nullptr || *wanted == '\0') return best(kernels);
  std::string names;
  for (const Kernel* kernel : kernels) {
    if (std::string(wanted) == kernel->isa) return *kernel;
    names += (names.empty() ? "" : ", ") + std::string(kernel->isa);
  }
  throw UnavailableKernel("ZIPFIT_ISA is '" + std::string(wanted) +
                          "', but this machine and build have only: " + names);
}

}  // namespace zipfit
