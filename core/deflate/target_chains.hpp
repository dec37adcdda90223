// What every pair with the same target shares: the hash chains inside the target, and what a search finds there.
//
// zlib's lazy levels (4 to 9) enter every position into the hash chains, in order, whatever the parse decides. So from
// any position of t, the chain leads first through the earlier positions of t with the same hash, then through the two
// positions whose three bytes span the boundary, then into x. The first part is the same for every x. It is searched
// once, here: the longest match, the most recent among equals, or the first of at least nice_length.
//
// A search also starts with a length to beat, and stops after so many candidates. The length to beat changes nothing,
// as a match no longer than it is not taken whether found or not. The number of candidates does; it is kept, so that a
// pair can tell whether zlib would have come to the end of this part of the chain.
//
// Most positions of most pairs have nothing to match: no candidate in the target, and a hash that x does not have. A
// bit for each position says whether it is worth a look: the bits for candidates inside the target are set here, and an
// index from each hash to its positions in all targets lets the pairs of an x add those that x can match.
#pragma once

#include "deflate/fast_pair.hpp"
#include "targets.hpp"

namespace zipfit::ZIPFIT_ISA::deflate {

/// A match found: 0 for none.
struct Match {
  std::uint16_t length;
  std::uint16_t distance;
};

struct TargetPosition {
  Match best;                // inside the target
  std::uint16_t candidates;  // inside the target, earlier and with the same hash
  std::uint16_t chain;       // which of all targets' distinct hashes this is, from 1 up
};

/// Every position of every fast target, in the order of the targets' bytes.
class TargetChains {
 public:
  TargetChains() = default;
  TargetChains(const Targets& targets, const Level& level)
      : positions_(targets.total()), previous_(targets.total()), number_(kHashSize), first_word_(targets.count() + 1) {
    for (std::size_t j = 0; j < targets.count(); ++j) {
      first_word_[j + 1] = first_word_[j] + (fast_target(targets[j].size) ? targets[j].size / 64 + 1 : 0);
    }
    inside_ = Array<std::uint64_t>(first_word_[targets.count()]);
    Array<std::uint16_t> last(kHashSize);  // the last position with this hash, plus one
    for (std::size_t j = 0; j < targets.count(); ++j) {
      if (!fast_target(targets[j].size)) continue;
      const std::uint8_t* const text = targets[j].data;
      const auto size = static_cast<unsigned>(targets[j].size);
      TargetPosition* const position = &positions_[targets.start(j)];
      std::uint16_t* const previous = &previous_[targets.start(j)];
      for (unsigned at = 0; at + kMinMatch <= size; ++at) {
        const unsigned hash = hash3(text + at);
        std::uint16_t& number = number_[hash];
        if (number == 0) number = static_cast<std::uint16_t>(++chains_);
        position[at].chain = number;
        std::uint16_t& head = last[hash];
        if (head) {
          const unsigned before = head - 1u;
          previous[at] = static_cast<std::uint16_t>(at - before);
          position[at].candidates = static_cast<std::uint16_t>(position[before].candidates + 1);
          position[at].best = search(text, size, previous, at, level);
          if (position[at].best.length) inside_[first_word_[j] + at / 64] |= std::uint64_t{1} << at % 64;
        }
        head = static_cast<std::uint16_t>(at + 1);
      }
      for (unsigned at = 0; at + kMinMatch <= size; ++at) last[hash3(text + at)] = 0;
    }
    index(targets);
  }

  const TargetPosition* of(const Targets& targets, std::size_t j) const { return positions_.data() + targets.start(j); }
  /// For each position how far back the most recent one with the same hash lies, 0 for none.
  const std::uint16_t* previous(const Targets& targets, std::size_t j) const {
    return previous_.data() + targets.start(j);
  }

  /// How many distinct hashes the targets have.
  unsigned chains() const { return chains_; }
  /// Which of them this is, 0 for none.
  unsigned chain(unsigned hash) const { return number_[hash]; }

  // Bits of positions: each fast target has whole words of its own, one behind the other.
  std::size_t words() const { return inside_.size(); }
  std::size_t first_word(std::size_t j) const { return first_word_[j]; }
  /// The positions that have a match inside the target.
  const std::uint64_t* inside() const { return inside_.data(); }
  /// The bits of the positions with a chain's hash, ascending.
  const std::size_t* begin(unsigned chain) const { return bits_.data() + first_bit_[chain]; }
  const std::size_t* end(unsigned chain) const { return bits_.data() + first_bit_[chain + 1u]; }

 private:
  // No further than zlib could look: beyond that the result is not used, and long chains would make this quadratic.
  static Match search(const std::uint8_t* text, unsigned size, const std::uint16_t* previous, unsigned at,
                      const Level& level) {
    const unsigned most = smaller_of(size - at, kMaxMatch);
    const unsigned nice = smaller_of<unsigned>(level.nice, most);
    unsigned best = kMinMatch - 1;
    unsigned found = 0;
    unsigned candidate = at;
    for (unsigned chain = level.chain; chain && previous[candidate]; --chain) {
      candidate -= previous[candidate];
      if (text[candidate + best] != text[at + best]) continue;
      const unsigned length = common_length(text + candidate, text + at, most);
      if (length > best) {
        best = length;
        found = candidate;
        if (length >= nice) break;
      }
    }
    if (best < kMinMatch) return {0, 0};
    return {static_cast<std::uint16_t>(best), static_cast<std::uint16_t>(at - found)};
  }

  /// Sorts the positions by chain (a counting sort, so each chain's ascend).
  void index(const Targets& targets) {
    first_bit_ = Array<std::size_t>(chains_ + 2);
    const auto each = [&](auto&& visit) {
      for (std::size_t j = 0; j < targets.count(); ++j) {
        if (!fast_target(targets[j].size)) continue;
        const TargetPosition* const position = of(targets, j);
        for (std::size_t at = 0; at + kMinMatch <= targets[j].size; ++at) {
          visit(position[at].chain, 64 * first_word_[j] + at);
        }
      }
    };
    std::size_t count = 0;
    each([&](unsigned chain, std::size_t) {
      ++first_bit_[chain + 1u];
      ++count;
    });
    for (unsigned chain = 0; chain <= chains_; ++chain) first_bit_[chain + 1u] += first_bit_[chain];
    bits_ = Array<std::size_t>(count);
    Array<std::size_t> next(chains_ + 1);
    std::memcpy(next.data(), first_bit_.data(), (chains_ + 1) * sizeof(std::size_t));
    each([&](unsigned chain, std::size_t bit) { bits_[next[chain]++] = bit; });
  }

  Array<TargetPosition> positions_;
  Array<std::uint16_t> previous_;
  Array<std::uint16_t> number_;
  Array<std::size_t> first_word_;  // of each target, in bit vectors over positions
  Array<std::uint64_t> inside_;
  Array<std::size_t> first_bit_;  // of each chain, in bits_
  Array<std::size_t> bits_;
  unsigned chains_ = 0;
};

}  // namespace zipfit::ZIPFIT_ISA::deflate
