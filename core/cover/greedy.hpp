// Lazy greedy maximisation of f(S) = sum_g w_g phi(c_g(S)) by gain per cost (Minoux 1978).
//
// The gain of a document only falls as the set grows (f is submodular), so a gain computed earlier bounds the gain now.
// A heap holds every document under its latest known gain per cost. The document on top is computed anew; if it still
// beats the next one's bound it is the greedy choice, and nobody else was looked at. Equal claims go to the earlier
// document, so the ranking is the one that computing every gain at every step would give.
//
// phi is a table, made once by the caller, so that every engine and platform adds the same numbers. Counts below
// `exact` are entries of their own; above, each octave [2^k, 2^(k+1)) has `exact / 2` entries and phi is linear between
// two of them. Chords of a concave function are concave: f stays submodular, and phi's relative error is below 1e-6.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "cover/features.hpp"

namespace zipfit::cover {

class Phi {
 public:
  static constexpr int bits = 10;
  static constexpr std::uint64_t exact = 1u << bits;
  static constexpr std::uint64_t largest = (std::uint64_t{1} << 40) - 1;  // counts above are taken for this

  // Entries: phi(0) .. phi(exact), then for each octave up to 2^40 the points one step to one octave beyond its start.
  static constexpr std::size_t entries = exact + 1 + (40 - bits) * (exact / 2);

  Phi() = default;
  explicit Phi(std::vector<double> table) : table_(std::move(table)) {
    if (table_.size() != entries)
      throw std::invalid_argument("phi must have " + std::to_string(entries) + " entries, not " +
                                  std::to_string(table_.size()));
  }

  double operator()(std::uint64_t count) const {
    if (count < exact) return table_[count];
    if (count > largest) count = largest;
    const int shift = std::bit_width(count) - bits;  // leaves the count's ten leading digits
    // Octave number `shift` starts at 2^(bits - 1 + shift), whose entry is exact + (shift - 1) * exact / 2.
    const std::size_t entry = (static_cast<std::size_t>(shift) - 1) * (exact / 2) + (count >> shift) + exact / 2;
    const std::uint64_t rest = count & ((std::uint64_t{1} << shift) - 1);
    const double below = table_[entry], above = table_[entry + 1];
    return below + (above - below) * (static_cast<double>(rest) / static_cast<double>(std::uint64_t{1} << shift));
  }

 private:
  std::vector<double> table_;
};

class Greedy {
 public:
  static constexpr int largest_exponent = 4;

  // A document's cost is max(its bytes, 1) ** cost_exponent.
  explicit Greedy(double cost_exponent) : cost_exponent_(cost_exponent) {}

  // Takes the documents over: a batch is good for one append.
  void append(Matches&& batch) {
    if (std::exchange(batch.appended, true)) throw std::invalid_argument("a batch can be appended once");
    features_ = std::max(features_, batch.features);
    if (documents_.size() + batch.documents.size() > std::numeric_limits<std::uint32_t>::max()) {
      throw std::length_error("cover ranks at most 2^32 - 1 documents");
    }
    batch.packed.shrink_to_fit();
    batches_.push_back(std::move(batch.packed));  // moving a vector leaves its elements where they are
    const std::uint16_t* at = batches_.back().data();
    for (const Matches::Extent& d : batch.documents) {
      documents_.push_back({at, d.once, d.all});
      costs_.push_back(std::pow(static_cast<double>(std::max<std::uint64_t>(d.bytes, 1)), cost_exponent_));
      pool_bytes_ += d.bytes;
      at += d.all;
    }
  }

  std::size_t features() const { return features_; }        // that the documents may have
  std::uint64_t pool_bytes() const { return pool_bytes_; }  // of all documents together

  // How often each feature occurs in all documents together; `features` is at least features().
  std::vector<std::int64_t> totals(std::size_t features) const {
    std::vector<std::int64_t> out(features);
    for (const Document& d : documents_) {
      d.read([&](std::uint32_t feature, std::uint32_t count) { out[feature] += count; });
    }
    return out;
  }

  // Begins anew with the empty set.
  void start(const std::vector<double>& weights, std::vector<double> phi) {
    if (weights.size() < features_) throw std::invalid_argument("weights must be one for each feature");
    phi_ = Phi(std::move(phi));
    weights_ = weights;
    counts_.assign(weights.size(), 0);
    next_.resize(weights.size());
    for (std::size_t g = 0; g < weights.size(); ++g) next_[g] = weights[g] * (phi_(1) - phi_(0));
    heap_.clear();
    heap_.reserve(documents_.size());
    for (std::size_t i = 0; i < documents_.size(); ++i) {
      const auto position = static_cast<std::uint32_t>(i);
      heap_.push_back({claim_of(position), position, 0});
    }
    for (std::size_t i = heap_.size() / 2; i-- > 0;) sift_down(i);
    chosen_ = 0;
  }

  // Chooses up to `most` further documents; calls visit(position, gain per cost) for each.
  template <class Visit>
  void take(std::size_t most, Visit&& visit) {
    while (most > 0 && !heap_.empty()) {
      Claim& top = heap_.front();
      if (top.known_at != chosen_ && top.worth > 0) {  // a gain of zero can fall no further
        top.worth = claim_of(top.position);
        top.known_at = chosen_;
        sift_down(0);
        continue;
      }
      const Claim best = top;
      heap_.front() = heap_.back();
      heap_.pop_back();
      if (!heap_.empty()) sift_down(0);
      if (best.worth > 0) add(best.position);
      visit(best.position, best.worth);
      --most;
    }
  }

 private:
  struct Document {
    const std::uint16_t* matches;
    std::uint32_t once, all;

    template <class Visit>
    void read(Visit&& visit) const {
      Matches::read(matches, once, all, visit);
    }
  };

  struct Claim {
    double worth;
    std::uint32_t position;
    std::uint32_t known_at;  // documents chosen when `worth` was computed

    bool beats(const Claim& other) const {
      return worth > other.worth || (worth == other.worth && position < other.position);
    }
  };

  // Gain per cost of a document now. The sum runs in the order of the matches: first the features that
  // occur once in the document, then the others, each in ascending order.
  double claim_of(std::uint32_t position) const {
    double gain = 0;
    documents_[position].read([&](std::uint32_t feature, std::uint32_t count) {
      gain +=
          count == 1 ? next_[feature] : weights_[feature] * (phi_(counts_[feature] + count) - phi_(counts_[feature]));
    });
    return gain / costs_[position];
  }

  void add(std::uint32_t position) {
    documents_[position].read([&](std::uint32_t feature, std::uint32_t count) {
      const std::uint64_t now = counts_[feature] += count;
      next_[feature] = weights_[feature] * (phi_(now + 1) - phi_(now));
    });
    ++chosen_;
  }

  void sift_down(std::size_t hole) {
    const Claim moving = heap_[hole];
    for (;;) {
      std::size_t child = 2 * hole + 1;
      if (child >= heap_.size()) break;
      if (child + 1 < heap_.size() && heap_[child + 1].beats(heap_[child])) ++child;
      if (!heap_[child].beats(moving)) break;
      heap_[hole] = heap_[child];
      hole = child;
    }
    heap_[hole] = moving;
  }

  double cost_exponent_;
  std::size_t features_ = 0;
  std::vector<std::vector<std::uint16_t>> batches_;
  std::vector<Document> documents_;
  std::vector<double> costs_;
  std::uint64_t pool_bytes_ = 0;
  Phi phi_;
  std::vector<double> weights_;        // by feature: w_g
  std::vector<std::uint64_t> counts_;  // by feature: c_g(S)
  std::vector<double> next_;           // by feature: w_g (phi(c_g + 1) - phi(c_g)), what most matches are worth
  std::vector<Claim> heap_;
  std::uint32_t chosen_ = 0;
};

}  // namespace zipfit::cover
