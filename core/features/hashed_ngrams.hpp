// Hashed n-gram features of DSIR (Xie et al. 2023, section 4): the buckets of a text's word 1- to n-grams, an n-gram
// being its tokens with single spaces between.
//
// Cost. Hashing would dominate: a text has an n-gram, and so a SHA-256, for every two bytes. But n-grams repeat (Zipf),
// so memos stand in front. Of a token the key is its bytes; of a longer n-gram two numbers, those of the n-gram without
// its last token and of that token, as in a trie. Each memo entry has a number of its own, which is never given again:
// so a memo can be direct-mapped, a clash just overwrites, and what was built on the number that is lost is never found
// again. It is exact, its memory is fixed, and on a pool of 46 MB from a hundred sources it answers three n-grams in
// four (four in five with two places for each key, in the same time). What is left is hashed some n-grams at a time.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "features/sha256.hpp"
#include "features/wordpunct.hpp"

namespace zipfit::features {

// A direct-mapped memo of 2^bits n-grams: from a key of so many words to number and bucket. It lies in more memory than
// the near caches hold, so a look-up comes in two steps, `claim` some n-grams ahead of what needs it.
template <std::size_t kWords>
class NgramMemo {
 public:
  using Key = std::array<std::uint64_t, kWords>;

  struct Slot {
    Key key;
    std::uint32_t number;  // 0: vacant
    std::uint32_t bucket;

    bool holds(const Key& other) const {
      std::uint64_t difference = 0;
      for (std::size_t word = 0; word < kWords; ++word) difference |= key[word] ^ other[word];
      return difference == 0 && number != 0;
    }
  };

  explicit NgramMemo(int bits) : shift_(64 - bits), slots_(std::size_t{1} << bits) {}

  // Where the key is if it is anywhere.
  Slot* claim(const Key& key) {
    Slot* const slot = &slots_[mix(key) >> shift_];
#if defined(__GNUC__) || defined(__clang__)
    __builtin_prefetch(slot, 1);
#endif
    return slot;
  }

  void clear() { std::fill(slots_.begin(), slots_.end(), Slot{}); }

 private:
  // Only spreads n-grams over slots; correctness does not lean on it.
  static std::uint64_t mix(const Key& key) {
    constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15;  // 2^64 / golden ratio
    std::uint64_t h = 0;
    for (const std::uint64_t word : key) {
      h = (h ^ word) * kOdd;
      h ^= h >> 32;
    }
    return h * kOdd;
  }

  int shift_;
  std::vector<Slot> slots_;
};

// The buckets of texts' n-grams, and sums over them. Holds scratch and memos, so one object serves one thread at a
// time.
class HashedNgrams {
 public:
  // first_number: of the memos' entries; the fuzzer begins near the last.
  HashedNgrams(std::shared_ptr<const WordPunct> tokenizer, int order, Sha256Bucket hash, std::uint32_t first_number = 1)
      : tokenizer_(std::move(tokenizer)),
        order_(static_cast<std::size_t>(order)),
        hash_(hash),
        next_number_(first_number) {}

  // Append the bucket of each n-gram of `text`, which is UTF-8, to numbers that are wide enough; return how many.
  template <class Bucket>
  std::int64_t buckets(std::string_view text, std::vector<Bucket>& out) {
    text_ = text;
    const std::size_t n_tokens = (*tokenizer_)(text, tokens_);
    const std::size_t before = out.size();
    token_numbers_.resize(std::max(token_numbers_.size(), n_tokens));
    numbers_.resize(std::max(numbers_.size(), n_tokens));
    if (next_number_ == kNone) {  // all are given: begin anew
      tokens_memo_.clear();
      ngrams_memo_.clear();
      next_number_ = 1;
    }
    for (std::size_t n = 1; n <= std::min(order_, n_tokens); ++n) {
      const std::size_t n_ngrams = n_tokens - n + 1;
      const std::size_t done = out.size();
      out.resize(done + n_ngrams);
      if (n == 1) {
        look_up(
            tokens_memo_, [&](std::size_t i, auto& key) { return token_key(i, key); }, 1, n_ngrams, out.data() + done);
      } else {
        look_up(
            ngrams_memo_, [&](std::size_t i, auto& key) { return ngram_key(i, n, key); }, n, n_ngrams,
            out.data() + done);
      }
      if (n == 1) std::copy_n(numbers_.begin(), n_tokens, token_numbers_.begin());
    }
    return static_cast<std::int64_t>(out.size() - before);
  }

 private:
  static constexpr std::size_t kGroup = Sha256Bucket::kTogether;
  static constexpr std::size_t kLongest = 23;  // bytes of a token that has a key
  static constexpr std::size_t kCopied = 32;
  static constexpr std::uint32_t kNone = 0;  // the number of an n-gram that is in no memo
  static constexpr std::uint32_t kPending = std::numeric_limits<std::uint32_t>::max();  // the bucket is being hashed

  using TokenMemo = NgramMemo<3>;
  using LongerMemo = NgramMemo<1>;

  // The token's bytes, zeros, and its length in the last byte; false if it is too long.
  bool token_key(std::size_t i, TokenMemo::Key& key) const {
    const Token token = tokens_[i];
    const std::size_t size = token.end - token.begin;
    if (size > kLongest) return false;
    static constexpr auto kMasks = [] {
      std::array<unsigned char, 2 * sizeof(TokenMemo::Key)> masks{};
      std::fill_n(masks.begin(), sizeof(TokenMemo::Key), static_cast<unsigned char>(0xFF));
      return masks;
    }();
    if (text_.size() - token.begin >= sizeof key) {
      TokenMemo::Key mask;
      std::memcpy(mask.data(), kMasks.data() + sizeof key - size, sizeof mask);
      std::memcpy(key.data(), text_.data() + token.begin, sizeof key);
      for (std::size_t word = 0; word < key.size(); ++word) key[word] &= mask[word];
    } else {
      key = {};
      std::memcpy(key.data(), text_.data() + token.begin, size);
    }
    key[2] |= std::uint64_t{size} << (std::endian::native == std::endian::little ? 56 : 0);
    return true;
  }

  // The numbers of the n-gram without its last token and of that; false if one has none.
  bool ngram_key(std::size_t i, std::size_t n, LongerMemo::Key& key) const {
    const std::uint32_t most = numbers_[i], last = token_numbers_[i + n - 1];
    key[0] = std::uint64_t{most} << 32 | last;
    return most != kNone && last != kNone;
  }

  // Writes tokens i .. i + n - 1 with spaces between to the beginning of a block, and zeros behind them; returns their
  // size, or more than kSha256OneBlock if they are too long. Copies kCopied bytes whatever a token's length, so up to
  // so many behind the block are written to.
  std::size_t write(std::size_t i, std::size_t n, unsigned char* block) const {
    std::memset(block, 0, sizeof(Sha256Block));
    std::size_t size = 0;
    for (std::size_t k = i; k < i + n; ++k) {
      const Token token = tokens_[k];
      const std::size_t bytes = token.end - token.begin;
      if (bytes > kCopied || size + bytes > kSha256OneBlock) return kSha256OneBlock + 1;
      if (text_.size() - token.begin >= kCopied) {
        std::memcpy(block + size, text_.data() + token.begin, kCopied);
      } else {
        std::memcpy(block + size, text_.data() + token.begin, bytes);
      }
      size += bytes;
      block[size++] = ' ';
    }
    std::memset(block + --size, 0, kCopied);
    return size;
  }

  // The bucket of tokens i .. i + n - 1, however long.
  std::uint32_t hash_one(std::size_t i, std::size_t n) {
    joined_.assign(tokens_[i].of(text_));
    for (std::size_t k = i + 1; k < i + n; ++k) joined_.append(1, ' ').append(tokens_[k].of(text_));
    return hash_(joined_);
  }

  // What some n-grams are to be looked up by.
  template <class Memo>
  struct Claims {
    std::array<typename Memo::Key, kGroup> keys;
    std::array<typename Memo::Slot*, kGroup> slots;  // null for an n-gram that has no key
  };

  // The bucket and the number of each of the n-grams of order n.
  template <class Memo, class KeyOf, class Bucket>
  void look_up(Memo& memo, KeyOf key_of, std::size_t n, std::size_t n_ngrams, Bucket* out) {
    // While a group is looked up, the next one is claimed.
    Claims<Memo> claims[2];
    claim(memo, key_of, 0, std::min(kGroup, n_ngrams), claims[0]);
    for (std::size_t first = 0, turn = 0; first < n_ngrams; first += kGroup, turn ^= 1) {
      const std::size_t group = std::min(kGroup, n_ngrams - first);
      const std::size_t next = first + group;
      claim(memo, key_of, next, std::min(kGroup, n_ngrams - next), claims[turn ^ 1]);
      resolve(claims[turn], n, first, group, out);
    }
  }

  template <class Memo, class KeyOf>
  void claim(Memo& memo, KeyOf key_of, std::size_t first, std::size_t group, Claims<Memo>& claims) {
    for (std::size_t j = 0; j < group; ++j) {
      claims.slots[j] = key_of(first + j, claims.keys[j]) ? memo.claim(claims.keys[j]) : nullptr;
    }
  }

  // The buckets of the n-grams first .. first + group - 1, to their places in `out`, and their numbers.
  template <class Memo, class Bucket>
  void resolve(Claims<Memo>& claims, std::size_t n, std::size_t first, std::size_t group, Bucket* out) {
    auto& keys = claims.keys;
    auto& slots = claims.slots;
    std::array<Sha256Block, kGroup + 1> texts;  // one more for what `write` writes behind a block
    std::array<std::size_t, kGroup> sizes;
    std::array<std::size_t, kGroup> missing;
    std::size_t misses = 0;
    for (std::size_t j = 0; j < group; ++j) {
      typename Memo::Slot* const slot = slots[j];
      std::uint32_t& number = numbers_[first + j];
      if (slot != nullptr && slot->holds(keys[j])) {
        number = slot->number;
        out[first + j] = static_cast<Bucket>(slot->bucket);
        if (slot->bucket != kPending) continue;
        slots[j] = nullptr;  // who met it first will fill it in
      } else if (slot != nullptr && next_number_ != kNone) {
        number = next_number_++;
        *slot = {keys[j], number, kPending};
      } else {
        number = kNone;
        slots[j] = nullptr;
      }
      sizes[misses] = write(first + j, n, texts[misses].data());
      if (sizes[misses] <= kSha256OneBlock) {
        missing[misses++] = j;
      } else {
        const std::uint32_t bucket = hash_one(first + j, n);
        out[first + j] = static_cast<Bucket>(bucket);
        if (slots[j] != nullptr) slot->bucket = bucket;
      }
    }
    std::array<std::uint32_t, kGroup> buckets;
    hash_(texts.data(), sizes.data(), misses, buckets.data());
    for (std::size_t m = 0; m < misses; ++m) {
      const std::size_t j = missing[m];
      out[first + j] = static_cast<Bucket>(buckets[m]);
      if (slots[j] != nullptr && slots[j]->number == numbers_[first + j]) slots[j]->bucket = buckets[m];
    }
  }

  std::shared_ptr<const WordPunct> tokenizer_;
  std::size_t order_;
  Sha256Bucket hash_;
  TokenMemo tokens_memo_{17};  // 4 MiB a thread, as the other
  LongerMemo ngrams_memo_{18};
  std::uint32_t next_number_;  // kNone: all are given

  std::string_view text_;
  std::vector<Token> tokens_;
  std::vector<std::uint32_t> token_numbers_;
  std::vector<std::uint32_t> numbers_;  // of the n-grams of the order in work, by their first token
  std::string joined_;
};

// Sums over the buckets of texts. Holds scratch, so one object serves one thread at a time.
class BucketSums {
 public:
  explicit BucketSums(std::size_t buckets) : counts_(buckets), touched_((buckets + 63) / 64) {}

  // dots[t] = sum over buckets b, ascending, of tables[t][b] * how often b is among the n given.
  // Summing bucket by bucket makes texts with equal counts score equally, to the bit, whatever the order of their
  // words. False, and the object is of no more use, if one is out of range.
  template <class Bucket>
  bool dot(const Bucket* buckets, std::size_t n, const double* tables, std::size_t n_tables, double* dots) {
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t bucket = buckets[i];
      if (bucket >= counts_.size()) return false;
      ++counts_[bucket];
      touched_[bucket / 64] |= std::uint64_t{1} << (bucket % 64);
    }
    std::fill(dots, dots + n_tables, 0.0);
    for (std::size_t word = 0; word < touched_.size(); ++word) {
      for (std::uint64_t bits = touched_[word]; bits != 0; bits &= bits - 1) {
        const std::size_t bucket = word * 64 + static_cast<std::size_t>(std::countr_zero(bits));
        const double count = static_cast<double>(counts_[bucket]);
        for (std::size_t t = 0; t < n_tables; ++t) dots[t] += tables[t * counts_.size() + bucket] * count;
        counts_[bucket] = 0;
      }
      touched_[word] = 0;
    }
    return true;
  }

 private:
  std::vector<std::int64_t> counts_;    // zero between calls
  std::vector<std::uint64_t> touched_;  // a bit for each bucket of counts_ that is not zero
};

}  // namespace zipfit::features
