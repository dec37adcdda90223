// zlib's Huffman trees, many at once: a heap in each lane of a vector.
//
// The heaps of huffman.hpp, entry for entry, but laid out slot by slot: a row is the same slot of all heaps. A sift
// takes each heap along a path of its own. Loading from as many places costs processors dearly, so nothing is looked
// up: on each level all slots that could be meant are read, and each lane picks its own by the turns that its path has
// taken so far. Likewise all of them are written back, changed where the path goes. That is work in proportion to the
// heap's size, not to its depth, and still several times less than heap by heap, for a heap of dozens is six levels
// deep, and most sifts happen when it has shrunk.
//
// Heaps that start smaller than others wait until those have shrunk to their size.
#pragma once

#include "deflate/huffman.hpp"
#if defined(__AVX2__)
#include "x86/lanes.hpp"
#endif

namespace zipfit::ZIPFIT_ISA::deflate {

#if defined(__AVX2__)

/// Builds x86::Lanes::kCount trees of 2 to kMostLeaves leaves together.
class Lockstep {
  using Lanes = x86::Lanes;
  using Vector = Lanes::Vector;
  using Mask = Lanes::Mask;

 public:
  static constexpr unsigned kLanes = Lanes::kCount;
  static constexpr unsigned kDeepest = 6;  // levels below the root
  static constexpr unsigned kMostLeaves = (2u << kDeepest) - 1;

  /// zlib's build_tree up to the shape of the tree, as build() in huffman.hpp.
  void build(Tree* trees) {
    unsigned most = 0;
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      leaves_[lane] = trees[lane].leaves;
      most = larger_of(most, trees[lane].leaves);
    }
    plant(trees, most);
    heapify<1>(most, most / 2);
    Vector body = Lanes::same(0);
    merge<kDeepest, 4>(most, body);
    Lanes::store(body_, body);
    for (unsigned size = 0; size <= most; size += kLanes) {
      Lanes::transpose(children_[size], kLanes, trees[0].children + size, kStride);
    }
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      trees[lane].body_bits = body_[lane];
      trees[lane].height = (rows_[1][lane] & kDepthMask) >> kNodeBits;
    }
  }

 private:
  static constexpr std::size_t kStride = sizeof(Tree) / sizeof(std::uint32_t);
  static constexpr std::uint32_t kEmpty = 0x7FFFFFFF;  // an infinite entry, as signed numbers go
  static constexpr unsigned kRows = kMostLeaves + 1;

  void plant(const Tree* trees, unsigned most) {
    for (unsigned slot = 0; slot <= most; slot += kLanes) {
      Lanes::transpose(trees[0].heap + slot, kStride, rows_[slot], kLanes);
    }
    const Vector leaves = Lanes::load(leaves_);
    const Vector empty = Lanes::same(kEmpty);
    for (unsigned slot = 1; slot <= most; ++slot) {
      set(slot, Lanes::select(Lanes::below(leaves, Lanes::same(slot)), empty, at(slot)));
    }
    const unsigned past = smaller_of(2 * std::bit_ceil(most + 1), kRows);
    for (unsigned slot = most + 1; slot < past; ++slot) set(slot, empty);
  }

  /// Sifts from `slot` up to the root, those first that have `Levels` levels below them.
  template <unsigned Levels>
  ZIPFIT_INLINE void heapify(unsigned most, unsigned slot) {
    for (; slot >= 1 && slot << (Levels + 1) > most; --slot) sift<Levels, 4>(slot, at(slot));
    if constexpr (Levels < kDeepest) {
      if (slot) heapify<Levels + 1>(most, slot);
    }
  }

  /// Merges while what is left after a pop reaches into the given quarter of the given level; then goes on with less.
  template <unsigned Levels, unsigned Quarter>
  ZIPFIT_INLINE void merge(unsigned size, Vector& body) {
    constexpr unsigned kLeast = (1u << Levels) + (Levels > 3 ? (1u << Levels) / 4 * (Quarter - 1) : 0);
    while (size > kLeast) {
      merge_two<Levels, Quarter>(size, body);
      --size;
    }
    if constexpr (Levels > 3 && Quarter > 1) {
      merge<Levels, Quarter - 1>(size, body);
    } else if constexpr (Levels > 0) {
      merge<Levels - 1, 4>(size, body);
    }
  }

  template <unsigned Levels, unsigned Quarter>
  ZIPFIT_INLINE void merge_two(unsigned size, Vector& body) {
    const Vector node_mask = Lanes::same(kNodeMask);
    const Vector depth_mask = Lanes::same(kDepthMask);
    const Vector leaves = Lanes::load(leaves_);
    const Mask waits = Lanes::below(leaves, Lanes::same(size));  // to sift the least changes nothing
    const Vector first = at(1);
    Vector entry = Lanes::select(waits, first, at(size));
    set(size, Lanes::same(kEmpty));
    sift<Levels, Quarter>(1, entry);
    const Vector second = at(1);
    const Vector count =
        Lanes::sum(Lanes::template down<kCountShift>(first), Lanes::template down<kCountShift>(second));
    const Vector depth = Lanes::sum(Lanes::larger(Lanes::both(first, depth_mask), Lanes::both(second, depth_mask)),
                                    Lanes::same(kDepthOne));
    const Vector node = Lanes::difference(Lanes::sum(leaves, leaves), Lanes::same(size));
    const Vector made = Lanes::either(Lanes::template up<kCountShift>(count), Lanes::either(depth, node));
    body = Lanes::sum(body, Lanes::select(waits, Lanes::same(0), count));
    Lanes::store(children_[size],
                 Lanes::either(Lanes::both(first, node_mask), Lanes::template up<16>(Lanes::both(second, node_mask))));
    entry = Lanes::select(waits, second, made);
    sift<Levels, Quarter>(1, entry);
  }

  ZIPFIT_INLINE Vector at(std::size_t slot) const { return Lanes::load(rows_[slot]); }
  ZIPFIT_INLINE void set(std::size_t slot, Vector v) { Lanes::store(rows_[slot], v); }

  /// Of the slots on a level, from `first` on, the one that each lane's path leads to: `Turn` turns are left to be
  /// looked at, the last ones fixed as `Suffix` of `Bits` bits; slots from `Count` on are empty.
  template <unsigned Turn, unsigned Suffix, unsigned Bits, unsigned Count>
  ZIPFIT_INLINE Vector pick(std::size_t first, const Mask* left) const {
    if constexpr (Turn == 0) {
      return at(first + Suffix);
    } else {
      constexpr unsigned kRight = Suffix | 1u << Bits;
      const Vector on_left = pick<Turn - 1, Suffix, Bits + 1, Count>(first, left);
      if constexpr (kRight >= Count) {
        return Lanes::select(left[Turn - 1], on_left, Lanes::same(kEmpty));
      } else {
        return Lanes::select(left[Turn - 1], on_left, pick<Turn - 1, kRight, Bits + 1, Count>(first, left));
      }
    }
  }

  /// Writes `value` to the slots where paths lead, of the first `Count` from `first` on.
  template <unsigned Count>
  ZIPFIT_INLINE void put(std::size_t first, const Mask* here, Vector value) {
    if constexpr (Count == 1) {
      set(first, value);
    } else {
#pragma GCC unroll 64
      for (unsigned i = 0; i < Count; ++i) set(first + i, Lanes::select(here[i], value, at(first + i)));
    }
  }

  /// Level `Level` of a sift, and those below. left[l] tells the lanes that turned left on level l + 1, here[i] those
  /// whose path leads through the i-th slot of the level above.
  template <unsigned Level, unsigned Levels, unsigned Quarter>
  ZIPFIT_INLINE void descend(std::size_t slot, Vector falling, Mask* left, const Mask* here) {
    constexpr unsigned kAbove = 1u << (Level - 1);
    if constexpr (Level > Levels) {
      constexpr unsigned kCount = Levels > 3 ? kAbove / 4 * Quarter : kAbove;
      put<kCount>(slot << Levels, here, falling);
    } else {
      constexpr unsigned kCount = Level == Levels && Levels > 3 ? kAbove / 2 * Quarter : 2 * kAbove;
      const Vector node_mask = Lanes::same(kNodeMask);
      const std::size_t first = slot << Level;
      const Vector one = pick<Level - 1, 0, 1, kCount>(first, left);
      const Vector other = pick<Level - 1, 1, 1, kCount>(first, left);
      left[Level - 1] = Lanes::below(Lanes::either(one, node_mask), other);
      const Vector child = Lanes::select(left[Level - 1], one, other);
      const Mask rises = Lanes::below(Lanes::either(child, node_mask), falling);
      put<kAbove>(slot << (Level - 1), here, Lanes::select(rises, child, falling));
      falling = Lanes::select(rises, falling, child);
      Mask below[2 * kAbove];
#pragma GCC unroll 64
      for (unsigned i = 0; i < kAbove; ++i) {
        below[2 * i] = Lanes::both(here[i], left[Level - 1]);
        below[2 * i + 1] = Lanes::first_alone(here[i], left[Level - 1]);
      }
      descend<Level + 1, Levels, Quarter>(slot, falling, left, below);
    }
  }

  /// Not inlined: it is long, once unrolled.
  template <unsigned Levels, unsigned Quarter>
  [[gnu::noinline]] void sift(std::size_t slot, Vector falling) {
    Mask left[kDeepest + 1];
    const Mask here[1] = {Lanes::all()};
    descend<1, Levels, Quarter>(slot, falling, left, here);
  }

  alignas(64) std::uint32_t rows_[kRows][kLanes];
  alignas(64) std::uint32_t children_[kRows][kLanes];
  alignas(64) std::uint32_t leaves_[kLanes];
  alignas(64) std::uint32_t body_[kLanes];
};

#endif

}  // namespace zipfit::ZIPFIT_ISA::deflate
