// SHA-256 of short strings, reduced modulo a bucket count.
//
// DSIR's reference hashes every n-gram with SHA-256 and takes the digest, read as one big-endian integer, modulo the
// number of buckets. To be faithful we need the very same hash, though any hash would do for the method. Most n-grams
// are under 56 bytes and so take a single compression; a memo in front (hashed_ngrams.hpp) answers the frequent ones.
//
// Two compressions, one result: the portable one of FIPS 180-4, and one on the x86 SHA instructions (x86/sha256.hpp),
// chosen when the processor has them. These wait for one another within a block, so blocks are handed over together.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define ZIPFIT_SHA_X86 1
#include "x86/sha256.hpp"
#endif

namespace zipfit::features {

using Sha256State = std::array<std::uint32_t, 8>;
using Sha256Block = std::array<unsigned char, 64>;
// Compresses n blocks, each into a state of its own.
using Sha256Compress = void (*)(Sha256State* states, const Sha256Block* blocks, std::size_t n);

inline constexpr std::size_t kSha256OneBlock = 64 - 1 - 8;  // bytes of text that a block holds with what follows them

namespace sha256_detail {

inline constexpr Sha256State kInitial{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

alignas(16) inline constexpr std::array<std::uint32_t, 64> kRound{
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

inline std::uint32_t load_be32(const unsigned char* p) {
  return std::uint32_t{p[0]} << 24 | std::uint32_t{p[1]} << 16 | std::uint32_t{p[2]} << 8 | p[3];
}

// FIPS 180-4, section 6.2.2.
inline void compress_block(Sha256State& state, const Sha256Block& block) {
  std::array<std::uint32_t, 64> w;
  for (std::size_t i = 0; i < 16; ++i) w[i] = load_be32(block.data() + 4 * i);
  for (std::size_t i = 16; i < 64; ++i) {
    const std::uint32_t s0 = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ (w[i - 15] >> 3);
    const std::uint32_t s1 = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ (w[i - 2] >> 10);
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  auto [a, b, c, d, e, f, g, h] = state;
  for (std::size_t i = 0; i < 64; ++i) {
    const std::uint32_t s1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
    const std::uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + kRound[i] + w[i];
    const std::uint32_t s0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
    const std::uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + t2;
  }
  const Sha256State round{a, b, c, d, e, f, g, h};
  for (std::size_t i = 0; i < 8; ++i) state[i] += round[i];
}

inline void compress_portable(Sha256State* states, const Sha256Block* blocks, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) compress_block(states[i], blocks[i]);
}

#ifdef ZIPFIT_SHA_X86
inline void compress_x86(Sha256State* states, const Sha256Block* blocks, std::size_t n) {
  static_assert(sizeof *states == 32 && sizeof *blocks == 64);
  x86::sha256_blocks(states->data(), blocks->data(), n, kRound.data());
}
#endif

}  // namespace sha256_detail

// The fastest compression this processor runs.
inline Sha256Compress best_sha256_compress() {
#ifdef ZIPFIT_SHA_X86
  if (x86::has_sha()) return sha256_detail::compress_x86;
#endif
  return sha256_detail::compress_portable;
}

// SHA-256 of `text`, as eight 32-bit words, most significant first.
inline Sha256State sha256(std::string_view text, Sha256Compress compress) {
  Sha256State state = sha256_detail::kInitial;
  const auto whole = text.size() / sizeof(Sha256Block);
  Sha256Block block;
  for (std::size_t i = 0; i < whole; ++i) {
    std::memcpy(block.data(), text.data() + i * sizeof block, sizeof block);
    compress(&state, &block, 1);
  }
  // What is left, a 1 bit, zeros, and the length in bits in the last eight bytes: one block, or two if it is too long.
  const std::string_view rest = text.substr(whole * sizeof block);
  std::array<Sha256Block, 2> tail{};
  std::copy(rest.begin(), rest.end(), tail[0].begin());
  tail[0][rest.size()] = 0x80;
  const std::size_t last = rest.size() > kSha256OneBlock;
  const std::uint64_t bits = std::uint64_t{text.size()} * 8;
  for (std::size_t i = 0; i < 8; ++i) tail[last][sizeof block - 1 - i] = static_cast<unsigned char>(bits >> (8 * i));
  for (std::size_t i = 0; i <= last; ++i) compress(&state, &tail[i], 1);
  return state;
}

// A SHA-256 digest modulo a number of buckets: sum of word_i * (2^(32 (7 - i)) mod buckets), then one division.
class Sha256Bucket {
 public:
  // Eight products of a 32-bit word and a power under 2^28 sum to less than 2^63.
  static constexpr std::uint32_t kMaxBuckets = std::uint32_t{1} << 28;
  static constexpr std::size_t kTogether = 32;

  explicit Sha256Bucket(std::uint32_t buckets, Sha256Compress compress = best_sha256_compress())
      : buckets_(buckets), compress_(compress) {
    std::uint64_t power = 1 % buckets;
    for (std::size_t i = powers_.size(); i-- > 0;) {
      powers_[i] = power;
      power = (power << 32) % buckets;
    }
  }

  std::uint32_t operator()(std::string_view text) const { return of(sha256(text, compress_)); }

  // The same of n texts of one block each, n at most kTogether: text i is the first sizes[i] bytes, at most
  // kSha256OneBlock, of a block that is 0 behind them.
  void operator()(Sha256Block* texts, const std::size_t* sizes, std::size_t n, std::uint32_t* buckets) const {
    std::array<Sha256State, kTogether> states;
    for (std::size_t i = 0; i < n; ++i) {
      states[i] = sha256_detail::kInitial;
      texts[i][sizes[i]] = 0x80;
      texts[i][62] = static_cast<unsigned char>(sizes[i] * 8 >> 8);
      texts[i][63] = static_cast<unsigned char>(sizes[i] * 8);
    }
    compress_(states.data(), texts, n);
    for (std::size_t i = 0; i < n; ++i) buckets[i] = of(states[i]);
  }

  std::uint32_t buckets() const { return buckets_; }

 private:
  std::uint32_t of(const Sha256State& digest) const {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < digest.size(); ++i) sum += digest[i] * powers_[i];
    return static_cast<std::uint32_t>(sum % buckets_);
  }

  std::uint32_t buckets_;
  Sha256Compress compress_;
  std::array<std::uint64_t, 8> powers_;
};

}  // namespace zipfit::features
