// What it costs to say which code lengths a tree has.
//
// A dynamic block starts with its code lengths, run-length coded over an alphabet of 19 (RFC 1951, 3.2.7): a length
// itself (0..15), "the previous length 3 to 6 more times" (16), "zero 3 to 10 times" (17), "zero 11 to 138 times" (18).
// zlib's scan_tree walks all 286 symbols to count these. Here only the symbols in use are walked:
//
//  * Zeros are the gaps between used symbols, and what a gap costs depends on its width alone: a table.
//  * Nearly every nonzero length stands in a run shorter than four, and then counts once for each symbol. So all are
//    counted that way, and the few longer runs, found with vector comparisons of neighbours, are corrected afterwards.
#pragma once

#include "deflate/huffman.hpp"
#include "vectors.hpp"

namespace zipfit::ZIPFIT_ISA::deflate {

constexpr unsigned kRepeatPrevious = 16;
constexpr unsigned kRepeatZeroShort = 17;
constexpr unsigned kRepeatZeroLong = 18;
constexpr unsigned kLengthSymbols = 19;
constexpr unsigned kLengthSlots = 32;

constexpr unsigned kRunStart = 4;      // the shortest run of equal lengths that is coded as one
constexpr unsigned kRunContinues = 3;  // the shortest that continues one
constexpr unsigned kRunMost = 6;       // repeats in one code of the previous length
constexpr unsigned kZeroRunShort = 3;
constexpr unsigned kZeroRunLong = 11;
constexpr unsigned kZeroRunMost = 138;

/// How often each of the 19 symbols is needed for the code lengths of a block.
struct LengthCounts {
  std::uint16_t at[kLengthSlots];
};

/// The cost of a gap of unused symbols: how many single zeros, short runs and long runs it takes, 16 bits each.
struct GapCosts {
  std::uint64_t at[kLiteralSymbols] = {};
  constexpr GapCosts() {
    for (unsigned width = 0; width < kLiteralSymbols; ++width) {
      unsigned left = width;
      std::uint64_t zeros = 0;
      std::uint64_t shorts = 0;
      std::uint64_t longs = 0;
      while (left) {
        const unsigned run = left < kZeroRunMost ? left : kZeroRunMost;
        if (run < kZeroRunShort) {
          zeros += run;
        } else if (run < kZeroRunLong) {
          ++shorts;
        } else {
          ++longs;
        }
        left -= run;
      }
      at[width] = zeros | shorts << 16 | longs << 32;
    }
  }
};
inline constexpr GapCosts kGaps;

/// The symbols that a tree's leaves stand for, ascending. Padded so that vectors may be read past the last one.
struct Leaves {
  std::uint16_t symbol[kLiteralSlots + 16];
};

/// Adds to `counts` what the code lengths `depth` of the used symbols take. `leaves` is at least 1; `depth` is readable
/// for 17 bytes past them.
inline void count_code_lengths(const std::uint16_t* symbol, const std::uint8_t* depth, unsigned leaves,
                               LengthCounts& counts) {
  std::uint64_t gaps = kGaps.at[symbol[0]];
  ++counts.at[depth[0]];
  for (unsigned leaf = 1; leaf < leaves; ++leaf) {
    gaps += kGaps.at[symbol[leaf] - symbol[leaf - 1] - 1u];
    ++counts.at[depth[leaf]];
  }
  counts.at[0] += static_cast<std::uint16_t>(gaps);
  counts.at[kRepeatZeroShort] += static_cast<std::uint16_t>(gaps >> 16);
  counts.at[kRepeatZeroLong] += static_cast<std::uint16_t>(gaps >> 32);

  // Runs. `pairs` counts the neighbours that are equal so far, up to the leaf looked at.
  unsigned pairs = 0;
  const auto close = [&](unsigned last) {
    unsigned run = pairs + 1;
    pairs = 0;
    if (run < kRunStart) return;
    std::uint16_t& single = counts.at[depth[last]];
    single = static_cast<std::uint16_t>(single - run + 1);
    --run;
    while (run >= kRunContinues) {
      ++counts.at[kRepeatPrevious];
      run -= smaller_of(run, kRunMost);
    }
    single = static_cast<std::uint16_t>(single + run);
  };
  for (unsigned leaf = 0; leaf < leaves; leaf += 16) {
    // Where neighbouring leaves are neighbouring symbols, and of equal length.
    unsigned equal = equal_neighbours16(symbol + leaf, depth + leaf);
    if (leaves - 1 - leaf < 16) equal &= (1u << (leaves - 1 - leaf)) - 1;
    // Nothing to correct: no run of four within these sixteen, and none reaching in or out.
    if (pairs == 0 && (equal & (equal >> 1) & (equal >> 2)) == 0 && (equal >> 15) == 0) continue;
    for (unsigned i = 0; i < 16; ++i) {
      if (equal >> i & 1) {
        ++pairs;
      } else if (pairs) {
        close(leaf + i);
      }
    }
  }
  if (pairs) close(leaves - 1);
}

}  // namespace zipfit::ZIPFIT_ISA::deflate
