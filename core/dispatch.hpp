// Which of the compiled kernels this processor can run, and which one is to be used.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "kernel.hpp"

namespace zipfit {

/// The kernels that this processor can run, the plainest first.
std::vector<const Kernel*> available_kernels();

/// Thrown when a kernel is asked for by a name that is unknown, or that this processor or build does not have.
class UnavailableKernel : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The kernel named by the environment variable ZIPFIT_ISA, or else the best available one.
const Kernel& choose_kernel();

}  // namespace zipfit
