// zipfit._core: the greedy cover.
#include "families.hpp"
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <limits>
#include <string>
#include <vector>

#include "bindings/arguments.hpp"
#include "bindings/texts.hpp"
#include "cover/features.hpp"
#include "cover/greedy.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using namespace zipfit;
using namespace zipfit::cover;

Unit unit_of(nb::handle unit) {
  if (!nb::isinstance<nb::str>(unit)) throw wrong_type("unit", "a string", unit);
  const auto name = nb::cast<std::string>(unit);
  if (name == "word") return Unit::word;
  if (name == "byte") return Unit::byte;
  throw nb::value_error(("unit must be word or byte, not " + name).c_str());
}

std::vector<int> orders_of(nb::handle orders) {
  std::vector<int> out;
  for (const nb::handle order : orders) {
    out.push_back(static_cast<int>(integer(order, "an order", 1, Features::longest_order)));
  }
  return out;
}

double real(nb::handle value) {
  const double number = PyFloat_AsDouble(value.ptr());
  if (number == -1.0 && PyErr_Occurred()) throw nb::python_error();
  return number;
}

std::vector<double> doubles(nb::handle values, const char* name) {
  const auto found = array<double, 1>(values, name);
  return {found.data(), found.data() + found.size()};
}

}  // namespace

void zipfit::bind_cover(nb::module_& m) {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();

  nb::class_<Matches>(m, "CoverMatches", "The target's features found in a batch of documents.");

  nb::class_<Features>(m, "CoverFeatures", "The n-grams of a target, numbered by first occurrence.")
      .def(
          "__init__",
          [](Features* self, nb::handle target, nb::handle unit, nb::handle orders) {
            const Texts texts(target, "target");
            const Unit of = unit_of(unit);
            const std::vector<int> lengths = orders_of(orders);
            nb::gil_scoped_release release;
            new (self) Features(texts.views(), of, lengths);
          },
          "target"_a, "unit"_a, "orders"_a)
      .def("counts", [](const Features& self) { return numpy(std::vector<std::int64_t>(self.counts())); })
      .def(
          "matches",
          [](const Features& self, nb::handle batch) {
            const Texts texts(batch, "batch");
            nb::gil_scoped_release release;
            return self.matches(texts.views());
          },
          "batch"_a);

  nb::class_<Greedy>(m, "CoverGreedy", "Lazy greedy maximisation of a weighted concave cover, by gain per cost.")
      .def(
          "__init__", [](Greedy* self, nb::handle cost_exponent) { new (self) Greedy(real(cost_exponent)); },
          "cost_exponent"_a)
      .def(
          "append",
          [](Greedy& self, nb::handle batch) {
            if (!nb::isinstance<Matches>(batch)) throw wrong_type("batch", "CoverMatches", batch);
            self.append(std::move(nb::cast<Matches&>(batch)));
          },
          "batch"_a)
      .def("pool_bytes", &Greedy::pool_bytes)
      .def(
          "totals",
          [](const Greedy& self, nb::handle features) {
            const auto lowest = static_cast<std::int64_t>(self.features());
            return numpy(self.totals(static_cast<std::size_t>(integer(features, "features", lowest, most))));
          },
          "features"_a)
      .def(
          "start",
          [](Greedy& self, nb::handle weights, nb::handle phi) {
            auto w = doubles(weights, "weights");
            auto p = doubles(phi, "phi");
            nb::gil_scoped_release release;
            self.start(w, std::move(p));
          },
          "weights"_a, "phi"_a)
      .def(
          "take",
          [](Greedy& self, nb::handle at_most) {
            const auto count = static_cast<std::size_t>(integer(at_most, "most", 0, most));
            std::vector<std::int64_t> positions;
            std::vector<double> scores;
            {
              nb::gil_scoped_release release;
              self.take(count, [&](std::uint32_t position, double score) {
                positions.push_back(position);
                scores.push_back(score);
              });
            }
            return nb::make_tuple(numpy(std::move(positions)), numpy(std::move(scores)));
          },
          "most"_a);
}
