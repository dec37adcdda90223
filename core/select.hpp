// Selections by comparison that must not become jumps.
//
// Where a comparison falls out either way half the time, a jump is mispredicted half the time, which costs more than
// everything around it (see deflate/huffman.hpp). Compilers for x86-64 like to make jumps of these, so there they are
// written out in x86/select.hpp; elsewhere compilers have been seen to do the right thing.
#pragma once

#include "isa.hpp"

#if defined(__x86_64__)
#include "x86/select.hpp"
#endif

namespace zipfit::ZIPFIT_ISA {

/// `below` if bound < value, and then takes one from `index`; otherwise `value`.
ZIPFIT_INLINE std::uint32_t select_below(std::uint32_t bound, std::uint32_t value, std::uint32_t below,
                                         std::uint64_t& index) {
#if defined(__x86_64__)
  return x86::select_below(bound, value, below, index);
#else
  const bool is_below = bound < value;
  index -= is_below;
  return is_below ? below : value;
#endif
}

/// If bound < value returns `below` and leaves `value`; otherwise returns `value` and puts `below` in its place.
ZIPFIT_INLINE std::uint32_t exchange_below(std::uint32_t bound, std::uint32_t& value, std::uint32_t below) {
#if defined(__x86_64__)
  return x86::exchange_below(bound, value, below);
#else
  const bool is_below = bound < value;
  const std::uint32_t selected = is_below ? below : value;
  value = is_below ? value : below;
  return selected;
#endif
}

}  // namespace zipfit::ZIPFIT_ISA
