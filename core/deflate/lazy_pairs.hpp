// Pairs at the lazy levels (4 to 9), sharing all that pairs of one x share:
//
//  * what targets have in themselves, whatever stands before them (target_chains.hpp),
//  * the hash chains of x (source_chains.hpp),
//  * the parse of x up to its end (source_parse.hpp).
//
// What is left for a pair is the parse of the target (target_parse.hpp), with searches that look only at what zlib's
// result depends on (lazy_search.hpp). Blocks are sized by the batch (batch.hpp).
#pragma once

#include "deflate/batch.hpp"
#include "deflate/target_parse.hpp"

namespace zipfit::ZIPFIT_ISA::deflate {

class LazyPairs {
 public:
  LazyPairs(const Targets& targets, const TargetChains& chains, const Level& level)
      : targets_(targets),
        target_chains_(chains),
        level_(level),
        source_(chains),
        search_(source_, level),
        literals_(kLongestFastPair + kReadAhead) {}
  LazyPairs(const LazyPairs&) = delete;  // the search holds on to the chains
  LazyPairs& operator=(const LazyPairs&) = delete;

  /// Takes the next x, whose C(x) goes to `*size` by then or by finish().
  void start(Bytes x, std::int64_t* size) {
    source_.start(x);
    prefix_ = {};
    prefix_histogram_ = {};
    parse_source<true>(prefix_, prefix_histogram_, source_, search_, level_, source_.size());
    // C(x) is one more block of the batch.
    LazyState own = prefix_;
    Histogram& histogram = batch_.next();
    histogram = prefix_histogram_;
    parse_source<false>(own, histogram, source_, search_, level_, source_.size());
    if (own.literal_pending) histogram.add_literal(source_.text()[source_.size() - 1]);
    batch_.add(source_.size(), size);
  }

  /// Sizes x followed by target j; `*size` is written by then or by finish().
  void add(std::size_t j, std::int64_t* size) {
    const Bytes t = targets_[j];
    const unsigned total = source_.size() + static_cast<unsigned>(t.size);
    source_.append(j, t);
    LazyState state = prefix_;
    Histogram& histogram = batch_.next();
    histogram = prefix_histogram_;
    parse_source<false>(state, histogram, source_, search_, level_, total);
    parse_target(state, histogram, source_, search_, level_, total, target_chains_.of(targets_, j),
                 target_chains_.previous(targets_, j), source_.worth(j), literals_.data());
    source_.remove(j);
    batch_.add(total, size);
  }

  /// Sizes what is still waiting.
  void finish() { batch_.flush(); }

 private:
  const Targets& targets_;
  const TargetChains& target_chains_;
  const Level level_;
  SourceChains source_;
  LazySearch search_;
  Array<std::uint8_t> literals_;
  Batch batch_;
  LazyState prefix_;
  Histogram prefix_histogram_;
};

}  // namespace zipfit::ZIPFIT_ISA::deflate
