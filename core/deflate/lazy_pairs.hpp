// Pairs at the lazy levels (4 to 9), sharing all that pairs of one x share.
//
//  * x is parsed once, up to the first search that touches its end, or whose three bytes do. What the parse knows there
//    (a histogram and the state of the lazy evaluation) is where each pair starts.
//  * Hash chains do not depend on the parse (see target_chains.hpp), so those of x are built once. For each pair only
//    the two positions that span the boundary are entered, and taken out again.
//  * From a position of t, zlib would walk the chain of x's positions with the same hash, most of which agree in three
//    bytes and no more. The walk only has to be simulated where zlib would give up before its end. Otherwise all that
//    counts is the longest match, the most recent among equals. That is found faster by chains of our own over four
//    bytes; only where they have nothing, the most recent position that agrees in three bytes is taken.
//  * Blocks are sized by the batch (see batch.hpp).
#pragma once

#include "deflate/batch.hpp"
#include "deflate/target_chains.hpp"

namespace zipfit::ZIPFIT_ISA::deflate {

class LazyPairs {
 public:
  LazyPairs(const Targets& targets, const TargetChains& chains, const Level& level)
      : targets_(targets),
        target_chains_(chains),
        level_(level),
        head_(kHashSize),
        previous_(kLongestFastPair),
        seen_(chains.chains() + 1),
        worth_(chains.words()),
        head4_(kNoHash4 + 1),
        previous4_(kLongestFastPair),
        text_(kLongestFastPair + kReadAhead) {}

  /// Takes the next x.
  void start(Bytes x) {
    for (unsigned at = 0; at + kMinMatch <= x_size_; ++at) {
      const unsigned hash = hash3(text_.data() + at);
      head_[hash] = 0;
      seen_[target_chains_.chain(hash)] = {};
    }
    for (unsigned at = 0; at + 4 <= x_size_; ++at) head4_[hash4(text_.data() + at)] = 0;
    std::memcpy(text_.data(), x.data, x.size);
    x_size_ = static_cast<unsigned>(x.size);
    if (worth_.size()) std::memcpy(worth_.data(), target_chains_.inside(), worth_.size() * sizeof(std::uint64_t));
    for (unsigned at = 0; at + kMinMatch <= x_size_; ++at) {
      const unsigned chain = enter(at);
      if (seen_[chain].count == 1 && chain != 0) {
        for (const std::size_t* bit = target_chains_.begin(chain); bit != target_chains_.end(chain); ++bit) {
          worth_[*bit / 64] |= std::uint64_t{1} << *bit % 64;
        }
      }
    }
    for (unsigned at = 0; at + 4 <= x_size_; ++at) enter4(at);
    prefix_ = {};
    parse_source<true>(prefix_, x_size_);
    // C(x) is one more block of the batch.
    State own = prefix_;
    parse_source<false>(own, x_size_);
    if (own.literal_pending) own.histogram.add_literal(text_[x_size_ - 1]);
    batch_.add(own.histogram, x_size_, &x_bytes_);
  }

  /// Sizes x followed by target j; `*size` is written by then or by finish().
  void add(std::size_t j, std::int64_t* size) {
    const Bytes t = targets_[j];
    const unsigned total = x_size_ + static_cast<unsigned>(t.size);
    std::memcpy(text_.data() + x_size_, t.data, t.size);
    // The positions that span the boundary: entered in order, taken out in reverse.
    const unsigned first = x_size_ < 2 ? 0 : x_size_ - 2;
    const unsigned first4 = x_size_ < 3 ? 0 : x_size_ - 3;
    for (unsigned at = first; at < x_size_; ++at) {
      const unsigned chain = enter(at);
      if (seen_[chain].count == 1) look_at<true>(chain, j);
    }
    for (unsigned at = first4; at < x_size_; ++at) enter4(at);
    State state = prefix_;
    parse_source<false>(state, total);
    parse_target(state, total, target_chains_.of(targets_, j), worth_.data() + target_chains_.first_word(j));
    for (unsigned at = x_size_; at-- > first;) {
      const unsigned chain = leave(at);
      if (seen_[chain].count == 0) look_at<false>(chain, j);
    }
    for (unsigned at = x_size_; at-- > first4;) head4_[hash4(text_.data() + at)] = previous4_[at];
    batch_.add(state.histogram, total, size);
  }

  /// Sizes what is still waiting; returns C(x).
  std::int64_t finish() {
    batch_.flush();
    return x_bytes_;
  }

 private:
  /// The parse between two positions. Small, so that each pair can start from a copy.
  struct State {
    Histogram histogram;
    unsigned position = 0;
    unsigned match_length = kMinMatch - 1;
    unsigned match_distance = 0;
    bool literal_pending = false;
  };

  /// What x has of one of the targets' hashes.
  struct Seen {
    std::uint16_t last;   // the most recent position, 0 for none
    std::uint16_t count;  // of positions that can be matched
  };

  /// Enters a position of x into the chains; returns the number of the targets' chain that it belongs to.
  ZIPFIT_INLINE unsigned enter(unsigned at) {
    const unsigned hash = hash3(text_.data() + at);
    const unsigned chain = target_chains_.chain(hash);
    Seen& seen = seen_[chain];
    previous_[at] = head_[hash];
    head_[hash] = static_cast<std::uint16_t>(at);
    seen.last = static_cast<std::uint16_t>(at);
    seen.count = static_cast<std::uint16_t>(seen.count + (at != 0));
    return chain;
  }

  ZIPFIT_INLINE unsigned leave(unsigned at) {
    const unsigned hash = hash3(text_.data() + at);
    const unsigned chain = target_chains_.chain(hash);
    Seen& seen = seen_[chain];
    head_[hash] = previous_[at];
    seen.last = previous_[at];
    seen.count = static_cast<std::uint16_t>(seen.count - (at != 0));
    return chain;
  }

  /// Marks the positions of target j with a chain's hash as worth a look, or as what they are without x.
  template <bool Worth>
  void look_at(unsigned chain, std::size_t j) {
    if (chain == 0) return;
    const std::size_t from = 64 * target_chains_.first_word(j);
    const std::size_t to = 64 * target_chains_.first_word(j + 1);
    const std::size_t* low = target_chains_.begin(chain);
    const std::size_t* const end = target_chains_.end(chain);
    for (std::size_t count = static_cast<std::size_t>(end - low); count > 0;) {
      const std::size_t half = count / 2;
      const bool below = low[half] < from;
      low += below ? half + 1 : 0;
      count = below ? count - half - 1 : half;
    }
    for (; low != end && *low < to; ++low) {
      const std::uint64_t bit = std::uint64_t{1} << *low % 64;
      std::uint64_t& word = worth_[*low / 64];
      word = Worth ? word | bit : (word & ~bit) | (target_chains_.inside()[*low / 64] & bit);
    }
  }

  ZIPFIT_INLINE void enter4(unsigned at) {
    std::uint16_t& head = head4_[hash4(text_.data() + at)];
    previous4_[at] = head;
    head = static_cast<std::uint16_t>(at);
  }

  struct Found {
    unsigned length;
    unsigned distance;
  };

  /// Walks the chain from `candidate`, at most `chain` candidates, for a match at `at` longer than `best`. With Prefix,
  /// sets `touched` if any candidate agrees up to `end`.
  template <bool Prefix>
  ZIPFIT_INLINE Found walk(unsigned at, unsigned end, unsigned candidate, unsigned chain, Found best,
                           bool& touched) const {
    const std::uint8_t* const here = text_.data() + at;
    const unsigned most = smaller_of(end - at, kMaxMatch);
    const unsigned nice = smaller_of<unsigned>(level_.nice, most);
    if (best.length >= most) {
      if (Prefix) touched = true;
      return best;
    }
    for (; candidate && chain; --chain, candidate = previous_[candidate]) {
      const std::uint8_t* const there = text_.data() + candidate;
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
  ZIPFIT_INLINE Found search_target(unsigned at, unsigned end, const TargetPosition& here,
                                    unsigned previous_length) const {
    const unsigned chain = previous_length >= level_.good ? level_.chain >> 2 : level_.chain;
    const Seen seen = seen_[here.chain];
    Found best = {previous_length, 0};
    if (unsigned(here.candidates) + seen.count > chain) [[unlikely]]
      return search_everything(at, end, &here, chain, best);
    const unsigned most = smaller_of(end - at, kMaxMatch);
    const unsigned nice = smaller_of<unsigned>(level_.nice, most);
    if (best.length >= most) return best;
    if (here.best.length > best.length) {
      best = {here.best.length, here.best.distance};
      if (best.length >= nice) return best;
    }
    const std::uint8_t* const text = text_.data();
    const auto four = load<std::uint32_t>(text + at);
    for (unsigned candidate = head4_[here.hash4]; candidate; candidate = previous4_[candidate]) {
      if (load<std::uint32_t>(text + candidate) != four || text[candidate + best.length] != text[at + best.length])
        continue;
      const unsigned length = common_length(text + candidate, text + at, most);
      if (length > best.length) {
        best = {length, at - candidate};
        if (length >= nice) return best;
      }
    }
    if (best.length < kMinMatch) {
      for (unsigned candidate = seen.last; candidate; candidate = previous_[candidate]) {
        if (((load<std::uint32_t>(text + candidate) ^ four) & 0xFFFFFF) == 0) return {kMinMatch, at - candidate};
      }
    }
    return best;
  }

  /// The same without a shortcut, for chains so long that zlib gives up inside the target.
  [[gnu::noinline]] Found search_everything(unsigned at, unsigned end, const TargetPosition* here, unsigned chain,
                                            Found best) const {
    const std::uint8_t* const text = text_.data();
    const unsigned in_source = seen_[here->chain].last;
    const unsigned most = smaller_of(end - at, kMaxMatch);
    const unsigned nice = smaller_of<unsigned>(level_.nice, most);
    if (best.length >= most) return best;
    unsigned candidate = at;
    for (; chain && here->previous; --chain) {
      candidate -= here->previous;
      here -= here->previous;
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

  /// zlib's deflate_slow over the positions of x from state.position on. With Prefix, stops before the first decision
  /// that could depend on what follows x; otherwise goes to the end of x, or of the match that reaches past it.
  template <bool Prefix>
  ZIPFIT_INLINE void parse_source(State& state, unsigned end) {
    Histogram& histogram = state.histogram;
    const std::uint8_t* const text = text_.data();
    unsigned at = state.position;
    unsigned length = state.match_length;
    unsigned distance = state.match_distance;
    bool pending = state.literal_pending;
    while (at < x_size_) {
      const unsigned previous_length = length;
      const unsigned previous_distance = distance;
      if (Prefix && at + kMinMatch > end) break;
      length = kMinMatch - 1;
      if (previous_length < level_.lazy && at + kMinMatch <= end) {
        bool touched = false;
        const unsigned chain = previous_length >= level_.good ? level_.chain >> 2 : level_.chain;
        const Found found = walk<Prefix>(at, end, previous_[at], chain, {previous_length, 0}, touched);
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

  /// The same over the target, after parse_source<false>.
  ///
  /// Here the parse goes from match to match. A match is taken where it begins unless the next position has a longer
  /// one; so from a position without a match in hand, what follows depends on that position alone: look at the next one
  /// worth a look, step forward while the match there gets longer, take it. Whatever no match covers is a literal.
  ZIPFIT_INLINE void parse_target(State& state, unsigned end, const TargetPosition* target,
                                  const std::uint64_t* worth) {
    Histogram& histogram = state.histogram;
    const unsigned source = x_size_;
    const unsigned size = end - source;
    const std::uint8_t* const text = text_.data() + source;
    const auto good_enough = [&](Found found) { return found.length > kMinMatch || found.distance <= kTooFar; };
    unsigned at = state.position - source;  // the next that no symbol covers
    unsigned literals_from = at;
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
        match = search_target(source + at, end, target[at], kMinMatch - 1);
        ++at;
        if (match.length < kMinMatch || !good_enough(match)) {
          match.length = kMinMatch - 1;
          if (at >= size) break;
          continue;
        }
      }
      while (match.length < level_.lazy && at < size && (worth[at / 64] >> at % 64 & 1)) {
        const Found next = search_target(source + at, end, target[at], match.length);
        if (next.length <= match.length) break;
        if (at == 0) histogram.add_literal(text[-1]);
        match = next;
        ++at;
      }
      histogram.add_match(match.length, match.distance);
      for (; literals_from + 1 < at; ++literals_from) histogram.add_literal(text[literals_from]);
      at += match.length - 1;
      literals_from = at;
      match.length = kMinMatch - 1;
      if (at >= size) break;
    }
    for (; literals_from < size; ++literals_from) histogram.add_literal(text[literals_from]);
  }

  const Targets& targets_;
  const TargetChains& target_chains_;
  const Level level_;
  Array<std::uint16_t> head_;
  Array<std::uint16_t> previous_;
  Array<Seen> seen_;            // by number of the targets' hashes; 0 takes those that no target has
  Array<std::uint64_t> worth_;  // the targets' positions worth a look
  Array<std::uint16_t> head4_;
  Array<std::uint16_t> previous4_;
  Array<std::uint8_t> text_;  // x, and behind it the target of the current pair
  Batch batch_;
  State prefix_;
  unsigned x_size_ = 0;
  std::int64_t x_bytes_ = 0;
};

}  // namespace zipfit::ZIPFIT_ISA::deflate
