// gzip sizes of all pairs x + t for one x: the fast path of the level where it applies, the general sizer elsewhere.
#pragma once

#include "deflate/greedy_pairs.hpp"
#include "deflate/lazy_pairs.hpp"
#include "deflate/sizer.hpp"

namespace zipfit::ZIPFIT_ISA::deflate {

class GzipPairs final : public Pairs {
 public:
  GzipPairs(const Text* texts, std::size_t count, const Level& level)
      : targets_(texts, count), target_sizes_(count), level_(level) {
    Sizer sizer;
    for (std::size_t j = 0; j < count; ++j)
      target_sizes_[j] = static_cast<std::int64_t>(sizer.size(targets_[j], level));
    if (!level.greedy) chains_ = TargetChains(targets_, level);
  }

  std::size_t count() const override { return targets_.count(); }
  const std::int64_t* target_sizes() const override { return target_sizes_.data(); }
  PairSizer* sizer() const override;

  const Targets& targets() const { return targets_; }
  const TargetChains& chains() const { return chains_; }
  const Level& level() const { return level_; }

 private:
  Targets targets_;
  Array<std::int64_t> target_sizes_;
  Level level_;
  TargetChains chains_;  // of the lazy levels only
};

/// `Fast` sizes the pairs that fast_pair() admits: LazyPairs or GreedyPairs.
template <class Fast>
class GzipPairSizer final : public PairSizer {
 public:
  template <class... Options>
  explicit GzipPairSizer(const GzipPairs& pairs, const Options&... options)
      : pairs_(pairs), fast_(pairs.targets(), options...) {}

  void sizes(Text text, const std::int32_t* columns, std::size_t count, std::int64_t* source,
             std::int64_t* sizes) override {
    const Bytes x = {text.data, text.size};
    const Targets& targets = pairs_.targets();
    const Level& level = pairs_.level();
    if (x.size == 0) {
      for (std::size_t i = 0; i < count; ++i) sizes[i] = pairs_.target_sizes()[columns[i]];
      *source = kEmptyGzip;
      return;
    }
    const bool fast = fast_source(x.size);
    bool checkpointed = false;
    if (fast) fast_.start(x, source);
    for (std::size_t i = 0; i < count; ++i) {
      const auto j = static_cast<std::size_t>(columns[i]);
      if (fast && fast_pair(x.size, targets[j].size)) {
        fast_.add(j, &sizes[i]);
        continue;
      }
      if (!checkpointed) sizer_.prefix(x, level, targets.longest(), checkpoint_);
      checkpointed = true;
      sizes[i] = static_cast<std::int64_t>(sizer_.resume(checkpoint_, targets[j], level));
    }
    if (fast) return;
    *source = static_cast<std::int64_t>(checkpointed ? sizer_.resume(checkpoint_, {}, level) : sizer_.size(x, level));
  }

  void finish() override { fast_.finish(); }

 private:
  const GzipPairs& pairs_;
  Fast fast_;
  Sizer sizer_;
  Sizer::Checkpoint checkpoint_;
};

inline PairSizer* GzipPairs::sizer() const {
  if (level_.greedy) return new GzipPairSizer<GreedyPairs>(*this, level_);
  return new GzipPairSizer<LazyPairs>(*this, chains_, level_);
}

}  // namespace zipfit::ZIPFIT_ISA::deflate
