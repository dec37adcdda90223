// What every pair with the same target shares: the hash chains inside the target, and what a search finds there.
//
// zlib's lazy levels (4 to 9) enter every position into the hash chains, in order, whatever the parse decides. So from
// any position of t, the chain leads first through the earlier positions of t with the same hash, then through the two
// positions whose three bytes span the boundary, then into x. The first part is the same for every x. It is searched
// once, here: the longest match, the most recent among equals, or the first of at least nice_length.
//
// A search also starts with a length to beat, and stops after so many candidates. The length to beat changes nothing, as
// a match no longer than it is not taken whether found or not. The number of candidates does; it is kept, so that a pair
// can tell whether zlib would have come to the end of this part of the chain.
#pragma once

#include "deflate/sizer.hpp"
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
  std::uint16_t previous;    // how far back the most recent of them lies, 0 for none
};

// Pairs up to this size take the fast path: one block (there cannot be more symbols than bytes), no sliding, every
// position within reach of every other. Longer ones spend their time on the last few hundred bytes anyway, once
// checkpointed.
constexpr std::size_t kLongestFastPair = 16000;
static_assert(kLongestFastPair < kBlockSymbols && kLongestFastPair < kMaxDistance);

/// Whether a target may take the fast path at all: both boundary positions must have three bytes to hash.
ZIPFIT_INLINE bool fast_target(std::size_t size) { return size >= kMinMatch && size < kLongestFastPair; }

/// Every position of every fast target, in the order of the targets' bytes.
class TargetChains {
 public:
  TargetChains(const Targets& targets, const Level& level) : positions_(targets.total()) {
    Array<std::uint16_t> last(kHashSize);  // the last position with this hash, plus one
    for (std::size_t j = 0; j < targets.count(); ++j) {
      if (!fast_target(targets[j].size)) continue;
      const std::uint8_t* const text = targets[j].data;
      const auto size = static_cast<unsigned>(targets[j].size);
      TargetPosition* const position = &positions_[targets.start(j)];
      for (unsigned at = 0; at + kMinMatch <= size; ++at) {
        std::uint16_t& head = last[hash3(text + at)];
        if (head) {
          const unsigned before = head - 1u;
          position[at].previous = static_cast<std::uint16_t>(at - before);
          position[at].candidates = static_cast<std::uint16_t>(position[before].candidates + 1);
          position[at].best = search(text, size, position, at, level);
        }
        head = static_cast<std::uint16_t>(at + 1);
      }
      for (unsigned at = 0; at + kMinMatch <= size; ++at) last[hash3(text + at)] = 0;
    }
  }

  const TargetPosition* of(const Targets& targets, std::size_t j) const {
    return positions_.data() + targets.start(j);
  }

 private:
  // No further than zlib could look: beyond that the result is not used, and long chains would make this quadratic.
  static Match search(const std::uint8_t* text, unsigned size, const TargetPosition* position, unsigned at,
                      const Level& level) {
    const unsigned most = smaller_of(size - at, kMaxMatch);
    const unsigned nice = smaller_of<unsigned>(level.nice, most);
    unsigned best = kMinMatch - 1;
    unsigned found = 0;
    unsigned candidate = at;
    for (unsigned chain = level.chain; chain && position[candidate].previous; --chain) {
      candidate -= position[candidate].previous;
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

  Array<TargetPosition> positions_;
};

}  // namespace zipfit::ZIPFIT_ISA::deflate
