// Hashed n-gram features of DSIR (Xie et al. 2023, section 4): counts of a text's word 1- to n-grams over hash buckets.
//
// Cost. Hashing would dominate: a text has an n-gram, and so a SHA-256, for every two bytes. But n-grams repeat (Zipf),
// so a direct-mapped memo from n-gram to bucket stands in front: a slot holds one n-gram's bytes, its length and its
// bucket; a clash overwrites. It is exact (whole n-grams are compared) and its memory is fixed, and on a pool of 46 MB
// from a hundred sources it answers four n-grams in five. The alternative, interning tokens and keying bigrams by a pair
// of ids, needs either unbounded memory or an eviction of its own.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "features/sha256.hpp"
#include "features/wordpunct.hpp"

namespace zipfit::features {

// A direct-mapped memo of Sha256Bucket. Its slots are spread over more memory than the near caches hold, so a look-up
// comes in two steps, `prefetch` some n-grams ahead of `bucket`, which about halves the cost of a hit.
// Precondition throughout: Tokens::kSlack bytes from the n-gram's first are readable.
class BucketMemo {
  struct alignas(32) Slot {
    std::array<std::uint64_t, 3> bytes;  // the n-gram, filled up with zeros
    std::uint32_t length;                // 0: vacant, for no n-gram is empty
    std::uint32_t bucket;
  };

 public:
  // A slot and what would have to be in it.
  class Claim {
    friend BucketMemo;
    std::array<std::uint64_t, 3> bytes;
    std::string_view ngram;
    Slot* slot;
  };

  explicit BucketMemo(Sha256Bucket hash) : hash_(hash), slots_(kSlots) {}

  Claim prefetch(std::string_view ngram) {
    Claim claim;
    claim.ngram = ngram;
    claim.bytes = zero_padded(ngram);
    claim.slot = &slots_[mix(claim.bytes) >> (64 - kSlotBits)];
#if defined(__GNUC__) || defined(__clang__)
    __builtin_prefetch(claim.slot, 1);
#endif
    return claim;
  }

  std::uint32_t bucket(const Claim& claim) {
    if (claim.ngram.size() > kMaxBytes) return hash_(claim.ngram);
    Slot& slot = *claim.slot;
    if (slot.length != claim.ngram.size() || slot.bytes != claim.bytes) {
      slot = {claim.bytes, static_cast<std::uint32_t>(claim.ngram.size()), hash_(claim.ngram)};
    }
    return slot.bucket;
  }

 private:
  static constexpr std::size_t kMaxBytes = sizeof(Slot::bytes);  // longer n-grams are one or two in a hundred
  static constexpr int kSlotBits = 18;                           // 8 MiB a thread
  static constexpr std::size_t kSlots = std::size_t{1} << kSlotBits;
  static_assert(sizeof(Slot) == 32 && kMaxBytes <= Tokens::kSlack);

  // The first 24 bytes of the n-gram, with zeros for those past its end.
  static std::array<std::uint64_t, 3> zero_padded(std::string_view ngram) {
    static constexpr auto kMasks = [] {
      std::array<unsigned char, 2 * kMaxBytes> masks{};
      for (std::size_t i = 0; i < kMaxBytes; ++i) masks[i] = 0xFF;
      return masks;
    }();
    std::array<std::uint64_t, 3> bytes;
    std::array<std::uint64_t, 3> mask;
    std::memcpy(bytes.data(), ngram.data(), kMaxBytes);
    std::memcpy(mask.data(), kMasks.data() + kMaxBytes - std::min(ngram.size(), kMaxBytes), kMaxBytes);
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] &= mask[i];
    return bytes;
  }

  // Only spreads n-grams over slots; correctness does not lean on it.
  static std::uint64_t mix(const std::array<std::uint64_t, 3>& bytes) {
    constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15;  // 2^64 / golden ratio
    std::uint64_t h = 0;
    for (const std::uint64_t word : bytes) {
      h = (h ^ word) * kOdd;
      h ^= h >> 32;
    }
    return h * kOdd;
  }

  Sha256Bucket hash_;
  std::vector<Slot> slots_;
};

// Counts hashed n-grams of texts. Holds scratch and a memo, so one object serves one thread at a time.
class HashedNgrams {
 public:
  HashedNgrams(std::shared_ptr<const WordPunct> tokenizer, int order, Sha256Bucket hash)
      : tokenizer_(std::move(tokenizer)),
        order_(static_cast<std::size_t>(order)),
        memo_(hash),
        counts_(hash.buckets()),
        touched_((hash.buckets() + 63) / 64) {}

  // Add the counts of `text` to counts[0 .. buckets); return how many n-grams it has.
  std::int64_t count(std::string_view text, std::int64_t* counts) {
    std::int64_t total = 0;
    each(text, [&](std::uint32_t bucket) {
      ++counts[bucket];
      ++total;
    });
    return total;
  }

  // dots[t] = sum over buckets b, ascending, of tables[t][b] * count of b in `text`; return how many n-grams it has.
  // Summing bucket by bucket makes texts with equal counts score equally, to the bit, whatever the order of their words.
  std::int64_t dot(std::string_view text, const double* tables, std::size_t n_tables, double* dots) {
    std::int64_t total = 0;
    each(text, [&](std::uint32_t bucket) {
      ++counts_[bucket];
      touched_[bucket / 64] |= std::uint64_t{1} << (bucket % 64);
      ++total;
    });
    std::fill(dots, dots + n_tables, 0.0);
    for (std::size_t word = 0; word < touched_.size(); ++word) {
      for (std::uint64_t bits = touched_[word]; bits != 0; bits &= bits - 1) {
        const std::size_t bucket = word * 64 + static_cast<std::size_t>(std::countr_zero(bits));
        const double n = static_cast<double>(counts_[bucket]);
        for (std::size_t t = 0; t < n_tables; ++t) dots[t] += tables[t * counts_.size() + bucket] * n;
        counts_[bucket] = 0;
      }
      touched_[word] = 0;
    }
    return total;
  }

 private:
  template <class F>
  void each(std::string_view text, F&& visit) {
    constexpr std::size_t kAhead = 8;
    std::array<BucketMemo::Claim, kAhead> claims;
    (*tokenizer_)(text, tokens_);
    for (std::size_t n = 1; n <= std::min(order_, tokens_.size()); ++n) {
      const std::size_t n_ngrams = tokens_.size() - n + 1;
      for (std::size_t i = 0; i < n_ngrams + kAhead; ++i) {
        if (i >= kAhead) visit(memo_.bucket(claims[i % kAhead]));
        if (i < n_ngrams) claims[i % kAhead] = memo_.prefetch(tokens_.ngram(i, n));
      }
    }
  }

  std::shared_ptr<const WordPunct> tokenizer_;
  std::size_t order_;
  BucketMemo memo_;
  Tokens tokens_;
  std::vector<std::int64_t> counts_;    // zero between calls
  std::vector<std::uint64_t> touched_;  // a bit for each bucket of counts_ that is not zero
};

}  // namespace zipfit::features
