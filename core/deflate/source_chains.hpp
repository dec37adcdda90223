// The hash chains of a source x, which all pairs with x share.
//
// At the lazy levels (4 to 9) zlib enters every position into its chains, whatever the parse decides (see
// target_chains.hpp), so those of x are built once. For each pair the target's bytes are laid behind x, and only the
// positions whose bytes span the boundary are entered: two for a hash of three bytes, three for one of four. Afterwards
// they are taken out again, in reverse.
//
// Beside zlib's chains stand three things of our own:
//
//  * Chains over four bytes, and a bit for each hash of four bytes that x has, for the searches of lazy_search.hpp.
//  * For each hash that the targets have, the most recent position of x and how many there are: where a search from t
//    enters x, and whether zlib would come to the end of the chain.
//  * For each position of each target a bit: is it worth a look? Some are because of a match inside the target; those
//    whose hash x has are because of x, and are marked when x enters the first position with that hash.
#pragma once

#include "deflate/target_chains.hpp"

namespace zipfit::ZIPFIT_ISA::deflate {

/// A hash of four bytes.
constexpr unsigned kHash4Bits = 12;
constexpr unsigned kPresentBits = 15;

struct Hash4 {
  std::uint32_t product;
  explicit ZIPFIT_INLINE Hash4(const std::uint8_t* p) : product(load<std::uint32_t>(p) * 2654435761u) {}
  ZIPFIT_INLINE unsigned chain() const { return product >> (32 - kHash4Bits); }
  ZIPFIT_INLINE unsigned bit() const { return product >> (32 - kPresentBits); }
};

class SourceChains {
 public:
  explicit SourceChains(const TargetChains& targets)
      : targets_(targets),
        heads_(kHashSize),
        previous_(kLongestFastPair),
        seen_(targets.chains() + 1),
        worth_(targets.words()),
        head4_(1u << kHash4Bits),
        previous4_(kLongestFastPair),
        present4_((1u << kPresentBits) / 64),
        text_(kLongestFastPair + kReadAhead) {
    for (unsigned hash = 0; hash < kHashSize; ++hash)
      heads_[hash].chain = static_cast<std::uint16_t>(targets.chain(hash));
  }

  /// What x has of one of the targets' hashes.
  struct Seen {
    std::uint16_t last;   // the most recent position, 0 for none
    std::uint16_t count;  // of positions that can be matched
  };

  /// Forgets the last x and takes the next.
  void start(Bytes x) {
    for (unsigned at = 0; at + kMinMatch <= size_; ++at) {
      Head& head = heads_[hash3(text_.data() + at)];
      head.last = 0;
      seen_[head.chain] = {};
    }
    std::memset(head4_.data(), 0, head4_.size() * sizeof(std::uint16_t));
    std::memset(present4_.data(), 0, present4_.size() * sizeof(std::uint64_t));
    std::memcpy(text_.data(), x.data, x.size);
    size_ = static_cast<unsigned>(x.size);
    if (worth_.size()) std::memcpy(worth_.data(), targets_.inside(), worth_.size() * sizeof(std::uint64_t));
    for (unsigned at = 0; at + kMinMatch <= size_; ++at) {
      const unsigned chain = enter(at);
      if (seen_[chain].count == 1 && chain != 0) {
        for (const std::size_t* bit = targets_.begin(chain); bit != targets_.end(chain); ++bit) {
          worth_[*bit / 64] |= std::uint64_t{1} << *bit % 64;
        }
      }
    }
    for (unsigned at = 0; at + 4 <= size_; ++at) enter4(at);
  }

  /// Lays target j behind x, and enters the positions that span the boundary.
  ZIPFIT_INLINE void append(std::size_t j, Bytes t) {
    std::memcpy(text_.data() + size_, t.data, t.size);
    for (unsigned at = first_spanning(2); at < size_; ++at) {
      const unsigned chain = enter(at);
      if (seen_[chain].count == 1) look_at<true>(chain, j);
    }
    for (unsigned at = first_spanning(3); at < size_; ++at) enter4(at);
  }

  /// Takes them out again.
  ZIPFIT_INLINE void remove(std::size_t j) {
    for (unsigned at = size_; at-- > first_spanning(2);) {
      const unsigned chain = leave(at);
      if (seen_[chain].count == 0) look_at<false>(chain, j);
    }
    for (unsigned at = size_; at-- > first_spanning(3);) head4_[Hash4(text_.data() + at).chain()] = previous4_[at];
  }

  /// The bytes of x, and of the target behind it.
  const std::uint8_t* text() const { return text_.data(); }
  /// The size of x.
  unsigned size() const { return size_; }
  /// The position before, with the same hash; 0 for none.
  ZIPFIT_INLINE unsigned previous(unsigned at) const { return previous_[at]; }
  ZIPFIT_INLINE Seen seen(unsigned chain) const { return seen_[chain]; }
  /// The most recent position with this hash of four bytes, and the one before another; 0 for none.
  ZIPFIT_INLINE unsigned head4(Hash4 hash) const { return head4_[hash.chain()]; }
  ZIPFIT_INLINE unsigned previous4(unsigned at) const { return previous4_[at]; }
  /// Whether four bytes may begin at any position of x; false if they do not.
  ZIPFIT_INLINE bool present4(Hash4 hash) const { return present4_[hash.bit() / 64] >> hash.bit() % 64 & 1; }
  /// A bit for each position of target j: is it worth a look?
  const std::uint64_t* worth(std::size_t j) const { return worth_.data() + targets_.first_word(j); }

 private:
  /// Of a hash: its last position in x, and the number of the targets' chain with that hash.
  struct Head {
    std::uint16_t last;
    std::uint16_t chain;
  };

  unsigned first_spanning(unsigned bytes) const { return size_ < bytes ? 0 : size_ - bytes; }

  /// Enters a position of x into the chains; returns the number of the targets' chain that it belongs to.
  ZIPFIT_INLINE unsigned enter(unsigned at) {
    Head& head = heads_[hash3(text_.data() + at)];
    Seen& seen = seen_[head.chain];
    previous_[at] = head.last;
    head.last = static_cast<std::uint16_t>(at);
    seen.last = static_cast<std::uint16_t>(at);
    seen.count = static_cast<std::uint16_t>(seen.count + (at != 0));
    return head.chain;
  }

  ZIPFIT_INLINE unsigned leave(unsigned at) {
    Head& head = heads_[hash3(text_.data() + at)];
    Seen& seen = seen_[head.chain];
    head.last = previous_[at];
    seen.last = previous_[at];
    seen.count = static_cast<std::uint16_t>(seen.count - (at != 0));
    return head.chain;
  }

  ZIPFIT_INLINE void enter4(unsigned at) {
    const Hash4 hash(text_.data() + at);
    std::uint16_t& head = head4_[hash.chain()];
    present4_[hash.bit() / 64] |= std::uint64_t{1} << hash.bit() % 64;
    previous4_[at] = head;
    head = static_cast<std::uint16_t>(at);
  }

  /// Marks the positions of target j with a chain's hash as worth a look, or as what they are without x.
  template <bool Worth>
  void look_at(unsigned chain, std::size_t j) {
    if (chain == 0) return;
    const std::size_t from = 64 * targets_.first_word(j);
    const std::size_t to = 64 * targets_.first_word(j + 1);
    const std::size_t* low = targets_.begin(chain);
    const std::size_t* const end = targets_.end(chain);
    for (std::size_t count = static_cast<std::size_t>(end - low); count > 0;) {
      const std::size_t half = count / 2;
      const bool below = low[half] < from;
      low += below ? half + 1 : 0;
      count = below ? count - half - 1 : half;
    }
    for (; low != end && *low < to; ++low) {
      const std::uint64_t bit = std::uint64_t{1} << *low % 64;
      std::uint64_t& word = worth_[*low / 64];
      word = Worth ? word | bit : (word & ~bit) | (targets_.inside()[*low / 64] & bit);
    }
  }

  const TargetChains& targets_;
  Array<Head> heads_;
  Array<std::uint16_t> previous_;
  Array<Seen> seen_;            // by number of the targets' hashes; 0 takes those that no target has
  Array<std::uint64_t> worth_;  // the targets' positions worth a look
  Array<std::uint16_t> head4_;
  Array<std::uint16_t> previous4_;
  Array<std::uint64_t> present4_;  // a bit for each hash of four bytes; what targets added at the boundary stays
  Array<std::uint8_t> text_;       // x, and behind it the target of the current pair
  unsigned size_ = 0;
};

}  // namespace zipfit::ZIPFIT_ISA::deflate
