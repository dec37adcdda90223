// Binds core/features: hashed n-gram counts for DSIR.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <mutex>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "features/hashed_ngrams.hpp"

namespace nb = nanobind;

namespace {

using zipfit::features::HashedNgrams;
using zipfit::features::Sha256Bucket;
using zipfit::features::WordPunct;

template <class T, int Dimensions>
using NumpyArray = nb::ndarray<nb::numpy, T, nb::ndim<Dimensions>, nb::c_contig>;

// A numpy array that owns its memory.
template <class T, int Dimensions>
NumpyArray<T, Dimensions> to_numpy(std::vector<T> values, std::initializer_list<std::size_t> shape) {
  auto* owned = new std::vector<T>(std::move(values));
  nb::capsule owner(owned, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  return NumpyArray<T, Dimensions>(owned->data(), shape, owner);
}

// The views stay good while Python holds the bytes, which the caller's argument does.
std::vector<std::string_view> views(const std::vector<nb::bytes>& texts) {
  std::vector<std::string_view> out;
  out.reserve(texts.size());
  for (const nb::bytes& text : texts) out.emplace_back(text.c_str(), text.size());
  return out;
}

// HashedNgrams for any number of threads: each call borrows a worker, made when none is idle.
class HashedNgramsPool {
 public:
  HashedNgramsPool(nb::bytes classes, int order, std::uint32_t buckets, bool portable)
      : tokenizer_(std::make_shared<WordPunct>(std::string_view(classes.c_str(), classes.size()))),
        order_(order),
        hash_(checked(buckets), portable ? zipfit::features::sha256_detail::compress_portable
                                         : zipfit::features::best_sha256_compress()) {
    if (order < 1) throw std::invalid_argument("order must be at least 1");
  }

  auto count(const std::vector<nb::bytes>& texts) {
    const std::vector<std::string_view> input = views(texts);
    std::vector<std::int64_t> counts(hash_.buckets());
    std::vector<std::int64_t> totals(input.size());
    {
      nb::gil_scoped_release release;
      auto worker = borrow();
      for (std::size_t i = 0; i < input.size(); ++i) totals[i] = worker->count(input[i], counts.data());
      give_back(std::move(worker));
    }
    return std::make_pair(to_numpy<std::int64_t, 1>(std::move(counts), {hash_.buckets()}),
                          to_numpy<std::int64_t, 1>(std::move(totals), {input.size()}));
  }

  auto dot(const std::vector<nb::bytes>& texts, const NumpyArray<const double, 2>& tables) {
    if (tables.shape(1) != hash_.buckets()) throw std::invalid_argument("a table needs one weight for each bucket");
    const std::vector<std::string_view> input = views(texts);
    const std::size_t n_tables = tables.shape(0);
    const double* weights = tables.data();
    std::vector<double> dots(input.size() * n_tables);
    std::vector<std::int64_t> totals(input.size());
    {
      nb::gil_scoped_release release;
      auto worker = borrow();
      for (std::size_t i = 0; i < input.size(); ++i) {
        totals[i] = worker->dot(input[i], weights, n_tables, dots.data() + i * n_tables);
      }
      give_back(std::move(worker));
    }
    return std::make_pair(to_numpy<double, 2>(std::move(dots), {input.size(), n_tables}),
                          to_numpy<std::int64_t, 1>(std::move(totals), {input.size()}));
  }

 private:
  static std::uint32_t checked(std::uint32_t buckets) {
    if (buckets < 1 || buckets > Sha256Bucket::kMaxBuckets) throw std::invalid_argument("buckets must be 1 to 2^28");
    return buckets;
  }

  std::unique_ptr<HashedNgrams> borrow() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return std::make_unique<HashedNgrams>(tokenizer_, order_, hash_);
    auto worker = std::move(idle_.back());
    idle_.pop_back();
    return worker;
  }

  void give_back(std::unique_ptr<HashedNgrams> worker) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(worker));
  }

  std::shared_ptr<const WordPunct> tokenizer_;
  int order_;
  Sha256Bucket hash_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<HashedNgrams>> idle_;
};

}  // namespace

void bind_features(nb::module_& m) {
  nb::class_<HashedNgramsPool>(m, "HashedNgrams", "Counts of word 1- to n-grams over SHA-256 buckets; thread-safe.")
      .def(nb::init<nb::bytes, int, std::uint32_t, bool>(), nb::arg("classes"), nb::arg("order"), nb::arg("buckets"),
           nb::arg("portable") = false, "portable: leave the processor's SHA instructions alone, as tests want it.")
      .def("count", &HashedNgramsPool::count, nb::arg("texts"),
           "Counts over all texts, int64[buckets], and n-grams of each text, int64[n].")
      .def("dot", &HashedNgramsPool::dot, nb::arg("texts"), nb::arg("tables"),
           "Each text's counts times each row of tables float64[t, buckets]: float64[n, t]; and n-grams, int64[n].");
}
