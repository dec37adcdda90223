// zipfit._core: the greedy cover.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <cerrno>
#include <exception>
#include <limits>
#include <string>
#include <system_error>
#include <vector>

#include "bindings/arguments.hpp"
#include "bindings/texts.hpp"
#include "cover/features.hpp"
#include "cover/greedy.hpp"
#include "families.hpp"

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

double exponent_of(nb::handle value) {
  const double exponent = PyFloat_AsDouble(value.ptr());
  if (exponent == -1.0 && PyErr_Occurred()) throw nb::python_error();
  if (!(exponent >= 0 && exponent <= Greedy::largest_exponent)) {
    throw nb::value_error(("cost_exponent must lie in 0.." + std::to_string(Greedy::largest_exponent) + ", not " +
                           nb::repr(value).c_str())
                              .c_str());
  }
  return exponent;
}

std::vector<double> doubles(nb::handle values, const char* name) {
  const auto found = array<double, 1>(values, name);
  return {found.data(), found.data() + found.size()};
}

}  // namespace

void zipfit::bind_cover(nb::module_& m) {
  nb::register_exception_translator([](const std::exception_ptr& thrown, void*) {
    try {
      std::rethrow_exception(thrown);
    } catch (const std::system_error& error) {  // of Spool
      errno = error.code().value();
      PyErr_SetFromErrno(PyExc_OSError);
    }
  });

  nb::class_<Matches>(m, "CoverMatches", "The target's features found in a batch of documents.")
      .def(
          "__init__",
          [](Matches* self, nb::handle features, nb::handle documents) {
            Matches matches;
            matches.features = static_cast<std::size_t>(
                integer(features, "features", 0, std::numeric_limits<std::uint32_t>::max()));
            for (const nb::handle document : documents) {
              if (!nb::isinstance<nb::bytes>(document)) throw wrong_type("a document", "bytes", document);
              const auto bytes = nb::borrow<nb::bytes>(document);
              matches.append({bytes.c_str(), bytes.size()});
            }
            new (self) Matches(std::move(matches));
          },
          "features"_a.none(), "documents"_a)
      .def("kept", [](const Matches& self) {
        if (self.appended) throw nb::value_error("the batch was appended");
        nb::list out;
        for (const std::string& document : self.kept()) out.append(nb::bytes(document.data(), document.size()));
        return out;
      });

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
          "target"_a.none(), "unit"_a.none(), "orders"_a.none())
      .def("counts", [](const Features& self) { return numpy(std::vector<std::int64_t>(self.counts())); })
      .def(
          "matches",
          [](const Features& self, nb::handle batch) {
            const Texts texts(batch, "batch");
            nb::gil_scoped_release release;
            return self.matches(texts.views());
          },
          "batch"_a.none());

  nb::class_<Greedy>(m, "CoverGreedy", "Lazy greedy maximisation of a weighted concave cover, by gain per cost.")
      .def(
          "__init__",
          [](Greedy* self, nb::handle cost_exponent, const std::string& folder, std::size_t held) {
            new (self) Greedy(exponent_of(cost_exponent), folder, held);
          },
          "cost_exponent"_a.none(), "folder"_a = "", "held"_a = Greedy::default_held)
      .def(
          "append",
          [](Greedy& self, nb::handle batch) {
            if (!nb::isinstance<Matches>(batch)) throw wrong_type("batch", "CoverMatches", batch);
            Matches& matches = nb::cast<Matches&>(batch);
            nb::gil_scoped_release release;
            self.append(std::move(matches));
          },
          "batch"_a.none())
      .def("pool_bytes", &Greedy::pool_bytes)
      .def(
          "totals",
          [](Greedy& self, nb::handle features) {
            const auto lowest = static_cast<std::int64_t>(self.features());
            const auto count = static_cast<std::size_t>(
                integer(features, "features", lowest, std::numeric_limits<std::uint32_t>::max()));
            std::vector<std::int64_t> totals;
            {
              nb::gil_scoped_release release;
              totals = self.totals(count);
            }
            return numpy(std::move(totals));
          },
          "features"_a.none())
      .def(
          "start",
          [](Greedy& self, nb::handle weights, nb::handle phi) {
            auto w = doubles(weights, "weights");
            auto p = doubles(phi, "phi");
            nb::gil_scoped_release release;
            self.start(w, std::move(p));
          },
          "weights"_a.none(), "phi"_a.none())
      .def(
          "take",
          [](Greedy& self, nb::handle most) {
            const auto count =
                static_cast<std::size_t>(integer(most, "most", 0, std::numeric_limits<std::int64_t>::max()));
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
          "most"_a.none());
}
