// NLTK's WordPunctTokenizer, the regular expression \w+|[^\w\s]+, over UTF-8.
//
// What \w and \s mean depends on the Unicode version of the Python that runs, so their table is not compiled in: whoever
// builds a tokenizer hands it the class of each code point as that Python's own `re` sees it.
//
// The tokens are written one after the other with single spaces between. No token contains a space, and an n-gram's key
// is its tokens joined by spaces: so every n-gram is a contiguous piece of that text, with nothing to build or copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace zipfit::features {

enum class CharClass : unsigned char { space = 0, word = 1, punctuation = 2 };

// A text's tokens: `joined` holds them with single spaces between, token i at [starts[i], starts[i + 1] - 1).
struct Tokens {
  static constexpr std::size_t kSlack = 32;  // bytes that may be read after the last token

  std::string joined;               // the tokens, then kSlack zeros
  std::vector<std::size_t> starts;  // one for each token, and one where the next would start

  std::size_t size() const { return starts.size() - 1; }

  // Tokens first .. first + n - 1, joined by spaces.
  std::string_view ngram(std::size_t first, std::size_t n) const {
    return {joined.data() + starts[first], starts[first + n] - 1 - starts[first]};
  }
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

  // Split `text`, which is UTF-8 (surrogates encoded like other code points are fine), into `out`.
  // A byte that belongs to no code point is taken as U+FFFD would be; only callers other than Python's str can have one.
  void operator()(std::string_view text, Tokens& out) const {
    out.joined.clear();
    out.starts.clear();
    for (std::size_t i = 0; i < text.size();) {
      const std::size_t begin = i;
      const CharClass run = take(text, i);
      for (std::size_t next = i; next < text.size() && take(text, next) == run;) i = next;
      if (run == CharClass::space) continue;
      out.starts.push_back(out.joined.size());
      out.joined.append(text, begin, i - begin).push_back(' ');
    }
    out.starts.push_back(out.joined.size());
    out.joined.append(Tokens::kSlack, '\0');
  }

 private:
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
