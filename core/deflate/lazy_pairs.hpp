// Pairs at the lazy levels (4 to 9), sharing all that pairs of one x share.
//
//  * x is parsed once, up to the first search that touches its end, or whose three bytes do. What the parse knows there
//    (a histogram and the state of the lazy evaluation) is where each pair starts.
//  * Hash chains do not depend on the parse (see target_chains.hpp), so those of x are built once. For each pair only
//    the two positions that span the boundary are entered, and taken out again.
//  * Blocks are sized by the batch (see batch.hpp).
#pragma once

#include "deflate/batch.hpp"
#include "deflate/target_chains.hpp"

namespace zipfit::ZIPFIT_ISA::deflate {

ZIPFIT_INLINE bool fast_source(std::size_t size) { return size >= 1 && size < kLongestFastPair; }

class LazyPairs {
 public:
  LazyPairs(const Targets& targets, const TargetChains& chains, const Level& level)
      : targets_(targets), target_chains_(chains), level_(level), head_(kHashSize), previous_(kLongestFastPair),
        text_(kLongestFastPair + kReadAhead), size_of_(kBatch) {}

  /// Takes the next x.
  void start(Bytes x) {
    for (std::size_t at = 0; at + kMinMatch <= x_size_; ++at) head_[hash3(text_.data() + at)] = 0;
    std::memcpy(text_.data(), x.data, x.size);
    x_size_ = static_cast<unsigned>(x.size);
    for (unsigned at = 0; at + kMinMatch <= x_size_; ++at) enter(at);
    prefix_ = {};
    parse<true>(prefix_, x_size_, nullptr);
    // C(x) is one more block of the batch.
    State own = prefix_;
    parse<false>(own, x_size_, nullptr);
    submit(own, x_size_, &x_bytes_);
  }

  /// Sizes x followed by target j; `*size` is written by then or by finish().
  void add(std::size_t j, std::int64_t* size) {
    const Bytes t = targets_[j];
    const unsigned total = x_size_ + static_cast<unsigned>(t.size);
    std::memcpy(text_.data() + x_size_, t.data, t.size);
    // The positions that span the boundary, entered in order and taken out in reverse.
    const unsigned first = x_size_ < 2 ? 0 : x_size_ - 2;
    for (unsigned at = first; at < x_size_; ++at) enter(at);
    State state = prefix_;
    parse<false>(state, total, target_chains_.of(targets_, j));
    for (unsigned at = x_size_; at-- > first;) head_[hash3(text_.data() + at)] = previous_[at];
    submit(state, total, size);
  }

  /// Sizes what is still waiting; returns C(x).
  std::int64_t finish() {
    size_up();
    return x_bytes_;
  }

 private:
  static constexpr std::size_t kReadAhead = 64;

  /// The parse between two positions. Small, so that each pair can start from a copy.
  struct State {
    Histogram histogram;
    unsigned position = 0;
    unsigned match_length = kMinMatch - 1;
    unsigned match_distance = 0;
    bool literal_pending = false;
  };

  ZIPFIT_INLINE void enter(unsigned at) {
    std::uint16_t& head = head_[hash3(text_.data() + at)];
    previous_[at] = head;
    head = static_cast<std::uint16_t>(at);
  }

  struct Found {
    unsigned length;
    unsigned distance;
  };

  /// Walks the chain from `candidate`, at most `chain` candidates, for a match at `at` longer than `best`. With Prefix,
  /// sets `touched` if any candidate agrees up to `end`.
  template <bool Prefix>
  ZIPFIT_INLINE Found walk(unsigned at, unsigned end, unsigned candidate, unsigned chain, Found best, bool& touched) const {
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

  /// The search at a position of the target, `q` from its start.
  ZIPFIT_INLINE Found search_target(unsigned at, unsigned end, const TargetPosition& here, unsigned previous_length) const {
    const unsigned chain = previous_length >= level_.good ? level_.chain >> 2 : level_.chain;
    Found best = {previous_length, 0};
    bool touched = false;
    if (here.candidates > chain) [[unlikely]] return search_everything(at, end, &here, chain, best);
    const unsigned most = smaller_of(end - at, kMaxMatch);
    if (here.best.length > best.length) {
      best = {here.best.length, here.best.distance};
      if (best.length >= smaller_of<unsigned>(level_.nice, most)) return best;
    }
    return walk<false>(at, end, head_[hash3(text_.data() + at)], chain - here.candidates, best, touched);
  }

  /// The same without a shortcut, for chains so long that zlib gives up inside the target.
  Found search_everything(unsigned at, unsigned end, const TargetPosition* here, unsigned chain, Found best) const {
    const std::uint8_t* const text = text_.data();
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
        if (length >= nice) break;
      }
    }
    return best;
  }

  /// zlib's deflate_slow over [state.position, end). With Prefix, stops before the first decision that could depend on
  /// what follows; otherwise goes to the end. `target` has the chains of the positions from x_size_ up.
  template <bool Prefix>
  ZIPFIT_INLINE void parse(State& state, unsigned end, const TargetPosition* target) {
    Histogram& histogram = state.histogram;
    const std::uint8_t* const text = text_.data();
    unsigned at = state.position;
    unsigned length = state.match_length;
    unsigned distance = state.match_distance;
    bool pending = state.literal_pending;
    while (at < end) {
      const unsigned previous_length = length;
      const unsigned previous_distance = distance;
      if (Prefix && at + kMinMatch > end) break;
      length = kMinMatch - 1;
      if (previous_length < level_.lazy && at + kMinMatch <= end) {
        Found found;
        if (!Prefix && at >= x_size_) {
          found = search_target(at, end, target[at - x_size_], previous_length);
        } else {
          bool touched = false;
          const unsigned chain = previous_length >= level_.good ? level_.chain >> 2 : level_.chain;
          found = walk<Prefix>(at, end, previous_[at], chain, {previous_length, 0}, touched);
          if (Prefix && touched) {
            length = previous_length;
            break;
          }
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
    if (!Prefix && pending) histogram.add_literal(text[at - 1]);
    state.position = at;
    state.match_length = length;
    state.match_distance = distance;
    state.literal_pending = pending;
  }

  void submit(const State& state, unsigned total, std::int64_t* size) {
    size_of_[batch_.size()] = {size, total};
    Histogram& histogram = batch_.next();
    histogram = state.histogram;
    histogram.literals[kEndOfBlock] = 1;
    if (batch_.full()) size_up();
  }

  void size_up() {
    batch_.size_up();
    for (unsigned i = 0; i < batch_.size(); ++i) {
      const std::uint64_t bits =
          after_block(0, batch_.dynamic_bits(i), fixed_body_bits(batch_.histogram(i)), size_of_[i].stored);
      *size_of_[i].to = static_cast<std::int64_t>((bits + 7) / 8 + kGzipWrapper);
    }
    batch_.clear();
  }

  struct Waiting {
    std::int64_t* to;
    unsigned stored;
  };

  const Targets& targets_;
  const TargetChains& target_chains_;
  const Level level_;
  Array<std::uint16_t> head_;
  Array<std::uint16_t> previous_;
  Array<std::uint8_t> text_;  // x, and behind it the target of the current pair
  Array<Waiting> size_of_;    // where the sizes of the batch go
  Batch batch_;
  State prefix_;
  unsigned x_size_ = 0;
  std::int64_t x_bytes_ = 0;
};

}  // namespace zipfit::ZIPFIT_ISA::deflate
