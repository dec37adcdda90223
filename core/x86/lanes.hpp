// Vectors of 32-bit numbers, one for each of several trees: what deflate/lockstep.hpp asks of AVX2 and AVX-512.
#pragma once

// GCC's own headers leave the lanes undefined that a mask of all ones then overwrites, and warn of it.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include <immintrin.h>

#include "isa.hpp"

namespace zipfit::ZIPFIT_ISA::x86 {

#if defined(__AVX512F__)

struct Lanes {
  static constexpr unsigned kCount = 16;
  using Vector = __m512i;
  using Mask = __mmask16;

  static ZIPFIT_INLINE Vector load(const std::uint32_t* from) { return _mm512_load_si512(from); }
  static ZIPFIT_INLINE void store(std::uint32_t* to, Vector v) { _mm512_store_si512(to, v); }
  static ZIPFIT_INLINE Vector same(std::uint32_t value) { return _mm512_set1_epi32(static_cast<int>(value)); }
  static ZIPFIT_INLINE Vector either(Vector a, Vector b) { return _mm512_or_si512(a, b); }
  static ZIPFIT_INLINE Vector both(Vector a, Vector b) { return _mm512_and_si512(a, b); }
  static ZIPFIT_INLINE Vector sum(Vector a, Vector b) { return _mm512_add_epi32(a, b); }
  static ZIPFIT_INLINE Vector difference(Vector a, Vector b) { return _mm512_sub_epi32(a, b); }
  static ZIPFIT_INLINE Vector larger(Vector a, Vector b) { return _mm512_max_epi32(a, b); }
  template <unsigned Bits>
  static ZIPFIT_INLINE Vector down(Vector a) {
    return _mm512_srli_epi32(a, Bits);
  }
  template <unsigned Bits>
  static ZIPFIT_INLINE Vector up(Vector a) {
    return _mm512_slli_epi32(a, Bits);
  }

  static ZIPFIT_INLINE Mask all() { return 0xFFFF; }
  static ZIPFIT_INLINE Mask below(Vector a, Vector b) { return _mm512_cmplt_epi32_mask(a, b); }
  static ZIPFIT_INLINE Mask both(Mask a, Mask b) { return _kand_mask16(a, b); }
  static ZIPFIT_INLINE Mask first_alone(Mask a, Mask b) { return _kandn_mask16(b, a); }
  static ZIPFIT_INLINE Vector select(Mask mask, Vector yes, Vector no) { return _mm512_mask_mov_epi32(no, mask, yes); }

  /// rows[i][lane] = columns[lane][i], for 16 of each; columns lie `stride` numbers apart.
  static ZIPFIT_INLINE void transpose(const std::uint32_t* columns, std::size_t stride, std::uint32_t* rows,
                                      std::size_t rows_stride) {
    Vector a[16];
    Vector b[16];
#pragma GCC unroll 16
    for (unsigned i = 0; i < 16; ++i) a[i] = _mm512_loadu_si512(columns + i * stride);
#pragma GCC unroll 8
    for (unsigned i = 0; i < 8; ++i) {
      b[2 * i] = _mm512_unpacklo_epi32(a[2 * i], a[2 * i + 1]);
      b[2 * i + 1] = _mm512_unpackhi_epi32(a[2 * i], a[2 * i + 1]);
    }
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; ++i) {
      a[4 * i] = _mm512_unpacklo_epi64(b[4 * i], b[4 * i + 2]);
      a[4 * i + 1] = _mm512_unpackhi_epi64(b[4 * i], b[4 * i + 2]);
      a[4 * i + 2] = _mm512_unpacklo_epi64(b[4 * i + 1], b[4 * i + 3]);
      a[4 * i + 3] = _mm512_unpackhi_epi64(b[4 * i + 1], b[4 * i + 3]);
    }
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; ++i) {
      b[i] = _mm512_shuffle_i32x4(a[i], a[4 + i], 0x88);
      b[4 + i] = _mm512_shuffle_i32x4(a[i], a[4 + i], 0xDD);
      b[8 + i] = _mm512_shuffle_i32x4(a[8 + i], a[12 + i], 0x88);
      b[12 + i] = _mm512_shuffle_i32x4(a[8 + i], a[12 + i], 0xDD);
    }
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; ++i) {
      _mm512_storeu_si512(rows + i * rows_stride, _mm512_shuffle_i32x4(b[i], b[8 + i], 0x88));
      _mm512_storeu_si512(rows + (8 + i) * rows_stride, _mm512_shuffle_i32x4(b[i], b[8 + i], 0xDD));
      _mm512_storeu_si512(rows + (4 + i) * rows_stride, _mm512_shuffle_i32x4(b[4 + i], b[12 + i], 0x88));
      _mm512_storeu_si512(rows + (12 + i) * rows_stride, _mm512_shuffle_i32x4(b[4 + i], b[12 + i], 0xDD));
    }
  }
};

#elif defined(__AVX2__)

struct Lanes {
  static constexpr unsigned kCount = 8;
  using Vector = __m256i;
  struct Mask {
    __m256i bits;
  };

  static ZIPFIT_INLINE Vector load(const std::uint32_t* from) {
    return _mm256_load_si256(reinterpret_cast<const __m256i*>(from));
  }
  static ZIPFIT_INLINE void store(std::uint32_t* to, Vector v) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(to), v);
  }
  static ZIPFIT_INLINE Vector same(std::uint32_t value) { return _mm256_set1_epi32(static_cast<int>(value)); }
  static ZIPFIT_INLINE Vector either(Vector a, Vector b) { return _mm256_or_si256(a, b); }
  static ZIPFIT_INLINE Vector both(Vector a, Vector b) { return _mm256_and_si256(a, b); }
  static ZIPFIT_INLINE Vector sum(Vector a, Vector b) { return _mm256_add_epi32(a, b); }
  static ZIPFIT_INLINE Vector difference(Vector a, Vector b) { return _mm256_sub_epi32(a, b); }
  static ZIPFIT_INLINE Vector larger(Vector a, Vector b) { return _mm256_max_epi32(a, b); }
  template <unsigned Bits>
  static ZIPFIT_INLINE Vector down(Vector a) {
    return _mm256_srli_epi32(a, Bits);
  }
  template <unsigned Bits>
  static ZIPFIT_INLINE Vector up(Vector a) {
    return _mm256_slli_epi32(a, Bits);
  }

  static ZIPFIT_INLINE Mask all() { return {_mm256_set1_epi32(-1)}; }
  static ZIPFIT_INLINE Mask below(Vector a, Vector b) { return {_mm256_cmpgt_epi32(b, a)}; }
  static ZIPFIT_INLINE Mask both(Mask a, Mask b) { return {_mm256_and_si256(a.bits, b.bits)}; }
  static ZIPFIT_INLINE Mask first_alone(Mask a, Mask b) { return {_mm256_andnot_si256(b.bits, a.bits)}; }
  static ZIPFIT_INLINE Vector select(Mask mask, Vector yes, Vector no) {
    return _mm256_blendv_epi8(no, yes, mask.bits);
  }

  /// rows[i][lane] = columns[lane][i], for 8 of each; columns lie `stride` numbers apart.
  static ZIPFIT_INLINE void transpose(const std::uint32_t* columns, std::size_t stride, std::uint32_t* rows,
                                      std::size_t rows_stride) {
    const auto at = [](std::uint32_t* p) { return reinterpret_cast<__m256i*>(p); };
    Vector a[8];
    Vector b[8];
#pragma GCC unroll 8
    for (unsigned i = 0; i < 8; ++i) a[i] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(columns + i * stride));
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; ++i) {
      b[2 * i] = _mm256_unpacklo_epi32(a[2 * i], a[2 * i + 1]);
      b[2 * i + 1] = _mm256_unpackhi_epi32(a[2 * i], a[2 * i + 1]);
    }
#pragma GCC unroll 2
    for (unsigned i = 0; i < 2; ++i) {
      a[4 * i] = _mm256_unpacklo_epi64(b[4 * i], b[4 * i + 2]);
      a[4 * i + 1] = _mm256_unpackhi_epi64(b[4 * i], b[4 * i + 2]);
      a[4 * i + 2] = _mm256_unpacklo_epi64(b[4 * i + 1], b[4 * i + 3]);
      a[4 * i + 3] = _mm256_unpackhi_epi64(b[4 * i + 1], b[4 * i + 3]);
    }
#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; ++i) {
      _mm256_storeu_si256(at(rows + i * rows_stride), _mm256_permute2x128_si256(a[i], a[4 + i], 0x20));
      _mm256_storeu_si256(at(rows + (4 + i) * rows_stride), _mm256_permute2x128_si256(a[i], a[4 + i], 0x31));
    }
  }
};

#endif

}  // namespace zipfit::ZIPFIT_ISA::x86

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
