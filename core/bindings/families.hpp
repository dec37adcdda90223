// Each family of algorithms binds itself in a file of its own; module.cpp calls them all.
#pragma once

#include <nanobind/nanobind.h>

namespace zipfit {

void bind_compression(nanobind::module_& m);
void bind_cover(nanobind::module_& m);
void bind_features(nanobind::module_& m);
void bind_ngram(nanobind::module_& m);
void bind_reading(nanobind::module_& m);

}  // namespace zipfit
