// Fuzzes core/features: whatever the bytes, hashing is memory-safe, sums are those of the buckets, and the two SHA-256
// compressions and the memos give the same buckets.
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "features/hashed_ngrams.hpp"

namespace f = zipfit::features;

namespace {
// Classes that mix all three kinds in every block of code points.
std::shared_ptr<const f::WordPunct> tokenizer() {
  std::string classes(f::WordPunct::kCodePoints, '\1');
  for (std::size_t i = 0; i < classes.size(); ++i) classes[i] = static_cast<char>(i % 7 == 0 ? 0 : i % 5 == 0 ? 2 : 1);
  return std::make_shared<const f::WordPunct>(classes);
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  constexpr std::uint32_t kBuckets = 1009;
  static const auto shared = tokenizer();
  static f::HashedNgrams fast(shared, 3, f::Sha256Bucket(kBuckets), std::numeric_limits<std::uint32_t>::max() - 5000);
  const std::string_view text(reinterpret_cast<const char*>(data), size);

  std::vector<std::uint16_t> buckets;
  const std::int64_t total = fast.buckets(text, buckets);

  std::vector<f::Token> tokens;
  const std::size_t n_tokens = (*shared)(text, tokens);
  const f::Sha256Bucket portable(kBuckets, f::sha256_detail::compress_portable);
  std::vector<std::uint16_t> expected;
  for (std::size_t n = 1; n <= 3; ++n) {
    for (std::size_t i = 0; i + n <= n_tokens; ++i) {
      std::string ngram(tokens[i].of(text));
      for (std::size_t k = i + 1; k < i + n; ++k) ngram.append(1, ' ').append(tokens[k].of(text));
      expected.push_back(static_cast<std::uint16_t>(portable(ngram)));
    }
  }
  if (buckets != expected || total != static_cast<std::int64_t>(expected.size())) std::abort();

  std::vector<double> table(2 * kBuckets);
  for (std::size_t b = 0; b < kBuckets; ++b) table[b] = 1.0, table[kBuckets + b] = static_cast<double>(b);
  static f::BucketSums sums(kBuckets);
  double dots[2];
  if (!sums.dot(buckets.data(), buckets.size(), table.data(), 2, dots)) std::abort();
  double weighted = 0;
  for (const std::uint16_t b : expected) weighted += static_cast<double>(b);
  if (dots[0] != static_cast<double>(total) || dots[1] != weighted) std::abort();
  return 0;
}
