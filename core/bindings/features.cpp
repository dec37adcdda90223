// Binds core/features: hashed n-gram counts for DSIR.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

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
using zipfit::features::HashedNgrams;
using zipfit::features::Sha256Bucket;
using zipfit::features::WordPunct;

// HashedNgrams for any number of threads: each call borrows a worker, made when none is idle.
class HashedNgramsPool {
 public:
  HashedNgramsPool(nb::handle classes, nb::handle order, nb::handle buckets, bool portable)
      : tokenizer_(std::make_shared<WordPunct>(table(classes))),
        order_(static_cast<int>(integer(order, "order", 1, std::numeric_limits<int>::max()))),
        hash_(
            static_cast<std::uint32_t>(integer(buckets, "buckets", 1, Sha256Bucket::kMaxBuckets)),
            portable ? zipfit::features::sha256_detail::compress_portable : zipfit::features::best_sha256_compress()) {}

  nb::tuple count(nb::handle batch) {
    const Texts texts(batch, "texts");
    const std::vector<std::string_view>& input = texts.views();
    std::vector<std::int64_t> counts(hash_.buckets());
    std::vector<std::int64_t> totals(input.size());
    {
      nb::gil_scoped_release release;
      auto worker = borrow();
      for (std::size_t i = 0; i < input.size(); ++i) totals[i] = worker->count(input[i], counts.data());
      give_back(std::move(worker));
    }
    return nb::make_tuple(numpy(std::move(counts)), numpy(std::move(totals)));
  }

  nb::tuple dot(nb::handle batch, nb::handle weights_of) {
    const Texts texts(batch, "texts");
    const auto tables = array<double, 2>(weights_of, "tables");
    if (tables.shape(1) != hash_.buckets()) throw nb::value_error("a table needs one weight for each bucket");
    const std::vector<std::string_view>& input = texts.views();
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
    return nb::make_tuple(numpy(std::move(dots), {input.size(), n_tables}), numpy(std::move(totals)));
  }

 private:
  static std::string_view table(nb::handle classes) {
    if (!nb::isinstance<nb::bytes>(classes)) throw wrong_type("classes", "bytes", classes);
    const auto bytes = nb::borrow<nb::bytes>(classes);
    return {bytes.c_str(), bytes.size()};
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

void zipfit::bind_features(nb::module_& m) {
  nb::class_<HashedNgramsPool>(m, "HashedNgrams", "Counts of word 1- to n-grams over SHA-256 buckets; thread-safe.")
      .def(nb::init<nb::handle, nb::handle, nb::handle, bool>(), nb::arg("classes").none(), nb::arg("order").none(),
           nb::arg("buckets").none(), nb::arg("portable") = false,
           "portable: leave the processor's SHA instructions alone, as tests want it.")
      .def("count", &HashedNgramsPool::count, nb::arg("texts").none(),
           "Counts over all texts, int64[buckets], and n-grams of each text, int64[n].")
      .def("dot", &HashedNgramsPool::dot, nb::arg("texts").none(), nb::arg("tables").none(),
           "Each text's counts times each row of tables float64[t, buckets]: float64[n, t]; and n-grams, int64[n].");
}
