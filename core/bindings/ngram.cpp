// zipfit._core: cross-entropy under a byte n-gram model.
#include <nanobind/nanobind.h>

#include "bindings/arguments.hpp"
#include "bindings/texts.hpp"
#include "families.hpp"
#include "ngram/witten_bell.hpp"

namespace nb = nanobind;
using namespace nb::literals;

void zipfit::bind_ngram(nb::module_& m) {
  m.def(
      "witten_bell_bits",
      [](nb::handle train, nb::handle test, nb::handle order) {
        using zipfit::ngram::WittenBell;
        const zipfit::Texts train_texts(train, "train");
        const zipfit::Texts test_texts(test, "test");
        const auto longest = static_cast<int>(zipfit::integer(order, "order", 1, WittenBell::longest_order));
        nb::gil_scoped_release release;
        WittenBell model(test_texts.views(), longest);
        for (const auto text : train_texts.views()) model.train(text);
        return model.bits();
      },
      "train"_a.none(), "test"_a.none(), "order"_a.none(),
      "Bits to write the test texts under an interpolated byte n-gram model of the training texts.");
}
