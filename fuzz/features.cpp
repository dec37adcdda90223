// Fuzzes core/features: whatever the bytes, counting is memory-safe, `count` and `dot` agree, and the two SHA-256
// compressions and the memo give the same buckets.
#include <cstdlib>
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
  static f::HashedNgrams fast(shared, 3, f::Sha256Bucket(kBuckets));
  const std::string_view text(reinterpret_cast<const char*>(data), size);

  std::vector<std::int64_t> counts(kBuckets);
  const std::int64_t total = fast.count(text, counts.data());

  f::Tokens tokens;
  (*shared)(text, tokens);
  const f::Sha256Bucket portable(kBuckets, f::sha256_detail::compress_portable);
  std::vector<std::int64_t> expected(kBuckets);
  std::int64_t expected_total = 0;
  for (std::size_t n = 1; n <= 3; ++n) {
    for (std::size_t i = 0; i + n <= tokens.size(); ++i, ++expected_total) ++expected[portable(tokens.ngram(i, n))];
  }
  if (counts != expected || total != expected_total) std::abort();

  std::vector<double> table(2 * kBuckets);
  for (std::size_t b = 0; b < kBuckets; ++b) table[b] = 1.0, table[kBuckets + b] = static_cast<double>(b);
  double dots[2];
  if (fast.dot(text, table.data(), 2, dots) != total || dots[0] != static_cast<double>(total)) std::abort();
  double weighted = 0;
  for (std::size_t b = 0; b < kBuckets; ++b) weighted += static_cast<double>(b) * static_cast<double>(expected[b]);
  if (dots[1] != weighted) std::abort();
  return 0;
}
