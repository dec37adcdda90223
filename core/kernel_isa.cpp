// The kernel for one instruction set: compiled once for each, with ZIPFIT_ISA and the compiler's flags to match.
#include "deflate/pairs.hpp"
#include "lz4/pairs.hpp"

#define ZIPFIT_STRING_(name) #name
#define ZIPFIT_STRING(name) ZIPFIT_STRING_(name)

namespace zipfit::ZIPFIT_ISA {

extern const Kernel kernel;
const Kernel kernel = {
    ZIPFIT_STRING(ZIPFIT_ISA),
    [](Text text, int level) {
      deflate::Sizer sizer;
      return static_cast<std::int64_t>(sizer.size({text.data, text.size}, deflate::kLevels[level]));
    },
    [](Text text) { return static_cast<std::int64_t>(lz4::size({text.data, text.size})); },
    [](const Text* targets, std::size_t count, int level) -> Pairs* {
      return new deflate::GzipPairs(targets, count, deflate::kLevels[level]);
    },
    [](const Text* targets, std::size_t count) -> Pairs* { return new lz4::Lz4Pairs(targets, count); },
};

}  // namespace zipfit::ZIPFIT_ISA
