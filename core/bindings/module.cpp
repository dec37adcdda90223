// The extension module zipfit._core: what Python sees of the native core.
#include "families.hpp"

NB_MODULE(_core, m) {
  m.doc() = "zipfit's native core";
  zipfit::bind_compression(m);
  zipfit::bind_cover(m);
  zipfit::bind_features(m);
  zipfit::bind_ngram(m);
  zipfit::bind_reading(m);
}
