// Binds core/features: hashed n-grams for DSIR.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "bindings/arguments.hpp"
#include "bindings/texts.hpp"
#include "families.hpp"
#include "features/hashed_ngrams.hpp"

namespace nb = nanobind;

namespace {

using namespace zipfit;
using zipfit::features::BucketSums;
using zipfit::features::HashedNgrams;
using zipfit::features::Sha256Bucket;
using zipfit::features::WordPunct;

// Workers for any number of threads: each call borrows one, made when none is idle.
template <class Worker>
class Workers {
 public:
  template <class Make>
  std::unique_ptr<Worker> borrow(Make make) {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return make();
    auto worker = std::move(idle_.back());
    idle_.pop_back();
    return worker;
  }

  void give_back(std::unique_ptr<Worker> worker) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(worker));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Worker>> idle_;
};

class HashedNgramsPool {
  static std::string_view table(nb::handle classes) {
    if (!nb::isinstance<nb::bytes>(classes)) throw wrong_type("classes", "bytes", classes);
    const auto bytes = nb::borrow<nb::bytes>(classes);
    return {bytes.c_str(), bytes.size()};
  }

  bool narrow() const { return hash_.buckets() <= 1u << 16; }

  template <class Bucket>
  nb::tuple buckets_of(const Texts& texts) {
    const std::vector<std::string_view>& input = texts.views();
    std::vector<Bucket> buckets;
    std::vector<std::int64_t> totals(input.size());
    {
      nb::gil_scoped_release release;
      std::size_t bytes = 0;
      for (const std::string_view text : input) bytes += text.size();
      buckets.reserve(bytes / 4 * std::min(order_, 4));  // about as many as prose has
      auto worker = hashing_.borrow([&] { return std::make_unique<HashedNgrams>(tokenizer_, order_, hash_); });
      for (std::size_t i = 0; i < input.size(); ++i) totals[i] = worker->buckets(input[i], buckets);
      hashing_.give_back(std::move(worker));
    }
    return nb::make_tuple(numpy(std::move(buckets)), numpy(std::move(totals)));
  }

  template <class Bucket>
  auto count_of(nb::handle hashed) {
    const auto buckets = array<Bucket, 1>(hashed, "buckets");
    const Bucket* const found = buckets.data();
    const std::size_t n = buckets.shape(0);
    std::vector<std::int64_t> counts(hash_.buckets());
    bool sound = true;
    {
      nb::gil_scoped_release release;
      for (std::size_t i = 0; i < n; ++i) {
        const std::size_t bucket = found[i];
        sound = sound && bucket < counts.size();
        if (sound) ++counts[bucket];
      }
    }
    if (!sound) throw nb::value_error(kOutOfRange);
    return numpy(std::move(counts));
  }

  template <class Bucket>
  auto dot_of(nb::handle hashed, nb::handle numbers, nb::handle weights_of) {
    const auto buckets = array<Bucket, 1>(hashed, "buckets");
    const auto totals = array<std::int64_t, 1>(numbers, "totals");
    const auto tables = array<double, 2>(weights_of, "tables");
    if (tables.shape(1) != hash_.buckets()) throw nb::value_error("a table needs one weight for each bucket");
    const std::vector<std::int64_t> sizes(totals.data(), totals.data() + totals.shape(0));
    std::size_t left = buckets.shape(0);
    for (const std::int64_t size : sizes) {
      if (size < 0 || static_cast<std::uint64_t>(size) > left) throw nb::value_error(kUneven);
      left -= static_cast<std::size_t>(size);
    }
    if (left != 0) throw nb::value_error(kUneven);
    const std::size_t n_tables = tables.shape(0);
    const double* const weights = tables.data();
    const Bucket* from = buckets.data();
    std::vector<double> dots(sizes.size() * n_tables);
    bool sound = true;
    {
      nb::gil_scoped_release release;
      auto worker = summing_.borrow([&] { return std::make_unique<BucketSums>(hash_.buckets()); });
      for (std::size_t i = 0; sound && i < sizes.size(); ++i) {
        const auto size = static_cast<std::size_t>(sizes[i]);
        sound = worker->dot(from, size, weights, n_tables, dots.data() + i * n_tables);
        from += size;
      }
      if (sound) summing_.give_back(std::move(worker));
    }
    if (!sound) throw nb::value_error(kOutOfRange);
    return numpy(std::move(dots), {sizes.size(), n_tables});
  }

  static constexpr const char* kOutOfRange = "a bucket is out of range";
  static constexpr const char* kUneven = "totals must be the n-grams of each text, and add up to the buckets";

 public:
  HashedNgramsPool(nb::handle classes, nb::handle order, nb::handle buckets, bool portable)
      : tokenizer_(std::make_shared<WordPunct>(table(classes))),
        order_(static_cast<int>(integer(order, "order", 1, std::numeric_limits<int>::max()))),
        hash_(
            static_cast<std::uint32_t>(integer(buckets, "buckets", 1, Sha256Bucket::kMaxBuckets)),
            portable ? zipfit::features::sha256_detail::compress_portable : zipfit::features::best_sha256_compress()) {}

  nb::tuple buckets(nb::handle batch) {
    const Texts texts(batch, "texts");
    return narrow() ? buckets_of<std::uint16_t>(texts) : buckets_of<std::uint32_t>(texts);
  }

  auto count(nb::handle buckets) {
    return narrow() ? count_of<std::uint16_t>(buckets) : count_of<std::uint32_t>(buckets);
  }

  auto dot(nb::handle buckets, nb::handle numbers, nb::handle weights_of) {
    return narrow() ? dot_of<std::uint16_t>(buckets, numbers, weights_of)
                    : dot_of<std::uint32_t>(buckets, numbers, weights_of);
  }

 private:
  std::shared_ptr<const WordPunct> tokenizer_;
  int order_;
  Sha256Bucket hash_;
  Workers<HashedNgrams> hashing_;
  Workers<BucketSums> summing_;
};

}  // namespace

void zipfit::bind_features(nb::module_& m) {
  nb::class_<HashedNgramsPool>(m, "HashedNgrams", "Word 1- to n-grams in SHA-256 buckets; thread-safe.")
      .def(nb::init<nb::handle, nb::handle, nb::handle, bool>(), nb::arg("classes").none(), nb::arg("order").none(),
           nb::arg("buckets").none(), nb::arg("portable") = false,
           "portable: leave the processor's SHA instructions alone, as tests want it.")
      .def(
          "buckets", &HashedNgramsPool::buckets, nb::arg("texts").none(),
          "The bucket of each n-gram, text after text, uint16[total] (uint32 of more than 65,536 buckets); and n-grams "
          "of each text, int64[n].")
      .def("count", &HashedNgramsPool::count, nb::arg("buckets").none(), "How often each bucket is there.")
      .def("dot", &HashedNgramsPool::dot, nb::arg("buckets").none(), nb::arg("totals").none(), nb::arg("tables").none(),
           "Each text's counts times each row of tables float64[t, buckets]: float64[n, t].");
}
