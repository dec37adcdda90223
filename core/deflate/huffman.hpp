// zlib's Huffman trees, to the last tie.
//
// Any optimal prefix code gives a block body of the same length, but deflate also writes the code *lengths*, run-length
// coded, and which of several equally frequent symbols gets the longer code changes that. So the lengths must be those
// that zlib's own binary heap arrives at: same heap layout, same sift order, same tie rule (lower count first, then
// shallower subtree, then whatever the layout says). A two-queue construction, or a sort, is faster and wrong: with it
// one size in eight differs. Hence this file simulates the heap, move by move, and spends its ingenuity on doing so
// cheaply:
//
//  * A heap entry is one 32-bit word, [count 17 | depth 5 | node 10]. "a is no larger than b", zlib's comparison, is
//    a <= (b | node mask): one OR and one comparison, no loads through an index.
//  * Sifting never branches on data. The number of levels depends only on the heap's size; missing children are
//    infinite; and an entry that has found its place "exchanges" with each next child, which then stays where it is.
//  * One sift is a chain of dependent loads, so it runs at the latency of the cache, not at the width of the processor.
//    Several heaps advance in lockstep (the Lanes parameter), and their chains overlap. This is where batching pairs
//    pays. lockstep.hpp has the same for vectors.
//  * The length of the block body is the sum of the counts of all inner nodes, which falls out of building the tree.
#pragma once

#include <initializer_list>

#include "deflate/histogram.hpp"
#include "select.hpp"

namespace zipfit::ZIPFIT_ISA::deflate {

constexpr unsigned kMaxCodeLength = 15;       // of literals and distances
constexpr unsigned kMaxLengthCodeLength = 7;  // of the code that codes code lengths

constexpr unsigned kNodeBits = 10;
constexpr unsigned kDepthBits = 5;
constexpr std::uint32_t kNodeMask = (1u << kNodeBits) - 1;
constexpr std::uint32_t kDepthOne = 1u << kNodeBits;
constexpr std::uint32_t kDepthMask = ((1u << kDepthBits) - 1) << kNodeBits;
constexpr unsigned kCountShift = kNodeBits + kDepthBits;
constexpr std::uint32_t kInfinite = ~0u;

constexpr unsigned kMaxLeaves = kLiteralSymbols;
static_assert(2 * kMaxLeaves - 1 <= kNodeMask, "a node number fits its field");
static_assert(kBlockSymbols + 1 < (1u << (32 - kCountShift)) - 1, "a count fits its field, below infinity");
// A tree of depth d holds at least Fibonacci(d + 2) symbols; 16,384 of them cannot reach depth 22.
static_assert(22 < (1u << kDepthBits), "a depth fits its field");

/// One Huffman tree under construction. Leaves are numbered 0..leaves-1 in symbol order, inner nodes from `leaves` up
/// in the order of their making: the one made of the two least of `size` entries is 2 * leaves - size.
struct alignas(64) Tree {
  std::uint32_t heap[2 * kMaxLeaves + 4];  // 1-based; entries past the heap's end are infinite
  // Of the inner node made when the heap had so many entries: two node numbers of 16 bits.
  std::uint32_t children[(kMaxLeaves / 16 + 1) * 16];
  std::uint8_t depth[2 * kMaxLeaves];  // of each node below the root; a leaf's is its code length
  unsigned leaves;
  std::uint32_t body_bits;  // sum over leaves of count times depth
  unsigned height;          // the largest depth
};

ZIPFIT_INLINE unsigned levels_below_root(unsigned size) { return static_cast<unsigned>(std::bit_width(size)) - 1; }

/// zlib's choice between two children: the right one unless the left is smaller. Updates the slot to the chosen
/// child's.
ZIPFIT_INLINE std::uint32_t lesser_child(std::uint32_t left, std::uint32_t right, std::uint64_t& slot) {
  slot = 2 * slot + 1;
  return select_below(left | kNodeMask, right, left, slot);
}

/// Lets the falling entry stay above the child if it is no larger: returns the upper, leaves the lower falling.
ZIPFIT_INLINE std::uint32_t exchange(std::uint32_t& falling, std::uint32_t child) {
  return exchange_below(child | kNodeMask, falling, child);
}

/// Sifts one entry down from slot `slot` in each of `Lanes` heaps, `levels` times.
template <unsigned Lanes>
ZIPFIT_INLINE void sift(Tree* trees, const std::uint32_t (&entry)[Lanes], unsigned slot, unsigned levels) {
  std::uint64_t at[Lanes];
  std::uint32_t falling[Lanes];
#pragma GCC unroll 8
  for (unsigned lane = 0; lane < Lanes; ++lane) {
    at[lane] = slot;
    falling[lane] = entry[lane];
  }
  for (; levels; --levels) {
#pragma GCC unroll 8
    for (unsigned lane = 0; lane < Lanes; ++lane) {
      std::uint32_t* const heap = trees[lane].heap;
      const std::uint64_t here = at[lane];
      const std::uint32_t child = lesser_child(heap[2 * here], heap[2 * here + 1], at[lane]);
      heap[here] = exchange(falling[lane], child);
    }
  }
#pragma GCC unroll 8
  for (unsigned lane = 0; lane < Lanes; ++lane) trees[lane].heap[at[lane]] = falling[lane];
}

/// Orders the leaves of `Lanes` trees into heaps, as zlib does before it starts merging. `leaves` is the most that any
/// of them has; those that have fewer see infinite entries to the same effect.
template <unsigned Lanes>
ZIPFIT_INLINE void heapify(Tree* trees, unsigned leaves) {
  for (unsigned lane = 0; lane < Lanes; ++lane) {
    for (unsigned slot = trees[lane].leaves + 1; slot <= 2 * leaves + 1; ++slot) trees[lane].heap[slot] = kInfinite;
    trees[lane].body_bits = 0;
  }
  unsigned levels = 1;
  for (unsigned slot = leaves / 2; slot >= 1; --slot) {
    while (slot << (levels + 1) <= leaves) ++levels;
    std::uint32_t entry[Lanes];
    for (unsigned lane = 0; lane < Lanes; ++lane) entry[lane] = trees[lane].heap[slot];
    sift<Lanes>(trees, entry, slot, levels);
  }
}

/// Takes `Lanes` heaps of `size` entries each down to `until` entries, merging the two least into one at each step.
template <unsigned Lanes>
ZIPFIT_INLINE void merge(Tree* trees, unsigned size, unsigned until) {
  std::uint32_t entry[Lanes];
  std::uint32_t first[Lanes];
  std::uint32_t body[Lanes];
  for (unsigned lane = 0; lane < Lanes; ++lane) body[lane] = trees[lane].body_bits;
  while (size > until) {
    --size;
    for (unsigned lane = 0; lane < Lanes; ++lane) {
      std::uint32_t* const heap = trees[lane].heap;
      first[lane] = heap[1];
      entry[lane] = heap[size + 1];
      heap[size + 1] = kInfinite;
    }
    const unsigned levels = levels_below_root(size);
    sift<Lanes>(trees, entry, 1, levels);
    for (unsigned lane = 0; lane < Lanes; ++lane) {
      const std::uint32_t second = trees[lane].heap[1];
      const std::uint32_t count = (first[lane] >> kCountShift) + (second >> kCountShift);
      const std::uint32_t depth = larger_of(first[lane] & kDepthMask, second & kDepthMask) + kDepthOne;
      body[lane] += count;
      trees[lane].children[size + 1] = (first[lane] & kNodeMask) | (second & kNodeMask) << 16;
      entry[lane] = (count << kCountShift) | depth | (2 * trees[lane].leaves - (size + 1));
    }
    sift<Lanes>(trees, entry, 1, levels);
  }
  for (unsigned lane = 0; lane < Lanes; ++lane) {
    trees[lane].body_bits = body[lane];
    trees[lane].height = (trees[lane].heap[1] & kDepthMask) >> kNodeBits;
  }
}

/// zlib's build_tree up to the shape of the tree, in `Lanes` trees; best when they have about equally many leaves.
template <unsigned Lanes>
inline void build(Tree* trees) {
  unsigned fewest = trees[0].leaves;
  unsigned most = trees[0].leaves;
  for (unsigned lane = 1; lane < Lanes; ++lane) {
    fewest = smaller_of(fewest, trees[lane].leaves);
    most = larger_of(most, trees[lane].leaves);
  }
  heapify<Lanes>(trees, most);
  if (Lanes > 1) {
    for (unsigned lane = 0; lane < Lanes; ++lane) merge<1>(&trees[lane], trees[lane].leaves, fewest);
  }
  merge<Lanes>(trees, fewest, 1);
}

/// Every node's depth, from the root down: for leaves, the code lengths before any limit.
ZIPFIT_INLINE void assign_depths(Tree& tree) {
  const unsigned leaves = tree.leaves;
  tree.depth[2 * leaves - 2] = 0;  // the root
  for (unsigned size = 2; size <= leaves; ++size) {
    const auto below = static_cast<std::uint8_t>(tree.depth[2 * leaves - size] + 1);
    tree.depth[tree.children[size] & 0xFFFF] = below;
    tree.depth[tree.children[size] >> 16] = below;
  }
}

/// zlib's repair of a tree deeper than `limit`: depths are cut at the limit, then codes are moved about until they form
/// a prefix code again, the rarest leaves getting the longest. `counts` are the leaves' counts. Call after
/// assign_depths.
inline void limit_depths(Tree& tree, const std::uint16_t* counts, unsigned limit) {
  const unsigned leaves = tree.leaves;
  if (leaves < 2) __builtin_unreachable();  // force_two_codes has those
  unsigned with_length[kMaxCodeLength + 1] = {};
  // Depths from the root down again, for zlib cuts a node's depth before its children take theirs from it. Nodes come
  // out of the heap rarest first, so `order`, kept from the last removed to the first, is zlib's own heap of the
  // sorted.
  int overflow = 0;
  std::uint16_t order[2 * kMaxLeaves];
  unsigned sorted = 0;
  tree.depth[2 * leaves - 2] = 0;  // the root
  for (unsigned size = 2; size <= leaves; ++size) {
    const std::uint32_t pair = tree.children[size];
    // zlib visits the later removed of the two first.
    for (const unsigned child : {pair >> 16, pair & 0xFFFF}) {
      unsigned depth = tree.depth[2 * leaves - size] + 1u;
      if (depth > limit) {
        depth = limit;
        ++overflow;
      }
      tree.depth[child] = static_cast<std::uint8_t>(depth);
      if (child < leaves) ++with_length[depth];
      order[sorted++] = static_cast<std::uint16_t>(child);
    }
  }
  while (overflow > 0) {
    unsigned depth = limit - 1;
    while (with_length[depth] == 0) --depth;
    --with_length[depth];
    with_length[depth + 1] += 2;  // one leaf goes down a level, and an overflowing one becomes its brother
    --with_length[limit];
    overflow -= 2;
  }
  for (unsigned depth = limit; depth != 0; --depth) {
    for (unsigned n = with_length[depth]; n != 0;) {
      const unsigned node = order[--sorted];
      if (node >= leaves) continue;
      tree.depth[node] = static_cast<std::uint8_t>(depth);
      --n;
    }
  }
  tree.body_bits = 0;
  for (unsigned leaf = 0; leaf < leaves; ++leaf) tree.body_bits += std::uint32_t(counts[leaf]) * tree.depth[leaf];
}

}  // namespace zipfit::ZIPFIT_ISA::deflate
