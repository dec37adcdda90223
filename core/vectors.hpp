// Questions to a few dozen numbers at once, answered by one bit for each: in vectors where x86-64 has them
// (x86/vectors.hpp), in loops that compilers turn into vectors elsewhere.
#pragma once

#include "isa.hpp"

#if defined(__SSE2__)
#include "x86/vectors.hpp"
#endif

namespace zipfit::ZIPFIT_ISA {

/// Which of 64 numbers are not zero.
ZIPFIT_INLINE std::uint64_t nonzero64(const std::uint16_t* numbers) {
#if defined(__SSE2__)
  return x86::nonzero64(numbers);
#else
  std::uint64_t bits = 0;
  for (unsigned i = 0; i < 64; ++i) bits |= std::uint64_t(numbers[i] != 0) << i;
  return bits;
#endif
}

/// For 16 places i: is value[i] == value[i + 1], and number[i] + 1 == number[i + 1]? Reads 17 of each.
ZIPFIT_INLINE unsigned equal_neighbours16(const std::uint16_t* number, const std::uint8_t* value) {
#if defined(__SSE2__)
  return x86::equal_neighbours16(number, value);
#else
  unsigned bits = 0;
  for (unsigned i = 0; i < 16; ++i) bits |= unsigned(value[i] == value[i + 1] && number[i] + 1 == number[i + 1]) << i;
  return bits;
#endif
}

}  // namespace zipfit::ZIPFIT_ISA
