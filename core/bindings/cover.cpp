// zipfit._core: the greedy cover. Texts come as lists of bytes objects.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bindings/views.hpp"
#include "cover/features.hpp"
#include "cover/greedy.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

template <class T>
nb::ndarray<nb::numpy, T, nb::ndim<1>> array(std::vector<T> values) {
  auto kept = std::make_unique<std::vector<T>>(std::move(values));
  T* data = kept->data();
  const std::size_t size = kept->size();
  nb::capsule owner(kept.release(), [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  return {data, {size}, owner};
}

using Doubles = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

std::vector<double> copy(const Doubles& values) { return {values.data(), values.data() + values.size()}; }

}  // namespace

void bind_cover(nb::module_& m) {
  using namespace zipfit::cover;

  nb::class_<Matches>(m, "CoverMatches", "The target's features found in a batch of documents.");

  nb::class_<Features>(m, "CoverFeatures", "The n-grams of a target, numbered by first occurrence.")
      .def(
          "__init__",
          [](Features* self, const nb::list& target, const std::string& unit, const std::vector<int>& orders) {
            const auto texts = zipfit::views(target);
            nb::gil_scoped_release release;
            new (self) Features(texts, unit == "word" ? Unit::word : Unit::byte, orders);
          },
          "target"_a, "unit"_a, "orders"_a)
      .def("counts", [](const Features& self) { return array(std::vector<std::int64_t>(self.counts())); })
      .def(
          "matches",
          [](const Features& self, const nb::list& batch) {
            const auto texts = zipfit::views(batch);
            nb::gil_scoped_release release;
            return self.matches(texts);
          },
          "batch"_a);

  nb::class_<Greedy>(m, "CoverGreedy", "Lazy greedy maximisation of a weighted concave cover, by gain per cost.")
      .def(nb::init<double>(), "cost_exponent"_a)
      .def("append", [](Greedy& self, Matches& batch) { self.append(std::move(batch)); }, "batch"_a)
      .def("pool_bytes", &Greedy::pool_bytes)
      .def(
          "totals", [](const Greedy& self, std::size_t features) { return array(self.totals(features)); },
          "features"_a)
      .def(
          "start",
          [](Greedy& self, const Doubles& weights, const Doubles& phi) {
            auto w = copy(weights);
            auto p = copy(phi);
            nb::gil_scoped_release release;
            self.start(w, std::move(p));
          },
          "weights"_a, "phi"_a)
      .def(
          "take",
          [](Greedy& self, std::size_t most) {
            std::vector<std::int64_t> positions;
            std::vector<double> scores;
            {
              nb::gil_scoped_release release;
              self.take(most, [&](std::uint32_t position, double score) {
                positions.push_back(position);
                scores.push_back(score);
              });
            }
            return nb::make_tuple(array(std::move(positions)), array(std::move(scores)));
          },
          "most"_a);
}
