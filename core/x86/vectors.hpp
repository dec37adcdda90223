// The questions of vectors.hpp, in SSE2, which every x86-64 has, and in AVX2.
#pragma once

#include <immintrin.h>

#include "isa.hpp"

namespace zipfit::ZIPFIT_ISA::x86 {

#if defined(__AVX2__)
ZIPFIT_INLINE std::uint64_t nonzero64(const std::uint16_t* numbers) {
  std::uint64_t bits = 0;
  for (unsigned i = 0; i < 2; ++i) {
    const auto* from = reinterpret_cast<const __m256i*>(numbers + 32 * i);
    const __m256i zero = _mm256_setzero_si256();
    const __m256i packed = _mm256_packs_epi16(_mm256_cmpeq_epi16(_mm256_loadu_si256(from), zero),
                                              _mm256_cmpeq_epi16(_mm256_loadu_si256(from + 1), zero));
    const __m256i ordered = _mm256_permute4x64_epi64(packed, 0b11011000);
    bits |= std::uint64_t(~static_cast<std::uint32_t>(_mm256_movemask_epi8(ordered))) << (32 * i);
  }
  return bits;
}
#else
ZIPFIT_INLINE std::uint64_t nonzero64(const std::uint16_t* numbers) {
  std::uint64_t bits = 0;
  for (unsigned i = 0; i < 4; ++i) {
    const auto* from = reinterpret_cast<const __m128i*>(numbers + 16 * i);
    const __m128i zero = _mm_setzero_si128();
    const __m128i packed =
        _mm_packs_epi16(_mm_cmpeq_epi16(_mm_loadu_si128(from), zero), _mm_cmpeq_epi16(_mm_loadu_si128(from + 1), zero));
    bits |= std::uint64_t(~static_cast<unsigned>(_mm_movemask_epi8(packed)) & 0xFFFF) << (16 * i);
  }
  return bits;
}
#endif

ZIPFIT_INLINE unsigned equal_neighbours16(const std::uint16_t* number, const std::uint8_t* value) {
  const auto at = [](const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); };
  const __m128i equal = _mm_cmpeq_epi8(at(value), at(value + 1));
  const __m128i step_low = _mm_add_epi16(_mm_sub_epi16(at(number), at(number + 1)), _mm_set1_epi16(1));
  const __m128i step_high = _mm_add_epi16(_mm_sub_epi16(at(number + 8), at(number + 9)), _mm_set1_epi16(1));
  const __m128i zero = _mm_setzero_si128();
  const __m128i adjacent = _mm_packs_epi16(_mm_cmpeq_epi16(step_low, zero), _mm_cmpeq_epi16(step_high, zero));
  return static_cast<unsigned>(_mm_movemask_epi8(_mm_and_si128(equal, adjacent)));
}

}  // namespace zipfit::ZIPFIT_ISA::x86
