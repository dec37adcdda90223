// Blocks of SHA-256 in the SHA instructions of x86-64, and whether this processor has them.
//
// The instructions keep the state as two registers, ABEF and CDGH; sha256rnds2 does two rounds, sha256msg1/2 the
// message schedule four words at a time. Compiled for them whatever the rest is compiled for: ask has_sha() first.
#pragma once

#include <cpuid.h>
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace zipfit::x86 {

inline bool has_sha() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kSse41AndSsse3 = 1u << 19 | 1u << 9;  // leaf 1, ecx
  constexpr unsigned kSha = 1u << 29;                      // leaf 7, ebx
  if (!__get_cpuid(1, &a, &b, &c, &d) || (c & kSse41AndSsse3) != kSse41AndSsse3) return false;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & kSha) != 0;
}

/// Compresses n blocks of 64 bytes, each into a state of eight words. `rounds` are the 64 constants of FIPS 180-4,
/// aligned to 16 bytes. Each step waits for the one before it, so kLanes blocks take little longer than one.
template <int kLanes>
__attribute__((target("sha,sse4.1,ssse3"))) inline void sha256_lanes(std::uint32_t* states, const unsigned char* blocks,
                                                                     const std::uint32_t* rounds) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  __m128i abef_before[kLanes], cdgh_before[kLanes], abef[kLanes], cdgh[kLanes], w[kLanes][4];
#pragma GCC unroll 4
  for (int lane = 0; lane < kLanes; ++lane) {
    const __m128i dcba = _mm_loadu_si128(reinterpret_cast<const __m128i*>(states + 8 * lane));
    const __m128i hgfe = _mm_loadu_si128(reinterpret_cast<const __m128i*>(states + 8 * lane + 4));
    const __m128i cdab = _mm_shuffle_epi32(dcba, 0xb1);
    const __m128i efgh = _mm_shuffle_epi32(hgfe, 0x1b);
    abef_before[lane] = abef[lane] = _mm_alignr_epi8(cdab, efgh, 8);
    cdgh_before[lane] = cdgh[lane] = _mm_blend_epi16(efgh, cdab, 0xf0);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const auto* const words = reinterpret_cast<const __m128i*>(blocks + 64 * lane) + i;
      w[lane][i] = _mm_shuffle_epi8(_mm_loadu_si128(words), big_endian);
    }
  }
#pragma GCC unroll 16
  for (int group = 0; group < 16; ++group) {
    const __m128i constants = _mm_load_si128(reinterpret_cast<const __m128i*>(rounds) + group);
    __m128i keyed[kLanes];
#pragma GCC unroll 4
    for (int lane = 0; lane < kLanes; ++lane) {
      keyed[lane] = _mm_add_epi32(w[lane][group % 4], constants);
      cdgh[lane] = _mm_sha256rnds2_epu32(cdgh[lane], abef[lane], keyed[lane]);
    }
#pragma GCC unroll 4
    for (int lane = 0; lane < kLanes; ++lane) {
      abef[lane] = _mm_sha256rnds2_epu32(abef[lane], cdgh[lane], _mm_shuffle_epi32(keyed[lane], 0x0e));
      if (group < 12) {  // words 16 + 4*group .. 19 + 4*group, in place of those just used
        const __m128i last = w[lane][(group + 3) % 4];
        __m128i sum = _mm_sha256msg1_epu32(w[lane][group % 4], w[lane][(group + 1) % 4]);
        sum = _mm_add_epi32(sum, _mm_alignr_epi8(last, w[lane][(group + 2) % 4], 4));
        w[lane][group % 4] = _mm_sha256msg2_epu32(sum, last);
      }
    }
  }
#pragma GCC unroll 4
  for (int lane = 0; lane < kLanes; ++lane) {
    const __m128i feba = _mm_shuffle_epi32(_mm_add_epi32(abef[lane], abef_before[lane]), 0x1b);
    const __m128i dchg = _mm_shuffle_epi32(_mm_add_epi32(cdgh[lane], cdgh_before[lane]), 0xb1);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(states + 8 * lane), _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(states + 8 * lane + 4), _mm_alignr_epi8(dchg, feba, 8));
  }
}

inline void sha256_blocks(std::uint32_t* states, const unsigned char* blocks, std::size_t n,
                          const std::uint32_t* rounds) {
  std::size_t i = 0;
  for (; i + 2 <= n; i += 2) sha256_lanes<2>(states + 8 * i, blocks + 64 * i, rounds);
  if (i < n) sha256_lanes<1>(states + 8 * i, blocks + 64 * i, rounds);
}

}  // namespace zipfit::x86
