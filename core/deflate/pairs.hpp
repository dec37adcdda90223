// gzip sizes of all pairs x + t for one x.
#pragma once

#include "deflate/lazy_pairs.hpp"

namespace zipfit::ZIPFIT_ISA::deflate {

class GzipPairs final : public Pairs {
 public:
  GzipPairs(const Text* texts, std::size_t count, const Level& level)
      : targets_(texts, count), target_sizes_(count), level_(level), chains_(targets_, level) {
    Sizer sizer;
    for (std::size_t j = 0; j < count; ++j) target_sizes_[j] = static_cast<std::int64_t>(sizer.size(targets_[j], level));
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
  TargetChains chains_;
};

class GzipPairSizer final : public PairSizer {
 public:
  explicit GzipPairSizer(const GzipPairs& pairs)
      : pairs_(pairs), fast_(pairs.targets(), pairs.chains(), pairs.level()) {}

  std::int64_t sizes(Text text, const std::int32_t* columns, std::size_t count, std::int64_t* sizes) override {
    const Bytes x = {text.data, text.size};
    const Targets& targets = pairs_.targets();
    const bool fast = !pairs_.level().greedy && fast_source(x.size);
    if (fast) fast_.start(x);
    bool checkpointed = false;
    for (std::size_t i = 0; i < count; ++i) {
      const auto j = static_cast<std::size_t>(columns[i]);
      if (fast && fast_target(targets[j].size) && x.size + targets[j].size <= kLongestFastPair) {
        fast_.add(j, &sizes[i]);
      } else {
        if (!checkpointed) sizer_.prefix(x, pairs_.level(), targets.longest(), checkpoint_);
        checkpointed = true;
        sizes[i] = static_cast<std::int64_t>(sizer_.resume(checkpoint_, targets[j], pairs_.level()));
      }
    }
    if (fast) return fast_.finish();
    if (checkpointed) return static_cast<std::int64_t>(sizer_.resume(checkpoint_, {}, pairs_.level()));
    return static_cast<std::int64_t>(sizer_.size(x, pairs_.level()));
  }

 private:
  const GzipPairs& pairs_;
  LazyPairs fast_;
  Sizer sizer_;
  Sizer::Checkpoint checkpoint_;
};

inline PairSizer* GzipPairs::sizer() const { return new GzipPairSizer(*this); }

}  // namespace zipfit::ZIPFIT_ISA::deflate
