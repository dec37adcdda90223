// One block of SHA-256 in the SHA instructions of x86-64, and whether this processor has them.
//
// The instructions keep the state as two registers, ABEF and CDGH; sha256rnds2 does two rounds, sha256msg1/2 the
// message schedule four words at a time. Compiled for them whatever the rest is compiled for: ask has_sha() first.
#pragma once

#include <cpuid.h>
#include <immintrin.h>

#include <cstdint>

namespace zipfit::x86 {

inline bool has_sha() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kSse41AndSsse3 = 1u << 19 | 1u << 9;  // leaf 1, ecx
  constexpr unsigned kSha = 1u << 29;                      // leaf 7, ebx
  if (!__get_cpuid(1, &a, &b, &c, &d) || (c & kSse41AndSsse3) != kSse41AndSsse3) return false;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & kSha) != 0;
}

/// Compresses a block of 64 bytes into a state of eight words. `rounds` are the 64 constants of FIPS 180-4, aligned to
/// 16 bytes.
__attribute__((target("sha,sse4.1,ssse3"))) inline void sha256_block(std::uint32_t* state, const unsigned char* block,
                                                                     const std::uint32_t* rounds) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  const __m128i dcba = _mm_loadu_si128(reinterpret_cast<const __m128i*>(state));
  const __m128i hgfe = _mm_loadu_si128(reinterpret_cast<const __m128i*>(state + 4));
  const __m128i cdab = _mm_shuffle_epi32(dcba, 0xb1);
  const __m128i efgh = _mm_shuffle_epi32(hgfe, 0x1b);
  __m128i abef = _mm_alignr_epi8(cdab, efgh, 8);
  __m128i cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);
  const __m128i abef_before = abef;
  const __m128i cdgh_before = cdgh;

  __m128i w[4];
  for (int i = 0; i < 4; ++i) {
    w[i] = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(block) + i), big_endian);
  }
#pragma GCC unroll 16
  for (int group = 0; group < 16; ++group) {
    const __m128i words = w[group % 4];
    const __m128i keyed = _mm_add_epi32(words, _mm_load_si128(reinterpret_cast<const __m128i*>(rounds) + group));
    cdgh = _mm_sha256rnds2_epu32(cdgh, abef, keyed);
    abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(keyed, 0x0e));
    if (group < 12) {  // words 16 + 4*group .. 19 + 4*group, in place of those just used
      const __m128i next = w[(group + 1) % 4];
      const __m128i last = w[(group + 3) % 4];
      __m128i sum = _mm_sha256msg1_epu32(words, next);
      sum = _mm_add_epi32(sum, _mm_alignr_epi8(last, w[(group + 2) % 4], 4));
      w[group % 4] = _mm_sha256msg2_epu32(sum, last);
    }
  }
  abef = _mm_add_epi32(abef, abef_before);
  cdgh = _mm_add_epi32(cdgh, cdgh_before);
  const __m128i feba = _mm_shuffle_epi32(abef, 0x1b);
  const __m128i dchg = _mm_shuffle_epi32(cdgh, 0xb1);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(state), _mm_blend_epi16(feba, dchg, 0xf0));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

}  // namespace zipfit::x86
