// The edges of a trie, all in one open-addressing hash table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace zipfit::text {

// (parent, symbol) -> node, by open addressing. Node 0 is the root, which is nobody's child: it marks an empty slot.
class Edges {
 public:
  // An edge to look for, and where to begin.
  struct Claim {
    std::uint64_t key;
    std::size_t slot;
  };

  std::uint32_t find(std::uint32_t parent, std::uint32_t symbol) const { return find(claim_of(parent, symbol)); }

  // The same in two steps: `prefetch` asks for the memory that `find` will look at, while there is other work to do.
  Claim prefetch(std::uint32_t parent, std::uint32_t symbol) const {
    const Claim claim = claim_of(parent, symbol);
#if defined(__GNUC__) || defined(__clang__)
    __builtin_prefetch(&slots_[claim.slot]);
#endif
    return claim;
  }

  std::uint32_t find(const Claim& claim) const {
    for (std::size_t slot = claim.slot;; slot = (slot + 1) & mask_) {
      const Slot& s = slots_[slot];
      if (s.key == claim.key || s.node == 0) return s.node;
    }
  }

  void insert(std::uint32_t parent, std::uint32_t symbol, std::uint32_t node) {
    if (kSlotsPerEdge * (size_ + 1) > slots_.size()) grow();
    place({std::uint64_t{parent} << 32 | symbol, node});
    ++size_;
  }

 private:
  struct Slot {
    std::uint64_t key = 0;
    std::uint32_t node = 0;
  };

  // At least so many slots for each edge. With four, most look-ups end at the first slot; with two, extracting features
  // takes a third longer; eight gain another 5% for twice the memory.
  static constexpr std::size_t kSlotsPerEdge = 4;

  Claim claim_of(std::uint32_t parent, std::uint32_t symbol) const {
    const std::uint64_t key = std::uint64_t{parent} << 32 | symbol;
    return {key, slot_of(key)};
  }

  // Fibonacci hashing: the product's high bits depend on all of the key's.
  std::size_t slot_of(std::uint64_t key) const {
    key ^= key >> 32;
    return static_cast<std::size_t>((key * 0x9E3779B97F4A7C15ull) >> shift_);
  }

  void place(Slot filled) {
    std::size_t slot = slot_of(filled.key);
    while (slots_[slot].node != 0) slot = (slot + 1) & mask_;
    slots_[slot] = filled;
  }

  void grow() {
    std::vector<Slot> old = std::move(slots_);
    --shift_;
    slots_.assign(old.size() * 2, Slot{});
    mask_ = slots_.size() - 1;
    for (const Slot& s : old) {
      if (s.node != 0) place(s);
    }
  }

  int shift_ = 54;  // 64 - log2(slots)
  std::vector<Slot> slots_ = std::vector<Slot>(1024);
  std::size_t mask_ = 1023;
  std::size_t size_ = 0;
};

}  // namespace zipfit::text
