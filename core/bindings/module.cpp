// The extension module zipfit._core: what Python sees of the native core. Each family of algorithms binds itself in a
// file of its own beside this one.
#include <nanobind/nanobind.h>

namespace nb = nanobind;

namespace zipfit {
void bind_compression(nb::module_& m);
}
void bind_cover(nb::module_& m);
void bind_features(nb::module_& m);
void bind_ngram(nb::module_& m);

NB_MODULE(_core, m) {
  m.doc() = "zipfit's native core";
  zipfit::bind_compression(m);
  bind_cover(m);
  bind_features(m);
  bind_ngram(m);
}
