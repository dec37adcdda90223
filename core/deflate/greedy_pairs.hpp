// Pairs at the greedy levels (1 to 3).
//
// zlib's deflate_fast enters a position into the hash chains only if the parse comes by, or if it lies inside a short
// match. So unlike at the lazy levels, the chains of t depend on the parse of t after this very x, and there is nothing
// to prepare. What can be shared is the parse of x, and the chains it left: each pair goes on from there, and a log of
// the chain heads that it overwrote puts them back.
#pragma once

#include "deflate/batch.hpp"
#include "deflate/fast_pair.hpp"
#include "targets.hpp"

namespace zipfit::ZIPFIT_ISA::deflate {

class GreedyPairs {
 public:
  GreedyPairs(const Targets& targets, const Level& level)
      : targets_(targets),
        level_(level),
        head_(kHashSize),
        previous_(kLongestFastPair),
        text_(kLongestFastPair + kReadAhead),
        log_(kLongestFastPair) {}

  /// Takes the next x, whose C(x) goes to `*size` by then or by finish().
  void start(Bytes x, std::int64_t* size) {
    for (unsigned at = 0; at + kMinMatch <= x_size_; ++at) head_[hash3(text_.data() + at)] = 0;
    std::memcpy(text_.data(), x.data, x.size);
    x_size_ = static_cast<unsigned>(x.size);
    histogram_ = {};
    logged_ = 0;
    position_ = parse<true>(0, histogram_, x_size_);
    logged_ = 0;  // what x entered stays
    size_pair(x_size_, size);
  }

  /// Sizes x followed by target j; `*size` is written by then or by finish().
  void add(std::size_t j, std::int64_t* size) {
    const Bytes t = targets_[j];
    std::memcpy(text_.data() + x_size_, t.data, t.size);
    size_pair(x_size_ + static_cast<unsigned>(t.size), size);
  }

  /// Sizes what is still waiting.
  void finish() { batch_.flush(); }

 private:
  struct Entered {
    std::uint16_t hash;
    std::uint16_t before;  // the chain's head before
  };

  void size_pair(unsigned end, std::int64_t* size) {
    Histogram& histogram = batch_.next();
    histogram = histogram_;
    parse<false>(position_, histogram, end);
    while (logged_ > 0) {
      --logged_;
      head_[log_[logged_].hash] = log_[logged_].before;
    }
    batch_.add(end, size);
  }

  ZIPFIT_INLINE unsigned enter(unsigned at) {
    const unsigned hash = hash3(text_.data() + at);
    const std::uint16_t before = head_[hash];
    head_[hash] = static_cast<std::uint16_t>(at);
    previous_[at] = before;
    log_[logged_++] = {static_cast<std::uint16_t>(hash), before};
    return before;
  }

  /// zlib's deflate_fast over [at, end). With Prefix, stops before the first decision that could depend on what
  /// follows. Returns where it stopped.
  template <bool Prefix>
  ZIPFIT_INLINE unsigned parse(unsigned at, Histogram& histogram, unsigned end) {
    const std::uint8_t* const text = text_.data();
    while (at + kMinMatch <= end) {
      unsigned candidate = enter(at);
      unsigned best = kMinMatch - 1;
      unsigned found = 0;
      if (candidate) {
        const unsigned most = smaller_of(end - at, kMaxMatch);
        const unsigned nice = smaller_of<unsigned>(level_.nice, most);
        const std::uint8_t* const here = text + at;
        for (unsigned chain = level_.chain; candidate && chain; --chain, candidate = previous_[candidate]) {
          const std::uint8_t* const there = text + candidate;
          if (there[best] != here[best] || load<std::uint16_t>(there) != load<std::uint16_t>(here)) continue;
          const unsigned length = common_length(there, here, most);
          if (length <= best) continue;
          best = length;
          found = candidate;
          if (length >= nice) break;
        }
      }
      if (best < kMinMatch) {
        histogram.add_literal(text[at]);
        ++at;
        continue;
      }
      const unsigned after = at + best;
      const bool enters = best <= level_.lazy && (Prefix || after + kMinMatch <= end);
      if (Prefix && (after >= end || (enters && after + kMinMatch - 1 > end))) {
        // The match touches the end, or the last three bytes that it would enter do. Take the position out again.
        --logged_;
        head_[log_[logged_].hash] = log_[logged_].before;
        break;
      }
      histogram.add_match(best, at - found);
      if (enters) {
        for (++at; at < after; ++at) enter(at);
      }
      at = after;
    }
    if (!Prefix) {
      for (; at < end; ++at) histogram.add_literal(text[at]);
    }
    return at;
  }

  const Targets& targets_;
  const Level level_;
  Array<std::uint16_t> head_;
  Array<std::uint16_t> previous_;
  Array<std::uint8_t> text_;  // x, and behind it the target of the current pair
  Array<Entered> log_;
  unsigned logged_ = 0;
  Batch batch_;
  // The parse of x as far as pairs share it.
  Histogram histogram_;
  unsigned position_ = 0;
  unsigned x_size_ = 0;
};

}  // namespace zipfit::ZIPFIT_ISA::deflate
