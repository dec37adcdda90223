// LZ4 frame sizes of all pairs x + t for one x.
//
// The parse of x is done once, up to its first step that could see past the end of x. Each target goes on from there on
// the same table, and a log of what it overwrote there puts the table back for the next: a few dozen words, instead of
// the 16 KB that a fresh table costs.
//
// A pair of more than one block is another matter, as its blocks are linked. When x alone has several, its whole blocks
// are sized once, and each pair goes on from a copy of the table they left. When only the pair has, it is sized from
// the start.
#pragma once

#include "lz4/frame.hpp"
#include "targets.hpp"

namespace zipfit::ZIPFIT_ISA::lz4 {

class Lz4Pairs final : public Pairs {
 public:
  Lz4Pairs(const Text* texts, std::size_t count) : targets_(texts, count), target_sizes_(count) {
    for (std::size_t j = 0; j < count; ++j) target_sizes_[j] = static_cast<std::int64_t>(size(targets_[j]));
  }

  std::size_t count() const override { return targets_.count(); }
  const std::int64_t* target_sizes() const override { return target_sizes_.data(); }
  PairSizer* sizer() const override;

  const Targets& targets() const { return targets_; }

 private:
  Targets targets_;
  Array<std::int64_t> target_sizes_;
};

/// What a parse overwrote in a table, to be undone.
class UndoLog {
 public:
  struct Entry {
    std::uint16_t hash;
    LoneTable::Position before;
  };

  explicit UndoLog(Entry* start) : start_(start), end_(start) {}

  ZIPFIT_INLINE void record(unsigned hash, std::size_t before) {
    *end_++ = {static_cast<std::uint16_t>(hash), static_cast<LoneTable::Position>(before)};
  }

  ZIPFIT_INLINE void undo(LoneTable& table) {
    while (end_ != start_) {
      --end_;
      table.at[end_->hash] = end_->before;
    }
  }

 private:
  Entry* start_;
  Entry* end_;
};

class Lz4PairSizer final : public PairSizer {
 public:
  explicit Lz4PairSizer(const Lz4Pairs& pairs) : targets_(pairs.targets()), table_(1) {}

  void sizes(Text x, const std::int32_t* columns, std::size_t count, std::int64_t* source,
             std::int64_t* sizes) override {
    text_.reserve(x.size + targets_.longest());
    entered_.reserve(2 * smaller_of(kBlockSize, text_.size()));  // a parse enters at most two positions at each
    if (x.size) std::memcpy(text_.data(), x.data, x.size);
    if (x.size <= kBlockSize) {
      parse_prefix(x.size);
    } else {
      size_whole_blocks(x.size);
    }
    for (std::size_t i = 0; i < count; ++i) {
      const Bytes target = targets_[static_cast<std::size_t>(columns[i])];
      if (target.size) std::memcpy(text_.data() + x.size, target.data, target.size);
      sizes[i] = static_cast<std::int64_t>(pair(x.size, x.size + target.size));
    }
    *source = static_cast<std::int64_t>(x.size <= kBlockSize ? size({x.data, x.size}) : linked(x.size));
  }

  void finish() override {}

 private:
  void parse_prefix(std::size_t prefix) {
    std::memset(table_[0].at, 0, sizeof table_[0].at);
    progress_ = block_start(0);
    started_ = prefix >= kMinInput;
    if (!started_) return;
    NoLog log;
    table_[0].at[LoneTable::hash(text_.data())] = 0;
    run<true>(text_.data(), 0, prefix, 0, table_[0], log, progress_);
  }

  /// Sizes the blocks that lie in x whole, x having more than one.
  void size_whole_blocks(std::size_t prefix) {
    whole_.reserve(1);
    linked_.reserve(1);
    whole_[0] = {};
    whole_end_ = prefix / kBlockSize * kBlockSize;
    whole_bytes_ = linked_blocks(text_.data(), 0, whole_end_, whole_[0]);
    started_ = false;
  }

  /// The frame of the first `end` bytes, from the end of x's whole blocks on.
  std::size_t linked(std::size_t end) {
    linked_[0] = whole_[0];
    return frame_bytes(end) + whole_bytes_ + linked_blocks(text_.data(), whole_end_, end, linked_[0]);
  }

  std::size_t pair(std::size_t prefix, std::size_t end) {
    if (prefix > kBlockSize) return linked(end);
    if (end > kBlockSize || !started_) return size({text_.data(), end});
    Progress progress = progress_;
    UndoLog log(entered_.data());
    const Outcome outcome = progress.needed > end - 1
                                ? Outcome::kStored
                                : run<false>(text_.data(), 0, end, end - 1, table_[0], log, progress);
    log.undo(table_[0]);
    return frame_bytes(end) + block_bytes(outcome, progress, end, end);
  }

  const Targets& targets_;
  Array<LoneTable> table_;
  Array<UndoLog::Entry> entered_;
  Array<std::uint8_t> text_;
  Progress progress_ = {};
  Array<LinkedTable> whole_;   // as x's whole blocks left it
  Array<LinkedTable> linked_;  // the same, for the pair at hand
  std::size_t whole_end_ = 0;
  std::size_t whole_bytes_ = 0;
  bool started_ = false;
};

inline PairSizer* Lz4Pairs::sizer() const { return new Lz4PairSizer(*this); }

}  // namespace zipfit::ZIPFIT_ISA::lz4
