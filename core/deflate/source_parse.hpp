// The lazy parse of x, and where each pair with x goes on from.
//
// zlib's deflate_slow holds one match in hand, looks for a longer one at the next position, and only then writes it. x
// is parsed like that once, up to the first search that touches its end, or whose three bytes do: no decision before
// can depend on what follows x. What the parse knows there is a histogram and the match in hand, small enough to be
// copied for each pair, which then parses the rest of x with the target behind it.
#pragma once

#include "deflate/histogram.hpp"
#include "deflate/lazy_search.hpp"

namespace zipfit::ZIPFIT_ISA::deflate {

/// The parse between two positions, less its histogram.
struct LazyState {
  unsigned position = 0;
  unsigned match_length = kMinMatch - 1;
  unsigned match_distance = 0;
  bool literal_pending = false;
};

/// zlib's deflate_slow over the positions of x from state.position on, in a pair that ends at `end`. With Prefix, stops
/// before the first decision that could depend on what follows x; otherwise goes to the end of x, or of the match that
/// reaches past it.
template <bool Prefix>
ZIPFIT_INLINE void parse_source(LazyState& state, Histogram& histogram, const SourceChains& source,
                                const LazySearch& search, const Level& level, unsigned end) {
  const std::uint8_t* const text = source.text();
  unsigned at = state.position;
  unsigned length = state.match_length;
  unsigned distance = state.match_distance;
  bool pending = state.literal_pending;
  while (at < source.size()) {
    const unsigned previous_length = length;
    const unsigned previous_distance = distance;
    if (Prefix && at + kMinMatch > end) break;
    length = kMinMatch - 1;
    if (previous_length < level.lazy && at + kMinMatch <= end) {
      bool touched = false;
      const Found found = search.walk<Prefix>(at, end, source.previous(at), search.patience(previous_length),
                                              {previous_length, 0}, touched);
      if (Prefix && touched) {
        length = previous_length;
        break;
      }
      length = found.length;
      distance = found.distance;
      if (length == kMinMatch && distance > kTooFar) length = kMinMatch - 1;
    }
    if (previous_length >= kMinMatch && length <= previous_length) {
      histogram.add_match(previous_length, previous_distance);
      at += previous_length - 1;
      pending = false;
      length = kMinMatch - 1;
    } else {
      if (pending) histogram.add_literal(text[at - 1]);
      pending = true;
      ++at;
    }
  }
  state.position = at;
  state.match_length = length;
  state.match_distance = distance;
  state.literal_pending = pending;
}

}  // namespace zipfit::ZIPFIT_ISA::deflate
