// What a parse leaves behind: how often each deflate symbol occurs, and how many extra bits go with them.
//
// The compressed size of a block depends on the parse only through these counts. So a parse writes nothing but a
// histogram, and copying 640 bytes is all it takes to fork the state "x has been parsed" into many pairs x + t.
//
// Deflate (RFC 1951, 3.2.5) has two alphabets: 256 literals, end of block (256) and 29 length symbols (257..285); and
// 30 distance symbols. Lengths and distances fall into buckets; bits inside a bucket follow raw, as extra bits.
#pragma once

#include "deflate/config.hpp"

namespace zipfit::ZIPFIT_ISA::deflate {

constexpr unsigned kEndOfBlock = 256;
constexpr unsigned kLiteralSymbols = 286;
constexpr unsigned kDistanceSymbols = 30;

// 64-bit words that hold one bit for each symbol, and the padding that lets whole words and vectors be read.
constexpr unsigned kLiteralSlots = 320;
constexpr unsigned kDistanceSlots = 64;
static_assert(kLiteralSlots % 64 == 0 && kLiteralSlots >= kLiteralSymbols + 1);
static_assert(kDistanceSlots % 64 == 0 && kDistanceSlots >= kDistanceSymbols + 1);

/// A symbol and the raw bits that follow it.
struct Bucket {
  std::uint16_t symbol;
  std::uint16_t extra;
};

struct LengthBuckets {
  Bucket at[kMaxMatch + 1] = {};
  constexpr LengthBuckets() {
    unsigned symbol = kEndOfBlock + 1;
    unsigned length = kMinMatch;
    // Eight buckets of one length, then four each of 2, 4, 8, 16 and 32 lengths.
    for (unsigned extra = 0; extra <= 5; ++extra) {
      const unsigned buckets = extra ? 4 : 8;
      for (unsigned bucket = 0; bucket < buckets; ++bucket, ++symbol) {
        for (unsigned i = 0; i < (1u << extra) && length <= kMaxMatch; ++i, ++length) {
          at[length] = {static_cast<std::uint16_t>(symbol), static_cast<std::uint16_t>(extra)};
        }
      }
    }
    at[kMaxMatch] = {kLiteralSymbols - 1, 0};  // 258 has a symbol of its own
  }
};
inline constexpr LengthBuckets kLengths;
static_assert(kLengths.at[3].symbol == 257 && kLengths.at[10].symbol == 264 && kLengths.at[11].symbol == 265);
static_assert(kLengths.at[257].symbol == 284 && kLengths.at[257].extra == 5 && kLengths.at[258].symbol == 285);

/// Distances 1..256 by themselves, longer ones by (distance - 1) / 128: every bucket from 257 up is a multiple of 128.
struct DistanceBuckets {
  Bucket near[256] = {};
  Bucket far[256] = {};
  constexpr DistanceBuckets() {
    unsigned distance = 0;  // less one
    for (unsigned symbol = 0; symbol < kDistanceSymbols; ++symbol) {
      const unsigned extra = symbol < 4 ? 0 : symbol / 2 - 1;
      for (unsigned i = 0; i < (1u << extra); ++i, ++distance) {
        const Bucket bucket = {static_cast<std::uint16_t>(symbol), static_cast<std::uint16_t>(extra)};
        if (distance < 256) near[distance] = bucket;
        far[distance >> 7] = bucket;  // meaningful from 2 up
      }
    }
  }
};
inline constexpr DistanceBuckets kDistances;

ZIPFIT_INLINE Bucket distance_bucket(unsigned distance) {
  const unsigned d = distance - 1;
  return d < 256 ? kDistances.near[d] : kDistances.far[d >> 7];
}
static_assert(kDistances.near[0].symbol == 0 && kDistances.near[255].symbol == 15 && kDistances.near[255].extra == 6);
static_assert(kDistances.far[2].symbol == 16 && kDistances.far[255].symbol == 29 && kDistances.far[255].extra == 13);

/// Symbol counts of one block. No count exceeds kBlockSymbols, so 16 bits do.
struct alignas(64) Histogram {
  std::uint16_t literals[kLiteralSlots] = {};
  std::uint16_t distances[kDistanceSlots] = {};
  std::uint32_t extra_bits = 0;

  ZIPFIT_INLINE void add_literal(std::uint8_t byte) { ++literals[byte]; }

  ZIPFIT_INLINE void add_match(unsigned length, unsigned distance) {
    const Bucket l = kLengths.at[length];
    const Bucket d = distance_bucket(distance);
    ++literals[l.symbol];
    ++distances[d.symbol];
    extra_bits += l.extra + d.extra;
  }
};
static_assert(kBlockSymbols + 1 <= UINT16_MAX);

}  // namespace zipfit::ZIPFIT_ISA::deflate
