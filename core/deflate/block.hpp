// From a histogram to the bits of a block, and zlib's choice between its three kinds of block.
//
// The steps are apart, so that a batch of pairs can take each step together (see huffman.hpp for why): take the used
// symbols as leaves, build the tree, count the code lengths it takes, build the tree of those, add up, choose.
#pragma once

#include "deflate/code_lengths.hpp"

namespace zipfit::ZIPFIT_ISA::deflate {

constexpr unsigned kBlockHeader = 3;            // last-block flag and kind
constexpr unsigned kDynamicHeader = 5 + 5 + 4;  // how many codes of each alphabet follow
constexpr unsigned kLengthCodeBits = 3;         // for each length of the length code
constexpr unsigned kStoredHeader = 4;           // bytes: length and its complement
constexpr unsigned kFewestLengthCodes = 4;

// The order in which a dynamic header gives the lengths of the length code, likeliest first; trailing zeros are cut.
constexpr std::uint8_t kLengthOrder[kLengthSymbols] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                       11, 4,  12, 3, 13, 2, 14, 1, 15};

struct LengthRanks {
  std::uint8_t at[kLengthSymbols] = {};
  constexpr LengthRanks() {
    for (std::uint8_t rank = 0; rank < kLengthSymbols; ++rank) at[kLengthOrder[rank]] = rank;
  }
};
inline constexpr LengthRanks kLengthRanks;

/// How many of the first `Slots` counts are nonzero.
template <unsigned Slots>
ZIPFIT_INLINE unsigned used_symbols(const std::uint16_t* counts) {
  unsigned used = 0;
  for (unsigned word = 0; word < Slots / 64; ++word) {
    used += static_cast<unsigned>(std::popcount(nonzero64(counts + 64 * word)));
  }
  return used;
}

/// Makes the used symbols the leaves of `tree`, in ascending order.
template <unsigned Slots>
ZIPFIT_INLINE void plant(const std::uint16_t* counts, Tree& tree, Leaves& leaves) {
  unsigned leaf = 0;
  for (unsigned word = 0; word < Slots / 64; ++word) {
    for (std::uint64_t used = nonzero64(counts + 64 * word); used; used &= used - 1) {
      const unsigned symbol = 64 * word + static_cast<unsigned>(std::countr_zero(used));
      leaves.symbol[leaf] = static_cast<std::uint16_t>(symbol);
      tree.heap[leaf + 1] = (std::uint32_t(counts[symbol]) << kCountShift) | leaf;
      ++leaf;
    }
  }
  tree.leaves = leaf;
}

/// The code of an alphabet with fewer than two used symbols, which zlib fills up with a symbol (or two) that never
/// occurs: two codes of one bit. Returns the bits of the body; `counts` receives the code lengths.
inline std::uint32_t force_two_codes(const std::uint16_t* symbol_counts, unsigned used, unsigned symbol,
                                     LengthCounts& counts) {
  // zlib takes the next symbol after the largest used one while that is below 2, and symbol 0 otherwise. (Padded: the
  // counting below reads whole vectors.)
  std::uint16_t symbols[32] = {0, 1};
  const std::uint8_t depth[32] = {1, 1};
  if (used == 1 && symbol == 1) {
    symbols[0] = 1;
    symbols[1] = 2;
  } else if (used == 1 && symbol > 1) {
    symbols[1] = static_cast<std::uint16_t>(symbol);
  }
  count_code_lengths(symbols, depth, 2, counts);
  return used == 1 ? symbol_counts[symbol] : 0;
}

/// After build(), or for a tree too small to be built: the bits of the alphabet's symbols in the body; `counts`
/// receives the code lengths.
ZIPFIT_INLINE std::uint32_t alphabet_bits(const std::uint16_t* symbol_counts, Tree& tree, const Leaves& leaves,
                                          LengthCounts& counts) {
  if (tree.leaves < 2) [[unlikely]] {
    return force_two_codes(symbol_counts, tree.leaves, leaves.symbol[0], counts);
  }
  if (tree.height > kMaxCodeLength) [[unlikely]] {
    std::uint16_t leaf_counts[kMaxLeaves];
    for (unsigned leaf = 0; leaf < tree.leaves; ++leaf) leaf_counts[leaf] = symbol_counts[leaves.symbol[leaf]];
    limit_depths(tree, leaf_counts, kMaxCodeLength);
  } else {
    assign_depths(tree);
  }
  count_code_lengths(leaves.symbol, tree.depth, tree.leaves, counts);
  return tree.body_bits;
}

/// How many of the length symbols are used.
ZIPFIT_INLINE unsigned used_length_symbols(const LengthCounts& counts) {
  unsigned used = 0;
  for (unsigned symbol = 0; symbol < kLengthSymbols; ++symbol) used += counts.at[symbol] != 0;
  return used;
}

/// Makes the used length symbols the leaves of `tree`.
ZIPFIT_INLINE void plant_lengths(const LengthCounts& counts, Tree& tree) {
  unsigned leaf = 0;
  for (unsigned symbol = 0; symbol < kLengthSymbols; ++symbol) {
    tree.heap[leaf + 1] = (std::uint32_t(counts.at[symbol]) << kCountShift) | leaf;
    leaf += counts.at[symbol] != 0;
  }
  tree.leaves = leaf;
}

/// After build(): the bits of a dynamic block's header past the first three.
inline std::uint32_t length_header_bits(const LengthCounts& counts, Tree& tree) {
  if (tree.height > kMaxLengthCodeLength) [[unlikely]] {
    std::uint16_t leaf_counts[kLengthSymbols];
    unsigned leaf = 0;
    for (unsigned symbol = 0; symbol < kLengthSymbols; ++symbol) {
      if (counts.at[symbol]) leaf_counts[leaf++] = counts.at[symbol];
    }
    limit_depths(tree, leaf_counts, kMaxLengthCodeLength);
  }
  unsigned codes = kLengthSymbols;
  while (codes > kFewestLengthCodes && counts.at[kLengthOrder[codes - 1]] == 0) --codes;
  return tree.body_bits + 2u * counts.at[kRepeatPrevious] + 3u * counts.at[kRepeatZeroShort] +
         7u * counts.at[kRepeatZeroLong] + kLengthCodeBits * codes + kDynamicHeader;
}

/// The bits of the body under the fixed codes (RFC 1951, 3.2.6).
inline std::uint32_t fixed_body_bits(const Histogram& histogram) {
  std::uint32_t bits = histogram.extra_bits;
  for (unsigned symbol = 0; symbol < 144; ++symbol) bits += 8u * histogram.literals[symbol];
  for (unsigned symbol = 144; symbol < 256; ++symbol) bits += 9u * histogram.literals[symbol];
  for (unsigned symbol = 256; symbol < 280; ++symbol) bits += 7u * histogram.literals[symbol];
  for (unsigned symbol = 280; symbol < 288; ++symbol) bits += 8u * histogram.literals[symbol];
  for (unsigned symbol = 0; symbol < 32; ++symbol) bits += 5u * histogram.distances[symbol];
  return bits;
}

/// Where the stream stands after a block of `stored` bytes (or none that could be stored: kNotStorable), when it stood
/// at bit `position` before. `dynamic` and `fixed` are the bits past the block's first three. zlib compares whole
/// bytes.
constexpr std::uint64_t kNotStorable = ~std::uint64_t{0};

ZIPFIT_INLINE std::uint64_t after_block(std::uint64_t position, std::uint32_t dynamic, std::uint32_t fixed,
                                        std::uint64_t stored) {
  const std::uint32_t dynamic_bytes = (dynamic + kBlockHeader + 7) / 8;
  const std::uint32_t fixed_bytes = (fixed + kBlockHeader + 7) / 8;
  const bool take_fixed = fixed_bytes <= dynamic_bytes;
  if (stored != kNotStorable && stored + kStoredHeader <= (take_fixed ? fixed_bytes : dynamic_bytes)) {
    return (position + kBlockHeader + 7) / 8 * 8 + 8 * (kStoredHeader + stored);
  }
  return position + kBlockHeader + (take_fixed ? fixed : dynamic);
}

/// What one block needs for itself: trees, and the symbols of their leaves.
struct BlockScratch {
  Tree tree;
  Leaves leaves;
};

/// Takes all the steps for one block. `histogram` must count the end of block.
inline std::uint32_t dynamic_bits(const Histogram& histogram, BlockScratch& scratch) {
  LengthCounts lengths = {};
  std::uint32_t bits = histogram.extra_bits;
  Tree& tree = scratch.tree;
  plant<kLiteralSlots>(histogram.literals, tree, scratch.leaves);
  if (tree.leaves >= 2) build<1>(&tree);
  bits += alphabet_bits(histogram.literals, tree, scratch.leaves, lengths);
  plant<kDistanceSlots>(histogram.distances, tree, scratch.leaves);
  if (tree.leaves >= 2) build<1>(&tree);
  bits += alphabet_bits(histogram.distances, tree, scratch.leaves, lengths);
  plant_lengths(lengths, tree);
  build<1>(&tree);
  return bits + length_header_bits(lengths, tree);
}

}  // namespace zipfit::ZIPFIT_ISA::deflate
