// zipfit._core: records of JSON Lines and digests of texts.
#include <nanobind/nanobind.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "bindings/arguments.hpp"
#include "bindings/texts.hpp"
#include "families.hpp"
#include "json/lines.hpp"
#include "json/plain_record.hpp"
#include "text/blake2b.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

std::string_view bytes_of(nb::handle value, const char* name) {
  if (!nb::isinstance<nb::bytes>(value)) throw zipfit::wrong_type(name, "bytes", value);
  const auto bytes = nb::borrow<nb::bytes>(value);
  return {static_cast<const char*>(bytes.data()), bytes.size()};
}

nb::tuple json_lines(nb::handle data) {
  const std::string_view bytes = bytes_of(data, "data");
  zipfit::json::Lines found;
  {
    nb::gil_scoped_release release;
    found = zipfit::json::lines(bytes);
  }
  return nb::make_tuple(zipfit::numpy(std::move(found.begin)), zipfit::numpy(std::move(found.end)),
                        zipfit::numpy(std::move(found.number)), found.count);
}

/// Labels in order of first appearance, numbered.
class Labels {
 public:
  std::int32_t number(std::string_view label) {
    if (!names_.empty() && label == *names_[last_]) return static_cast<std::int32_t>(last_);
    const auto [place, is_new] = numbers_.try_emplace(std::string(label), names_.size());
    if (is_new) names_.push_back(&place->first);
    last_ = place->second;
    return static_cast<std::int32_t>(last_);
  }

  const std::vector<const std::string*>& names() const { return names_; }

  static constexpr std::int32_t kNone = -1, kDoubt = -2;

 private:
  std::unordered_map<std::string, std::size_t> numbers_;
  std::vector<const std::string*> names_;
  std::size_t last_ = 0;
};

nb::tuple plain_records(nb::handle data, nb::handle begin, nb::handle end, nb::handle text_field,
                        nb::handle label_field) {
  using zipfit::json::PlainRecord;
  const std::string_view bytes = bytes_of(data, "data");
  const auto begins = zipfit::array<std::int64_t, 1>(begin, "begin");
  const auto ends = zipfit::array<std::int64_t, 1>(end, "end");
  const std::size_t count = begins.shape(0);
  bool sound = ends.shape(0) == count;
  for (std::size_t i = 0; sound && i < count; ++i) {
    sound = (i == 0 ? 0 : ends(i - 1)) <= begins(i) && begins(i) <= ends(i) &&
            ends(i) <= static_cast<std::int64_t>(bytes.size());
  }
  if (!sound) throw nb::value_error("records must lie one after another within their data");
  PlainRecord record(bytes_of(text_field, "text_field"), bytes_of(label_field, "label_field"));

  // No text is longer than the line that it stands in.
  const std::unique_ptr<char[]> written(new char[bytes.size()]);
  char* const first = written.get();
  std::vector<std::int64_t> offsets(count + 1);
  std::vector<std::int32_t> numbers(count, Labels::kDoubt);
  Labels labels;
  {
    nb::gil_scoped_release release;
    char* out = first;
    for (std::size_t i = 0; i < count; ++i) {
      const auto size = static_cast<std::size_t>(ends(i) - begins(i));
      if (record.read(bytes.substr(static_cast<std::size_t>(begins(i)), size), out) && record.text_end() != out) {
        numbers[i] = record.has_label() ? labels.number(record.label()) : Labels::kNone;
        out = record.text_end();
      }
      offsets[i + 1] = out - first;
    }
  }
  const nb::bytes texts(first, static_cast<std::size_t>(offsets[count])); // the stable interface shrinks no bytes
  nb::list names;
  for (const std::string* const name : labels.names()) names.append(nb::bytes(name->data(), name->size()));
  return nb::make_tuple(texts, zipfit::numpy(std::move(offsets)), zipfit::numpy(std::move(numbers)),
                        names);
}

}  // namespace

void zipfit::bind_reading(nb::module_& m) {
  m.def("json_lines", &json_lines, "data"_a.none(),
        "Where the lines that are not blank begin and end, and their numbers, int64[n] each; and the count of all.");
  m.def("plain_records", &plain_records, "data"_a.none(), "begin"_a.none(), "end"_a.none(), "text_field"_a.none(),
        "label_field"_a.none(),
        "Texts of plain records one behind the other, bytes; their offsets, int64[n + 1]; the numbers of their labels, "
        "int32[n], -1 where there is none and -2 where the record is not plain; and the labels, list of bytes.");
  m.def(
      "text_digests",
      [](nb::handle batch, nb::handle way) {
        const zipfit::Texts texts(batch, "texts");
        const auto ways = zipfit::text::all_digests();
        const auto wanted = static_cast<std::size_t>(zipfit::integer(way, "way", 0, 3));
        const zipfit::text::Digests compute =
            wanted == 3 || ways[wanted] == nullptr ? zipfit::text::best_digests() : ways[wanted];
        std::vector<std::uint64_t> found(texts.size());
        {
          nb::gil_scoped_release release;
          compute(texts.views().data(), texts.size(), found.data());
        }
        return zipfit::numpy(std::move(found));
      },
      "texts"_a.none(), "way"_a.none() = 3,
      "The first 64 bits of each text's BLAKE2b, uint64[n]; way: lanes of one, four or eight texts, as tests want it.");
}
