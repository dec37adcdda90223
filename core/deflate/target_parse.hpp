// The lazy parse of t behind x, which is most of what a pair costs.
//
// It makes the decisions of zlib's deflate_slow, but goes from match to match. A match is taken where it begins unless
// the next position has a longer one; so from a position without a match in hand, what follows depends on that position
// alone: look at the next one worth a look (source_chains.hpp), step forward while the match there gets longer, take
// it. Whatever no match covers is a literal. Three positions in four of a typical pair are never looked at.
#pragma once

#include "deflate/source_parse.hpp"

namespace zipfit::ZIPFIT_ISA::deflate {

/// Parses from where parse_source<false> left off to `end`. `target` are the target's positions, `worth` their bits.
ZIPFIT_INLINE void parse_target(const LazyState& state, Histogram& histogram, const SourceChains& chains,
                                const LazySearch& search, const Level& level, unsigned end,
                                const TargetPosition* target, const std::uint16_t* previous, const std::uint64_t* worth,
                                std::uint8_t* literals) {
  const unsigned source = chains.size();
  const unsigned size = end - source;
  const std::uint8_t* const text = chains.text() + source;
  const auto good_enough = [&](Found found) { return found.length > kMinMatch || found.distance <= kTooFar; };
  unsigned at = state.position - source;  // the next that no symbol covers
  unsigned literals_from = at;
  // Literals are put together first and counted at the end, in one loop that is easy to predict.
  std::uint8_t* kept = literals;
  const auto keep_literals = [&](unsigned to) ZIPFIT_LAMBDA_INLINE {
    const auto count = static_cast<int>(to) - static_cast<int>(literals_from);
    for (int i = 0; i < count; i += 32) std::memcpy(kept + i, text + literals_from + i, 32);
    kept += larger_of(count, 0);
  };
  Found match = {kMinMatch - 1, 0};
  if (state.match_length >= kMinMatch) {
    // A match that begins at the last byte of x is in hand.
    match = {state.match_length, state.match_distance};
  } else if (state.literal_pending) {
    histogram.add_literal(text[static_cast<std::ptrdiff_t>(at) - 1]);
  }
  // `at` is the position after the one where the match in hand begins, if there is one.
  for (;;) {
    if (match.length < kMinMatch) {
      // The next position worth a look.
      std::uint64_t word = worth[at / 64] >> at % 64;
      if (word == 0) {
        unsigned next = at / 64 + 1;
        while (next <= (size - 1) / 64 && worth[next] == 0) ++next;
        if (next > (size - 1) / 64) break;
        at = 64 * next;
        word = worth[next];
      }
      at += static_cast<unsigned>(std::countr_zero(word));
      match = search.from_target(source + at, end, target[at], previous + at, kMinMatch - 1);
      ++at;
      if (match.length < kMinMatch || !good_enough(match)) {
        match.length = kMinMatch - 1;
        if (at >= size) break;
        continue;
      }
    }
    while (match.length < level.lazy && at < size && (worth[at / 64] >> at % 64 & 1)) {
      const Found next = search.from_target(source + at, end, target[at], previous + at, match.length);
      if (next.length <= match.length) break;
      if (at == 0) histogram.add_literal(text[-1]);
      match = next;
      ++at;
    }
    histogram.add_match(match.length, match.distance);
    keep_literals(at - 1);
    at += match.length - 1;
    literals_from = at;
    match.length = kMinMatch - 1;
    if (at >= size) break;
  }
  keep_literals(size);
  for (const std::uint8_t* literal = literals; literal != kept; ++literal) histogram.add_literal(*literal);
}

}  // namespace zipfit::ZIPFIT_ISA::deflate
