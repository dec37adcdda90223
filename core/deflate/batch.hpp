// Blocks by the batch: the same steps as dynamic_bits() in block.hpp, several blocks at a time.
//
// Building a Huffman tree is a long chain of dependent loads; several chains in lockstep take hardly longer than one
// (see huffman.hpp, and lockstep.hpp for what vectors make of it). Lockstep needs heaps of about the same size, so each
// step first sorts the batch's blocks by the number of symbols in use. The three trees of a block are thus built at
// different times, next to different neighbours.
#pragma once

#include "deflate/block.hpp"
#include "deflate/lockstep.hpp"

namespace zipfit::ZIPFIT_ISA::deflate {

// Blocks sized together. Enough that sorting them by heap size finds good neighbours for all but a few; few enough that
// their histograms stay in the second-level cache. (Twice as many are no faster.)
constexpr unsigned kBatch = 96;

// Heaps in lockstep without vectors. One alone waits for its loads; beyond four, an x86-64 runs out of registers (two
// to six have been measured: four is best by a little).
constexpr unsigned kLanes = 4;

class Batch {
 public:
  Batch() : blocks_(kBatch) {}

  /// The histogram (less the end of block) of the next stream of one block, to be filled in before add().
  Histogram& next() { return blocks_[size_].histogram; }

  /// Takes the stream of that histogram, which holds `size` bytes. Its gzip size is written to `*to` when the batch is
  /// full, or by flush().
  void add(std::size_t size, std::int64_t* to) {
    Block& block = blocks_[size_++];
    block.histogram.literals[kEndOfBlock] = 1;
    block.stored = size;
    block.to = to;
    if (size_ == kBatch) flush();
  }

  void flush() {
    size_up();
    for (unsigned i = 0; i < size_; ++i) {
      const Block& block = blocks_[i];
      const std::uint64_t bits = after_block(0, block.bits, fixed_body_bits(block.histogram), block.stored);
      *block.to = static_cast<std::int64_t>((bits + 7) / 8 + kGzipWrapper);
    }
    size_ = 0;
  }

 private:
  void size_up() {
    for (unsigned i = 0; i < size_; ++i) {
      Block& block = blocks_[i];
      block.bits = block.histogram.extra_bits;
      block.lengths = {};
      block.used = static_cast<std::uint16_t>(used_symbols<kLiteralSlots>(block.histogram.literals));
    }
    in_lockstep(
        [](Block& block, Tree& tree, Leaves& leaves) { plant<kLiteralSlots>(block.histogram.literals, tree, leaves); },
        [](Block& block, Tree& tree, Leaves& leaves) {
          block.bits += alphabet_bits(block.histogram.literals, tree, leaves, block.lengths);
          block.used = static_cast<std::uint16_t>(used_symbols<kDistanceSlots>(block.histogram.distances));
        });
    in_lockstep([](Block& block, Tree& tree,
                   Leaves& leaves) { plant<kDistanceSlots>(block.histogram.distances, tree, leaves); },
                [](Block& block, Tree& tree, Leaves& leaves) {
                  block.bits += alphabet_bits(block.histogram.distances, tree, leaves, block.lengths);
                  block.used = static_cast<std::uint16_t>(used_length_symbols(block.lengths));
                });
    in_lockstep([](Block& block, Tree& tree, Leaves&) { plant_lengths(block.lengths, tree); },
                [](Block& block, Tree& tree, Leaves&) { block.bits += length_header_bits(block.lengths, tree); });
  }

  struct Block {
    Histogram histogram;
    LengthCounts lengths;
    std::size_t stored;
    std::int64_t* to;
    std::uint32_t bits;  // as a dynamic block, past the first three
    std::uint16_t used;  // symbols of the alphabet whose tree is next
  };

  /// For each block: plant its tree, build it (unless it has fewer than two leaves), finish it.
  template <class Plant, class Finish>
  ZIPFIT_INLINE void in_lockstep(Plant plant, Finish finish) {
    sort();
    unsigned i = 0;
    for (; i < size_ && blocks_[order_[i]].used < 2; ++i) {
      Block& block = blocks_[order_[i]];
      plant(block, trees_[0], leaves_[0]);
      finish(block, trees_[0], leaves_[0]);
    }
#if defined(__AVX2__)
    constexpr unsigned kWide = Lockstep::kLanes;
    for (; i + kWide <= size_ && blocks_[order_[i + kWide - 1]].used <= Lockstep::kMostLeaves; i += kWide) {
      take<kWide>(i, plant, [&] { lockstep_.build(trees_); }, finish);
    }
#endif
    for (; i + kLanes <= size_; i += kLanes) take<kLanes>(i, plant, [&] { build<kLanes>(trees_); }, finish);
    for (; i < size_; ++i) take<1>(i, plant, [&] { build<1>(trees_); }, finish);
  }

  /// `Count` blocks from the i-th in order on.
  template <unsigned Count, class Plant, class Build, class Finish>
  ZIPFIT_INLINE void take(unsigned i, Plant plant, Build build_trees, Finish finish) {
    for (unsigned lane = 0; lane < Count; ++lane) plant(blocks_[order_[i + lane]], trees_[lane], leaves_[lane]);
    build_trees();
    for (unsigned lane = 0; lane < Count; ++lane) finish(blocks_[order_[i + lane]], trees_[lane], leaves_[lane]);
  }

  /// Orders the blocks by the size of the heap to come (a counting sort).
  void sort() {
    std::uint16_t start[kLiteralSymbols + 2] = {};
    for (unsigned i = 0; i < size_; ++i) ++start[blocks_[i].used + 1u];
    for (unsigned used = 1; used <= kLiteralSymbols; ++used)
      start[used] = static_cast<std::uint16_t>(start[used] + start[used - 1]);
    for (unsigned i = 0; i < size_; ++i) order_[start[blocks_[i].used]++] = static_cast<std::uint16_t>(i);
  }

  Array<Block> blocks_;
#if defined(__AVX2__)
  static constexpr unsigned kMostTogether = Lockstep::kLanes;
  Lockstep lockstep_;
#else
  static constexpr unsigned kMostTogether = kLanes;
#endif
  Tree trees_[kMostTogether];
  Leaves leaves_[kMostTogether];
  std::uint16_t order_[kBatch];
  unsigned size_ = 0;
};

}  // namespace zipfit::ZIPFIT_ISA::deflate
