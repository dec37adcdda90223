// The words of a text.
//
// Words are read from UTF-8 by fixed ranges of code points rather than by the Unicode database, whose answers change
// from version to version. The regular expression in zipfit/methods/cover_reference.py says the same.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>
#include <utility>

namespace zipfit::text {

// What a code point is to the word reader.
enum class Kind : std::uint8_t { space, letter, sign };

// Letters join into words; a sign (punctuation, mathematics, the scripts that are written without spaces) is a word of
// its own, so that Chinese gives n-grams of characters; spaces only part words.
inline Kind kind_of(std::uint32_t c) {
  struct Range {
    std::uint32_t last;
    Kind kind;
  };
  // Each range runs from the end of the one before to `last`.
  static constexpr Range ranges[] = {
      {0x20, Kind::space},    // controls, space
      {0x2F, Kind::sign},     //
      {0x39, Kind::letter},   // 0-9
      {0x40, Kind::sign},     //
      {0x5A, Kind::letter},   // A-Z
      {0x5E, Kind::sign},     //
      {0x5F, Kind::letter},   // _
      {0x60, Kind::sign},     //
      {0x7A, Kind::letter},   // a-z
      {0x7E, Kind::sign},     //
      {0xA0, Kind::space},    // controls, no-break space
      {0xBF, Kind::sign},     // Latin-1 punctuation
      {0xDFF, Kind::letter},  // Latin, Greek, Cyrillic, Hebrew, Arabic, Devanagari ... Sinhala
      {0xEFF, Kind::sign},    // Thai, Lao: no spaces between words
      {0xFFF, Kind::letter},  // Tibetan
      {0x109F, Kind::sign},   // Myanmar
      {0x177F, Kind::letter}, // Georgian, Ethiopic, Cherokee ...
      {0x17FF, Kind::sign},   // Khmer
      {0x1FFF, Kind::letter}, // Mongolian ... Greek extended
      {0x200B, Kind::space},  // the spaces of typography
      {0x2027, Kind::sign},   //
      {0x2029, Kind::space},  // line and paragraph separator
      {0x202E, Kind::sign},   //
      {0x202F, Kind::space},  // narrow no-break space
      {0x2BFF, Kind::sign},   // punctuation, arrows, mathematics
      {0x2DFF, Kind::letter}, // Glagolitic, Coptic ...
      {0x2FFF, Kind::sign},   // CJK radicals
      {0x3000, Kind::space},  // ideographic space
      {0xABFF, Kind::sign},   // kana, CJK
      {0xD7FF, Kind::letter}, // Hangul, which has spaces
  };
  const auto* range = std::lower_bound(std::begin(ranges), std::end(ranges), c,
                                       [](const Range& r, std::uint32_t value) { return r.last < value; });
  return range == std::end(ranges) ? Kind::sign : range->kind;  // beyond: compatibility forms, other planes
}

// The code point at text[at] and how many bytes it takes. Bytes that are not UTF-8 are read as one byte each, so that
// the reader stays inside any input.
struct CodePoint {
  std::uint32_t value;
  std::uint32_t bytes;
};

inline CodePoint code_point_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[at + i])); };
  const std::uint32_t lead = byte(0);
  const std::uint32_t length = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (length == 1 || at + length > text.size()) return {lead, 1};
  std::uint32_t value = lead & (0x7Fu >> length);
  for (std::uint32_t i = 1; i < length; ++i) value = value << 6 | (byte(i) & 0x3F);
  return {value, length};
}

// Calls visit(word) for each word of a text, in order.
template <class Visit>
void for_each_word(std::string_view text, Visit&& visit) {
  static const auto ascii = [] {
    std::array<Kind, 128> table{};
    for (std::uint32_t c = 0; c < 128; ++c) table[c] = kind_of(c);
    return table;
  }();
  std::size_t at = 0;
  const auto next = [&]() -> std::pair<Kind, std::size_t> {
    const auto lead = static_cast<unsigned char>(text[at]);
    if (lead < 128) return {ascii[lead], 1};
    const CodePoint c = code_point_at(text, at);
    return {kind_of(c.value), c.bytes};
  };
  while (at < text.size()) {
    auto [kind, bytes] = next();
    const std::size_t start = at;
    at += bytes;
    if (kind == Kind::space) continue;
    if (kind == Kind::letter) {
      while (at < text.size()) {
        const auto [following, more] = next();
        if (following != Kind::letter) break;
        at += more;
      }
    }
    visit(text.substr(start, at - start));
  }
}

}  // namespace zipfit::text
