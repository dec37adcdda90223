// zipfit._core: cross-entropy under a byte n-gram model. Texts come as lists of bytes objects.
#include <nanobind/nanobind.h>

#include <string_view>
#include <vector>

#include "bindings/views.hpp"
#include "ngram/witten_bell.hpp"

namespace nb = nanobind;
using namespace nb::literals;

void bind_ngram(nb::module_& m) {
  m.def(
      "witten_bell_bits",
      [](const nb::list& train, const nb::list& test, int order) {
        const auto train_texts = zipfit::views(train);
        const auto test_texts = zipfit::views(test);
        nb::gil_scoped_release release;
        zipfit::ngram::WittenBell model(test_texts, order);
        for (const auto text : train_texts) model.train(text);
        return model.bits();
      },
      "train"_a, "test"_a, "order"_a,
      "Bits to write the test texts under an interpolated byte n-gram model of the training texts.");
}
