// The numbers that fix what zlib does, and so what a gzip size is.
//
// A gzip size is no property of the text alone: it depends on how hard the compressor searches, when it gives up, and
// where it cuts blocks. All of that follows from the constants below, which are those of reference zlib (madler/zlib,
// unchanged in every release since 1.2.5) opened the way Python's `gzip` and `zlib` modules open it: windowBits 15,
// memLevel 8, the default strategy. Changing any of them changes sizes, and with them rankings.
#pragma once

#include "isa.hpp"

namespace zipfit::ZIPFIT_ISA::deflate {

constexpr unsigned kWindowSize = 1u << 15;         // how far back a match may lie, roughly: see kMaxDistance
constexpr unsigned kWindowSpan = 2 * kWindowSize;  // bytes that zlib holds at once; sliding frees the lower half
constexpr unsigned kMinMatch = 3;
constexpr unsigned kMaxMatch = 258;

// zlib refills its window when fewer bytes than this lie ahead, and keeps as many of the past out of reach, so that a
// longest match and the next position's hash never run past what it holds.
constexpr unsigned kMinLookahead = kMaxMatch + kMinMatch + 1;
constexpr unsigned kMaxDistance = kWindowSize - kMinLookahead;

// A match of length 3 farther away than this costs more than three literals; only the lazy levels (4 to 9) drop it.
constexpr unsigned kTooFar = 4096;

// memLevel 8: a 15-bit hash of three bytes, and a symbol buffer that ends a block when one short of full.
constexpr unsigned kHashBits = 15;
constexpr unsigned kHashSize = 1u << kHashBits;
constexpr unsigned kHashShift = (kHashBits + kMinMatch - 1) / kMinMatch;
constexpr unsigned kBlockSymbols = (1u << 14) - 1;

static_assert(kHashShift * kMinMatch >= kHashBits, "a byte must leave the rolling hash after three steps");
static_assert(kWindowSpan - 1 <= UINT16_MAX, "window positions are 16-bit, 0 meaning none");

/// zlib's rolling hash, which after three bytes depends on those three alone.
ZIPFIT_INLINE unsigned hash3(const std::uint8_t* p) {
  return ((unsigned(p[0]) << (2 * kHashShift)) ^ (unsigned(p[1]) << kHashShift) ^ p[2]) & (kHashSize - 1);
}

/// How hard a level searches (zlib's configuration_table).
struct Level {
  std::uint16_t good;   // with a match this long in hand, search only a quarter of the chain
  std::uint16_t lazy;   // levels 4-9: with a match this long in hand, do not look for a better one at the next byte;
                        // levels 1-3: the longest match whose inner positions still enter the hash chains
  std::uint16_t nice;   // a match this long ends the search
  std::uint16_t chain;  // candidates examined before giving up
  bool greedy;          // levels 1-3 (deflate_fast) take a match as it comes; 4-9 (deflate_slow) look one byte ahead
};

constexpr Level kLevels[10] = {
    {},  // level 0 stores, and is not a compressor
    {4, 4, 8, 4, true},
    {4, 5, 16, 8, true},
    {4, 6, 32, 32, true},
    {4, 4, 16, 16, false},
    {8, 16, 32, 32, false},
    {8, 16, 128, 128, false},
    {8, 32, 128, 256, false},
    {32, 128, 258, 1024, false},
    {32, 258, 258, 4096, false},
};

// What gzip wraps around the deflate stream: a header of 10 bytes, and a trailer of CRC and length.
constexpr unsigned kGzipWrapper = 18;

// The gzip size of nothing: an empty block under the fixed codes takes ten bits.
constexpr unsigned kEmptyGzip = kGzipWrapper + 2;

}  // namespace zipfit::ZIPFIT_ISA::deflate
