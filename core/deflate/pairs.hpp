#pragma once
#include "deflate/sizer.hpp"
#include "targets.hpp"

namespace zipfit::ZIPFIT_ISA::deflate {

class GzipPairs final : public Pairs {
 public:
  GzipPairs(const Text* texts, std::size_t count, const Level& level)
      : targets_(texts, count), target_sizes_(count), level_(level) {
    Sizer sizer;
    for (std::size_t j = 0; j < count; ++j) target_sizes_[j] = static_cast<std::int64_t>(sizer.size(targets_[j], level));
  }
  std::size_t count() const override { return targets_.count(); }
  const std::int64_t* target_sizes() const override { return target_sizes_.data(); }
  PairSizer* sizer() const override;

  const Targets& targets() const { return targets_; }
  const Level& level() const { return level_; }

 private:
  Targets targets_;
  Array<std::int64_t> target_sizes_;
  Level level_;
};

class GzipPairSizer final : public PairSizer {
 public:
  explicit GzipPairSizer(const GzipPairs& pairs) : pairs_(pairs) {}
  std::int64_t sizes(Text x, const std::int32_t* columns, std::size_t count, std::int64_t* sizes) override {
    sizer_.prefix({x.data, x.size}, pairs_.level(), pairs_.targets().longest(), checkpoint_);
    for (std::size_t i = 0; i < count; ++i) {
      sizes[i] = static_cast<std::int64_t>(
          sizer_.resume(checkpoint_, pairs_.targets()[static_cast<std::size_t>(columns[i])], pairs_.level()));
    }
    return static_cast<std::int64_t>(sizer_.resume(checkpoint_, {}, pairs_.level()));
  }

 private:
  const GzipPairs& pairs_;
  Sizer sizer_;
  Sizer::Checkpoint checkpoint_;
};

inline PairSizer* GzipPairs::sizer() const { return new GzipPairSizer(*this); }

}  // namespace zipfit::ZIPFIT_ISA::deflate
