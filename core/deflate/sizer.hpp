// The size of anything, at any level: zlib's deflate_fast and deflate_slow with the writing left out.
//
// This is the plain implementation. It takes texts of any length, cuts blocks where zlib's symbol buffer fills, slides
// the window where zlib slides it, and repairs the trees that zlib repairs. The faster paths in pairs.hpp hand it
// whatever they are not made for.
//
// It can stop before the end of a text x and go on from there with x + t, as often as there are t: no decision taken
// while more than kMinLookahead bytes of x lie ahead can depend on what follows x, because no match and no hash reaches
// further. `Checkpoint` is that state. It makes pairs with a long x cost what their last few hundred bytes cost.
//
// What zlib's window does to sizes, and so is kept here:
//  * Positions count from the start of the window, and position 0 means "none": what lies there is never matched.
//  * The window holds 64 KB. When its lookahead runs short with the position in the upper part, it slides by 32 KB.
//  What
//    falls out, or comes to lie at 0, leaves the hash chains.
//  * A block that began before the window's start cannot be stored.
//  * The head of a chain may lie at kMaxDistance; every further link must be nearer.
#pragma once

#include "deflate/block.hpp"

namespace zipfit::ZIPFIT_ISA::deflate {

/// The hash chains: for each hash the last position that had it, for each position the one before it.
struct Chains {
  std::uint16_t head[kHashSize];
  std::uint16_t previous[kWindowSize];
};

class Sizer {
 public:
  /// len(gzip.compress(text, level)).
  std::uint64_t size(Bytes text, const Level& level) {
    start(text);
    run(level, 0);
    return finish();
  }

  /// The parse of some text up to where it may no longer go on without knowing what follows.
  struct Checkpoint {
    Array<Chains> chains;
    Array<std::uint8_t> text;  // from the start of the window to the end of the prefix, with room behind
    std::size_t prefix = 0;    // its length
    std::int64_t block_start = 0;
    std::uint64_t bits = 0;
    unsigned position = 0;
    unsigned symbols = 0;
    unsigned match_length = 0;
    unsigned match_start = 0;
    bool literal_pending = false;
    Histogram histogram;
  };

  /// Parses `text` as the beginning of longer texts.
  void prefix(Bytes text, const Level& level, std::size_t longest_suffix, Checkpoint& checkpoint) {
    start(text);
    run(level, kMinLookahead);
    checkpoint.chains.reserve(1);
    checkpoint.chains[0] = chains_[0];
    checkpoint.prefix = text.size - base_;
    checkpoint.text.reserve(checkpoint.prefix + longest_suffix);
    if (checkpoint.prefix) std::memcpy(checkpoint.text.data(), text.data + base_, checkpoint.prefix);
    checkpoint.block_start = block_start_ - static_cast<std::int64_t>(base_);
    checkpoint.bits = bits_;
    checkpoint.position = position_;
    checkpoint.symbols = symbols_;
    checkpoint.match_length = match_length_;
    checkpoint.match_start = match_start_;
    checkpoint.literal_pending = literal_pending_;
    checkpoint.histogram = histogram_;
  }

  /// The size of the checkpoint's text followed by `suffix`, which is no longer than was promised.
  std::uint64_t resume(Checkpoint& checkpoint, Bytes suffix, const Level& level) {
    if (suffix.size) std::memcpy(checkpoint.text.data() + checkpoint.prefix, suffix.data, suffix.size);
    chains_[0] = checkpoint.chains[0];
    text_ = {checkpoint.text.data(), checkpoint.prefix + suffix.size};
    base_ = 0;
    block_start_ = checkpoint.block_start;
    bits_ = checkpoint.bits;
    position_ = checkpoint.position;
    symbols_ = checkpoint.symbols;
    match_length_ = checkpoint.match_length;
    match_start_ = checkpoint.match_start;
    literal_pending_ = checkpoint.literal_pending;
    histogram_ = checkpoint.histogram;
    run(level, 0);
    return finish();
  }

 private:
  void start(Bytes text) {
    chains_.reserve(1);
    std::memset(chains_[0].head, 0, sizeof chains_[0].head);
    text_ = text;
    base_ = 0;
    block_start_ = 0;
    bits_ = 0;
    position_ = 0;
    symbols_ = 0;
    match_length_ = kMinMatch - 1;
    match_start_ = 0;
    literal_pending_ = false;
    histogram_ = {};
  }

  void run(const Level& level, std::size_t keep) {
    if (level.greedy) {
      parse_greedy(level, keep);
    } else {
      parse_lazy(level, keep);
    }
  }

  std::uint64_t finish() {
    flush();  // the last block, empty or not
    return (bits_ + 7) / 8 + kGzipWrapper;
  }

  const std::uint8_t* window() const { return text_.data + base_; }

  std::size_t lookahead() const { return smaller_of<std::size_t>(text_.size - base_, kWindowSpan) - position_; }

  /// zlib's fill_window: makes at least kMinLookahead bytes visible, if there are so many. False at the end of the text
  /// or, for a prefix, once fewer than `keep` bytes of it are left.
  bool fill(std::size_t keep) {
    if (keep && text_.size - base_ - position_ < keep) return false;
    if (lookahead() < kMinLookahead && position_ >= kWindowSize + kMaxDistance) slide();
    return lookahead() != 0;
  }

  void slide() {
    base_ += kWindowSize;
    position_ -= kWindowSize;
    match_start_ -= kWindowSize;
    const auto down = [](std::uint16_t* positions, unsigned count) {
      for (unsigned i = 0; i < count; ++i) {
        positions[i] = positions[i] >= kWindowSize ? static_cast<std::uint16_t>(positions[i] - kWindowSize) : 0;
      }
    };
    down(chains_[0].head, kHashSize);
    down(chains_[0].previous, kWindowSize);
  }

  /// Enters the current position into its chain; returns the one that headed it.
  ZIPFIT_INLINE unsigned insert() {
    std::uint16_t& head = chains_[0].head[hash3(window() + position_)];
    const std::uint16_t before = head;
    chains_[0].previous[position_ % kWindowSize] = before;
    head = static_cast<std::uint16_t>(position_);
    return before;
  }

  /// The longest match along a chain, if longer than `best`; the most recent among equals. Sets match_start_.
  unsigned longest_match(unsigned candidate, unsigned best, const Level& level) {
    const std::uint8_t* const window = this->window();
    const std::uint8_t* const here = window + position_;
    const unsigned limit = position_ > kMaxDistance ? position_ - kMaxDistance : 0;
    const auto most = static_cast<unsigned>(smaller_of<std::size_t>(lookahead(), kMaxMatch));
    const unsigned nice = smaller_of<unsigned>(level.nice, most);
    unsigned chain = best >= level.good ? level.chain >> 2 : level.chain;
    if (best >= most) return most;  // nothing can be longer; zlib searches all the same, to no effect
    do {
      const std::uint8_t* const there = window + candidate;
      if (there[best] == here[best] && there[0] == here[0]) {
        const unsigned length = common_length(there, here, most);
        if (length > best) {
          match_start_ = candidate;
          best = length;
          if (length >= nice) break;
        }
      }
      candidate = chains_[0].previous[candidate % kWindowSize];
    } while (candidate > limit && --chain != 0);
    return best;
  }

  void parse_greedy(const Level& level, std::size_t keep) {
    while (fill(keep)) {
      unsigned length = 0;
      if (lookahead() >= kMinMatch) {
        const unsigned candidate = insert();
        if (candidate && position_ - candidate <= kMaxDistance) length = longest_match(candidate, kMinMatch - 1, level);
      }
      if (length >= kMinMatch) {
        histogram_.add_match(length, position_ - match_start_);
        if (length <= level.lazy && lookahead() - length >= kMinMatch) {
          for (unsigned i = 1; i < length; ++i) {
            ++position_;
            insert();
          }
          ++position_;
        } else {
          position_ += length;
        }
      } else {
        histogram_.add_literal(window()[position_]);
        ++position_;
      }
      if (++symbols_ == kBlockSymbols) flush();
    }
  }

  void parse_lazy(const Level& level, std::size_t keep) {
    while (fill(keep)) {
      unsigned candidate = 0;
      if (lookahead() >= kMinMatch) candidate = insert();
      const unsigned previous_length = match_length_;
      const unsigned previous_start = match_start_;
      match_length_ = kMinMatch - 1;
      if (candidate && previous_length < level.lazy && position_ - candidate <= kMaxDistance) {
        match_length_ = longest_match(candidate, previous_length, level);
        if (match_length_ == kMinMatch && position_ - match_start_ > kTooFar) match_length_ = kMinMatch - 1;
      }
      if (previous_length >= kMinMatch && match_length_ <= previous_length) {
        histogram_.add_match(previous_length, position_ - 1 - previous_start);
        const std::size_t end = position_ + lookahead();
        const unsigned after = position_ + previous_length - 1;
        while (++position_ < after) {
          if (position_ + kMinMatch <= end) insert();
        }
        literal_pending_ = false;
        match_length_ = kMinMatch - 1;
        if (++symbols_ == kBlockSymbols) flush();
      } else {
        if (literal_pending_) {
          histogram_.add_literal(window()[position_ - 1]);
          if (++symbols_ == kBlockSymbols) flush();  // before the position advances: it counts in the stored length
        }
        literal_pending_ = true;
        ++position_;
      }
    }
    if (keep == 0 && literal_pending_) {
      histogram_.add_literal(window()[position_ - 1]);
      ++symbols_;
      literal_pending_ = false;
    }
  }

  void flush() {
    histogram_.literals[kEndOfBlock] = 1;
    const auto here = static_cast<std::int64_t>(base_ + position_);
    const bool storable = block_start_ >= static_cast<std::int64_t>(base_);
    bits_ = after_block(bits_, dynamic_bits(histogram_, scratch_), fixed_body_bits(histogram_),
                        storable ? static_cast<std::uint64_t>(here - block_start_) : kNotStorable);
    block_start_ = here;
    symbols_ = 0;
    histogram_ = {};
  }

  Array<Chains> chains_;
  BlockScratch scratch_;
  Histogram histogram_;
  Bytes text_;
  std::size_t base_ = 0;          // where in the text the window starts
  std::int64_t block_start_ = 0;  // in the text; before it, for a text cut off by a checkpoint
  std::uint64_t bits_ = 0;
  unsigned position_ = 0;  // in the window
  unsigned symbols_ = 0;   // in the block so far
  unsigned match_length_ = 0;
  unsigned match_start_ = 0;
  bool literal_pending_ = false;
};

}  // namespace zipfit::ZIPFIT_ISA::deflate
