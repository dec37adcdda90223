// What zlib's longest_match finds in a pair, from a position of x and from one of t.
//
// zlib walks the chain of earlier positions with the same hash, the most recent first, takes a match that is longer
// than what it has, and gives up after a number of candidates or at a match that is good enough.
//
// From x there is nothing to save: walk() does just that. From t, the part of the chain inside the target was searched
// before (target_chains.hpp). Of the part in x, most positions agree in three bytes and no more, and the walk only has
// to be simulated where zlib would give up before its end. Otherwise all that counts is the longest match, the most
// recent among equals. Chains of our own over four bytes find that faster, and need not be walked where x does not have
// the four bytes at the end of a longer match; only where they have nothing, the most recent position that agrees in
// three bytes is taken.
#pragma once

#include "deflate/source_chains.hpp"

namespace zipfit::ZIPFIT_ISA::deflate {

/// A match by its length and how far back it lies; a length below kMinMatch is none.
struct Found {
  unsigned length;
  unsigned distance;
};

class LazySearch {
 public:
  LazySearch(const SourceChains& source, const Level& level) : source_(source), level_(level) {}

  /// The candidates that a search may look at with a match of this length in hand.
  ZIPFIT_INLINE unsigned patience(unsigned length) const {
    return length >= level_.good ? level_.chain >> 2 : level_.chain;
  }

  /// Walks the chain from `candidate`, at most `chain` candidates, for a match at `at` longer than `best`. With Prefix,
  /// sets `touched` if any candidate agrees up to `end`.
  template <bool Prefix>
  ZIPFIT_INLINE Found walk(unsigned at, unsigned end, unsigned candidate, unsigned chain, Found best,
                           bool& touched) const {
    const std::uint8_t* const here = source_.text() + at;
    const unsigned most = smaller_of(end - at, kMaxMatch);
    const unsigned nice = smaller_of<unsigned>(level_.nice, most);
    if (best.length >= most) {
      if (Prefix) touched = true;
      return best;
    }
    for (; candidate && chain; --chain, candidate = source_.previous(candidate)) {
      const std::uint8_t* const there = source_.text() + candidate;
      if (there[best.length] != here[best.length] || load<std::uint16_t>(there) != load<std::uint16_t>(here)) continue;
      const unsigned length = common_length(there, here, most);
      if (Prefix && length == end - at) {
        touched = true;
        return best;
      }
      if (length > best.length) {
        best = {length, at - candidate};
        if (length >= nice) break;
      }
    }
    return best;
  }

  /// The search at a position of the target.
  ZIPFIT_INLINE Found from_target(unsigned at, unsigned end, const TargetPosition& here, const std::uint16_t* previous,
                                  unsigned previous_length) const {
    const unsigned chain = patience(previous_length);
    const SourceChains::Seen seen = source_.seen(here.chain);
    Found best = {previous_length, 0};
    if (unsigned(here.candidates) + seen.count > chain) [[unlikely]]
      return everything(at, end, here.chain, previous, chain, best);
    const unsigned most = smaller_of(end - at, kMaxMatch);
    const unsigned nice = smaller_of<unsigned>(level_.nice, most);
    if (best.length >= most) return best;
    if (here.best.length > best.length) {
      best = {here.best.length, here.best.distance};
      if (best.length >= nice) return best;
    }
    const std::uint8_t* const text = source_.text();
    const auto four = load<std::uint32_t>(text + at);
    unsigned candidate = most < 4 ? 0 : source_.head4(Hash4(text + at));
    // A longer match has four bytes at its end that x must have too, unless they lie past the end of x.
    const unsigned last_four = larger_of(best.length, kMinMatch) - kMinMatch;
    const bool past_end = candidate + last_four >= source_.size();
    if (!(unsigned(source_.present4(Hash4(text + at + last_four))) | unsigned(past_end))) candidate = 0;
    for (; candidate; candidate = source_.previous4(candidate)) {
      if (load<std::uint32_t>(text + candidate) != four || text[candidate + best.length] != text[at + best.length])
        continue;
      const unsigned length = common_length(text + candidate, text + at, most);
      if (length > best.length) {
        best = {length, at - candidate};
        if (length >= nice) return best;
      }
    }
    if (best.length < kMinMatch) {
      for (unsigned candidate = seen.last; candidate; candidate = source_.previous(candidate)) {
        if (((load<std::uint32_t>(text + candidate) ^ four) & 0xFFFFFF) == 0) return {kMinMatch, at - candidate};
      }
    }
    return best;
  }

 private:
  /// The same without a shortcut, for chains so long that zlib gives up on the way.
  [[gnu::noinline]] Found everything(unsigned at, unsigned end, unsigned hash, const std::uint16_t* previous,
                                     unsigned chain, Found best) const {
    const std::uint8_t* const text = source_.text();
    const unsigned in_source = source_.seen(hash).last;
    const unsigned most = smaller_of(end - at, kMaxMatch);
    const unsigned nice = smaller_of<unsigned>(level_.nice, most);
    if (best.length >= most) return best;
    unsigned candidate = at;
    for (; chain && *previous; --chain) {
      candidate -= *previous;
      previous -= *previous;
      if (text[candidate + best.length] != text[at + best.length]) continue;
      const unsigned length = common_length(text + candidate, text + at, most);
      if (length > best.length) {
        best = {length, at - candidate};
        if (length >= nice) return best;
      }
    }
    bool touched = false;
    return walk<false>(at, end, in_source, chain, best, touched);
  }

  const SourceChains& source_;
  const Level level_;
};

}  // namespace zipfit::ZIPFIT_ISA::deflate
