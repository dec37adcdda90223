// NLTK's WordPunctTokenizer, the regular expression \w+|[^\w\s]+, over UTF-8.
//
// What \w and \s mean depends on the Unicode version of the Python that runs, so their table is not compiled in:
// whoever builds a tokenizer hands it the class of each code point as that Python's own `re` sees it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace zipfit::features {

enum class CharClass : unsigned char { space = 0, word = 1, punctuation = 2 };

// Where a token lies in its text, in bytes.
struct Token {
  std::size_t begin, end;

  std::string_view of(std::string_view text) const { return text.substr(begin, end - begin); }
};

class WordPunct {
 public:
  static constexpr std::size_t kCodePoints = 0x110000;

  // One byte for each code point: a CharClass.
  explicit WordPunct(std::string_view classes) : classes_(classes.begin(), classes.end()) {
    if (classes.size() != kCodePoints) throw std::invalid_argument("the class table must have 0x110000 entries");
    for (const char c : classes) {
      if (static_cast<unsigned char>(c) > 2) throw std::invalid_argument("a character class is 0, 1 or 2");
    }
  }

  // Split `text`, which is UTF-8 (surrogates encoded like other code points are fine), into the first of
  // `tokens`, a scratch that grows as need be, and return how many they are.
  // A byte that belongs to no code point is taken as U+FFFD would be; only callers other than Python's str can have
  // one.
  std::size_t operator()(std::string_view text, std::vector<Token>& tokens) const {
    // Words are short, so a branch at their ends would be guessed wrong each time: every place is written down as a
    // begin and as an end, and counts only if it was one.
    std::size_t begun = 0, ended = 0;
    CharClass before = CharClass::space;
    for (std::size_t i = 0; i < text.size();) {
      if (tokens.size() < begun + kRoom) tokens.resize(2 * begun + kRoom);
      Token* const out = tokens.data();
      for (const std::size_t stop = std::min(text.size(), i + kRoom - 1); i < stop;) {
        const std::size_t at = i;
        const CharClass here = take(text, i);
        out[ended].end = at;
        ended += here != before && before != CharClass::space;
        out[begun].begin = at;
        begun += here != before && here != CharClass::space;
        before = here;
      }
    }
    if (ended < begun) tokens[ended].end = text.size();
    return begun;
  }

 private:
  static constexpr std::size_t kRoom = 4096;  // tokens that fit in before there is need to look again
  static constexpr std::uint32_t kReplacement = 0xFFFD;

  // The class of the code point at text[i]; moves i past it.
  CharClass take(std::string_view text, std::size_t& i) const {
    const auto first = static_cast<unsigned char>(text[i]);
    return static_cast<CharClass>(classes_[first < 0x80 ? ++i, first : decode(text, i)]);
  }

  // The code point of the sequence at text[i], whose first byte is not ASCII; moves i past it.
  static std::uint32_t decode(std::string_view text, std::size_t& i) {
    const auto byte = [&](std::size_t k) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[k])); };
    const std::size_t at = i++;
    const std::uint32_t first = byte(at);
    const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 1;
    if (length == 1 || text.size() - at < length) return kReplacement;
    std::uint32_t code_point = first & (0xFFu >> (length + 1));
    for (std::size_t k = 1; k < length; ++k) {
      if ((byte(at + k) & 0xC0) != 0x80) return kReplacement;
      code_point = code_point << 6 | (byte(at + k) & 0x3F);
    }
    if (code_point >= kCodePoints) return kReplacement;
    i = at + length;
    return code_point;
  }

  std::vector<char> classes_;
};

}  // namespace zipfit::features
