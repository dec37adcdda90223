// The texts of a Python call: a batch of zipfit.system.texts.Texts, seen by the core as string views.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "bindings/arguments.hpp"
#include "kernel.hpp"

namespace zipfit {

/// Holds on to the batch's bytes, so that they stay put while other Python threads run; made and destroyed with the
/// GIL. Offsets are looked at once, here: whatever Python does to them later, no view reaches beyond the bytes.
class Texts {
 public:
  Texts(nanobind::handle texts, const char* name) {
    namespace nb = nanobind;
    if (!nb::isinstance(texts, nb::module_::import_("zipfit.system.texts").attr("Texts"))) {
      throw wrong_type(name, "Texts", texts);
    }
    const nb::object data = texts.attr("data");
    if (!nb::isinstance<nb::bytes>(data)) throw wrong_type("the data of texts", "bytes", data);
    data_ = nb::borrow<nb::bytes>(data);
    const auto offsets = array<std::int64_t, 1>(texts.attr("offsets"), "the offsets of texts");
    const auto* const bytes = static_cast<const char*>(data_.data());
    const auto size = static_cast<std::int64_t>(data_.size());
    bool sound = offsets.shape(0) > 0 && offsets(0) >= 0;
    for (std::size_t i = 1; sound && i < offsets.shape(0); ++i) {
      const std::int64_t from = offsets(i - 1), to = offsets(i);
      sound = from <= to && to <= size;
      if (sound) views_.emplace_back(bytes + from, static_cast<std::size_t>(to - from));
    }
    if (!sound) throw nb::value_error("the offsets of texts must ascend and lie within their data");
  }

  std::size_t size() const { return views_.size(); }
  Text operator[](std::size_t i) const { return text_of(views_[i]); }
  const std::vector<std::string_view>& views() const { return views_; }

  static Text text_of(std::string_view view) {
    return {reinterpret_cast<const std::uint8_t*>(view.data()), view.size()};
  }

 private:
  nanobind::bytes data_;
  std::vector<std::string_view> views_;
};

/// A single text: a bytes object, which the caller's argument keeps alive.
inline Text text_of(nanobind::handle text) {
  if (!nanobind::isinstance<nanobind::bytes>(text)) throw wrong_type("text", "bytes", text);
  const auto bytes = nanobind::borrow<nanobind::bytes>(text);
  return {static_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}

}  // namespace zipfit
