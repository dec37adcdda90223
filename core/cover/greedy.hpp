// Lazy greedy maximisation of f(S) = sum_g w_g phi(c_g(S)) by gain per cost (Minoux 1978).
//
// The gain of a document only falls as the set grows (f is submodular), so a gain computed earlier bounds the gain now.
// A heap holds documents under their latest known gain per cost. The document on top is computed anew; if it still
// beats the next one's bound it is the greedy choice, and nobody else was looked at. Equal claims go to the earlier
// document, so the ranking is the one that computing every gain at every step would give.
//
// Memory. Of most documents all that is kept is the bound, 8 bytes; their matches, as large as the pool, lie in a file.
// Held in memory are the matches of the best, up to a limit in bytes. As long as the best of them beats the highest
// bound outside, nothing outside matters. When it does not, one pass over the file computes anew the claims of those
// whose bounds are high enough to matter, and the best are held from then on. Claims fall fast at first and ever more
// slowly, so passes become rare: a million documents took 3 for the first 500 choices and PASSES for 25,000, at less than
// a second each. Which documents are held, and when, never shows in the result.
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
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "cover/features.hpp"
#include "cover/spool.hpp"

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

  // Bytes of matches held in memory. A quarter of it costs a fifth more passes over the file.
  static constexpr std::size_t default_held = std::size_t{1} << 26;

  // A document's cost is max(its bytes, 1) ** cost_exponent. The file goes to `folder`, see Spool.
  explicit Greedy(double cost_exponent, std::string folder = {}, std::size_t held = default_held)
      : cost_exponent_(cost_exponent), folder_(std::move(folder)), most_held_(held) {}

  // Takes the documents over: a batch is good for one append.
  void append(Matches&& batch) {
    if (std::exchange(batch.appended, true)) throw std::invalid_argument("a batch can be appended once");
    features_ = std::max(features_, batch.features);
    if (documents_ + batch.documents.size() > std::numeric_limits<std::uint32_t>::max()) {
      throw std::length_error("cover ranks at most 2^32 - 1 documents");
    }
    if (!spool_) spool_ = std::make_unique<Spool>(folder_);
    spool_->to_end();
    const std::vector<std::uint16_t> packed = std::move(batch.packed);
    const std::uint16_t* at = packed.data();
    for (const Matches::Extent& d : batch.documents) {
      spool_->write(&d, sizeof d);
      spool_->write(at, d.all * sizeof *at);
      at += d.all;
      pool_bytes_ += d.bytes;
    }
    documents_ += batch.documents.size();
  }

  std::size_t features() const { return features_; }        // that the documents may have
  std::uint64_t pool_bytes() const { return pool_bytes_; }  // of all documents together

  // How often each feature occurs in all documents together; `features` is at least features().
  std::vector<std::int64_t> totals(std::size_t features) {
    std::vector<std::int64_t> out(features);
    each(documents_, [&](std::uint32_t, const Matches::Extent& d, const std::uint16_t* matches) {
      Matches::read(matches, d.once, d.all, [&](std::uint32_t feature, std::uint32_t count) { out[feature] += count; });
    });
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
    held_.clear();
    held_bytes_ = 0;
    bounds_.assign(documents_, std::numeric_limits<double>::infinity());
    outside_ = {documents_ > 0 ? bounds_[0] : 0, 0};
    chosen_ = 0;
    idle_ = 0;
  }

  // Chooses up to `most` further documents; calls visit(position, gain per cost) for each.
  template <class Visit>
  void take(std::size_t most, Visit&& visit) {
    while (most > 0) {
      if (outside_.worth > 0 && (held_.empty() || outside_.beats(held_.front().claim))) {
        gather();
      } else if (held_.empty()) {  // only documents that add nothing are left; they come in source order
        while (idle_ < bounds_.size() && bounds_[idle_] == elsewhere) ++idle_;
        if (idle_ == bounds_.size()) return;
        visit(static_cast<std::uint32_t>(idle_++), 0.0);
        --most;
      } else if (held_.front().known_at != chosen_) {
        renew(held_.front());
        held_.front().claim.worth > 0 ? sift_down() : drop();
      } else {
        add(held_.front());
        visit(held_.front().claim.position, held_.front().claim.worth);
        drop();
        --most;
      }
    }
  }

 private:
  static constexpr double elsewhere = -1;  // for a bound: the document is held, or was chosen

  struct Claim {
    double worth;
    std::uint32_t position;

    bool beats(const Claim& other) const {
      return worth > other.worth || (worth == other.worth && position < other.position);
    }
  };

  struct Held {
    Claim claim;
    std::uint32_t known_at;  // documents chosen when the worth was computed
    std::uint32_t once;      // 16-bit words of the features that occur once
    double cost;
    std::vector<std::uint16_t> matches;

    std::size_t bytes() const { return sizeof(Held) + matches.size() * sizeof(std::uint16_t); }
  };

  static bool weaker(const Held& a, const Held& b) { return b.claim.beats(a.claim); }
  static bool stronger(const Held& a, const Held& b) { return a.claim.beats(b.claim); }

  // Calls visit(position, extent, matches) for each of the first `documents`, in source order.
  template <class Visit>
  void each(std::size_t documents, Visit&& visit) {
    if (documents == 0) return;
    spool_->rewind();
    std::vector<std::uint16_t> matches;
    for (std::size_t position = 0; position < documents; ++position) {
      Matches::Extent extent;
      spool_->read(&extent, sizeof extent);
      matches.resize(extent.all);
      spool_->read(matches.data(), extent.all * sizeof matches[0]);
      visit(static_cast<std::uint32_t>(position), extent, matches.data());
    }
  }

  // Computes anew whatever claims may be among the best, and holds the best. Afterwards every document held has its
  // claim of now, and beats all that are not.
  void gather() {
    std::erase_if(held_, [&](Held& h) {
      renew(h);
      if (h.claim.worth > 0) return false;
      bounds_[h.claim.position] = 0;
      held_bytes_ -= h.bytes();
      return true;
    });
    std::make_heap(held_.begin(), held_.end(), stronger);  // the weakest in front
    bool full = false;
    each(bounds_.size(), [&](std::uint32_t position, const Matches::Extent& extent, const std::uint16_t* matches) {
      double& bound = bounds_[position];
      const auto hopeless = [&] { return !(bound > 0) || (full && held_.front().claim.beats({bound, position})); };
      if (hopeless()) return;
      const double cost = std::pow(static_cast<double>(std::max<std::uint64_t>(extent.bytes, 1)), cost_exponent_);
      bound = worth_of(matches, extent.once, extent.all, cost);
      if (hopeless()) return;
      held_.push_back({{bound, position}, chosen_, extent.once, cost, {matches, matches + extent.all}});
      held_bytes_ += held_.back().bytes();
      bound = elsewhere;
      std::push_heap(held_.begin(), held_.end(), stronger);
      while (held_bytes_ > most_held_ && held_.size() > 1) {
        full = true;
        std::pop_heap(held_.begin(), held_.end(), stronger);
        bounds_[held_.back().claim.position] = held_.back().claim.worth;
        held_bytes_ -= held_.back().bytes();
        held_.pop_back();
      }
    });
    std::make_heap(held_.begin(), held_.end(), weaker);  // the strongest in front
    outside_ = {0, 0};
    for (std::size_t i = 0; i < bounds_.size(); ++i) {
      if (bounds_[i] > outside_.worth) outside_ = {bounds_[i], static_cast<std::uint32_t>(i)};
    }
  }

  // Gain per cost of a document now. The sum runs in the order of the matches: first the features that
  // occur once in the document, then the others, each in ascending order.
  double worth_of(const std::uint16_t* matches, std::uint32_t once, std::uint32_t all, double cost) const {
    double gain = 0;
    Matches::read(matches, once, all, [&](std::uint32_t feature, std::uint32_t count) {
      gain +=
          count == 1 ? next_[feature] : weights_[feature] * (phi_(counts_[feature] + count) - phi_(counts_[feature]));
    });
    return gain / cost;
  }

  void renew(Held& h) const {
    h.claim.worth = worth_of(h.matches.data(), h.once, static_cast<std::uint32_t>(h.matches.size()), h.cost);
    h.known_at = chosen_;
  }

  // Takes a document into the set.
  void add(const Held& h) {
    const auto all = static_cast<std::uint32_t>(h.matches.size());
    Matches::read(h.matches.data(), h.once, all, [&](std::uint32_t feature, std::uint32_t count) {
      const std::uint64_t now = counts_[feature] += count;
      next_[feature] = weights_[feature] * (phi_(now + 1) - phi_(now));
    });
    ++chosen_;
  }

  // Lets go of the strongest document held: it was chosen, or adds nothing.
  void drop() {
    Held& first = held_.front();
    if (!(first.claim.worth > 0)) bounds_[first.claim.position] = 0;
    held_bytes_ -= first.bytes();
    if (held_.size() > 1) first = std::move(held_.back());
    held_.pop_back();
    if (!held_.empty()) sift_down();
  }

  void sift_down() {
    Held moving = std::move(held_.front());
    std::size_t hole = 0;
    for (;;) {
      std::size_t child = 2 * hole + 1;
      if (child >= held_.size()) break;
      if (child + 1 < held_.size() && held_[child + 1].claim.beats(held_[child].claim)) ++child;
      if (!held_[child].claim.beats(moving.claim)) break;
      held_[hole] = std::move(held_[child]);
      hole = child;
    }
    held_[hole] = std::move(moving);
  }

  double cost_exponent_;
  std::string folder_;
  std::size_t most_held_;
  std::size_t features_ = 0;
  std::size_t documents_ = 0;
  std::uint64_t pool_bytes_ = 0;
  std::unique_ptr<Spool> spool_;  // for each document its extent and its matches
  Phi phi_;
  std::vector<double> weights_;        // by feature: w_g
  std::vector<std::uint64_t> counts_;  // by feature: c_g(S)
  std::vector<double> next_;           // by feature: w_g (phi(c_g + 1) - phi(c_g)), what most matches are worth
  std::vector<double> bounds_;         // by position: at least the gain per cost now, or `elsewhere`
  std::vector<Held> held_;             // a heap, the strongest in front
  std::size_t held_bytes_ = 0;
  Claim outside_{0, 0};       // the strongest of bounds_
  std::uint32_t chosen_ = 0;  // documents in the set
  std::size_t idle_ = 0;      // documents before this one that add nothing were taken
};

}  // namespace zipfit::cover
