// Lists of Python bytes objects, seen by the core as string views.
#pragma once

#include <nanobind/nanobind.h>

#include <string_view>
#include <vector>

namespace zipfit {

// The views hold while the list does, and as long as nobody changes it: take them before the GIL is released.
inline std::vector<std::string_view> views(const nanobind::list& texts) {
  std::vector<std::string_view> out;
  out.reserve(nanobind::len(texts));
  for (const nanobind::handle text : texts) {
    const auto bytes = nanobind::cast<nanobind::bytes>(text);
    out.emplace_back(static_cast<const char*>(bytes.data()), bytes.size());
  }
  return out;
}

}  // namespace zipfit
