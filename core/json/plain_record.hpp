// Plain records: JSON objects of which two fields are wanted, a text and a label, found without building the rest.
//
// A fast path must never say anything that the slow one (zipfit/corpus/records.py, on Python's json) would not. So this
// reader knows a subset of what that accepts, strictly, and answers `false` on any doubt, upon which the slow reader
// has the record. It doubts what is not JSON or not UTF-8, and of what is: anything but an object; a field twice in one
// object, however deep (an error there); a key with an escape, with which two keys may be equal and look different;
// objects of more than kMostFields; values nested deeper than kDeepest, as Python's recursion has a limit; numbers of
// more than kLongestNumber bytes, as Python's integers have one; and NaN and infinity, which are no JSON.
//
// It is one pass of recursive descent. What costs time is strings, and of those the stretches without a quote, a
// backslash, a control character or a byte beyond ASCII: they are passed over 16 bytes at a time (8 without SSE2).
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace zipfit::json {

inline constexpr int kDeepest = 64;               // Python's recursion limit is 1000 calls, the caller's included
inline constexpr std::size_t kMostFields = 64;    // each new key is compared with those before it
inline constexpr std::size_t kLongestNumber = 600;  // sys.set_int_max_str_digits allows no limit below 640

/// Which of the 16 bytes at `p` end a string's plain stretch: a quote, a backslash, below 0x20 or above 0x7f.
#if defined(__SSE2__)
inline unsigned special16(__m128i bytes) {
  const __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')), slash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
  // Signed, bytes above 0x7f are below a space as well.
  const __m128i other = _mm_cmplt_epi8(bytes, _mm_set1_epi8(' '));
  return static_cast<unsigned>(_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, slash), other)));
}
#endif

inline bool is_special(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte == '"' || byte == '\\' || byte < 0x20 || byte > 0x7f;
}

/// Passes over a string's plain stretch, and copies it to `out` if kCopied, which has room for all that is left.
template <bool kCopied>
inline void plain_stretch(const char*& p, const char* end, char*& out) {
#if defined(__SSE2__)
  while (end - p >= 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    if (kCopied) _mm_storeu_si128(reinterpret_cast<__m128i*>(out), bytes);
    const unsigned mask = special16(bytes);
    const int plain = mask == 0 ? 16 : std::countr_zero(mask);
    p += plain;
    if (kCopied) out += plain;
    if (mask != 0) return;
  }
#endif
  for (; p != end && !is_special(*p); ++p) {
    if (kCopied) *out++ = *p;
  }
}

/// The bytes of the UTF-8 sequence at `p`, beyond ASCII; 0 if it is none: cut off, overlong, a surrogate, too large.
inline int sequence_length(const char* p, const char* end) {
  const auto byte = [p](int i) { return static_cast<unsigned char>(p[i]); };
  const auto follows = [&](int i) { return (byte(i) & 0xc0) == 0x80; };
  const std::ptrdiff_t left = end - p;
  const unsigned char first = byte(0);
  if (first < 0xc2 || left < 2) return 0;
  if (first < 0xe0) return follows(1) ? 2 : 0;
  if (left < 3) return 0;
  if (first < 0xf0) {
    const unsigned lowest = first == 0xe0 ? 0xa0 : 0x80, highest = first == 0xed ? 0x9f : 0xbf;
    return byte(1) >= lowest && byte(1) <= highest && follows(2) ? 3 : 0;
  }
  if (first > 0xf4 || left < 4) return 0;
  const unsigned lowest = first == 0xf0 ? 0x90 : 0x80, highest = first == 0xf4 ? 0x8f : 0xbf;
  return byte(1) >= lowest && byte(1) <= highest && follows(2) && follows(3) ? 4 : 0;
}

/// The number that a hexadecimal digit writes; -1 if it is none.
inline int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/// What a backslash and each character stand for; 0 if it is no escape, or of four digits.
inline constexpr std::array<char, 256> kEscapes = [] {
  std::array<char, 256> escapes{};
  for (const char same : {'"', '\\', '/'}) escapes[static_cast<unsigned char>(same)] = same;
  escapes['b'] = '\b', escapes['f'] = '\f', escapes['n'] = '\n', escapes['r'] = '\r', escapes['t'] = '\t';
  return escapes;
}();

class PlainRecord {
 public:
  /// The names of the two fields, which may be the same; they outlive this.
  PlainRecord(std::string_view text_field, std::string_view label_field)
      : text_field_(text_field), label_field_(label_field) {}

  /// Whether a line is a plain record. If so, its text, UTF-8, is written to `text`, which has room for the line, and
  /// its label is known.
  bool read(std::string_view line, char* text) {
    p_ = line.data();
    end_ = p_ + line.size();
    text_end_ = text;
    has_label_ = false;
    keys_.clear();
    space();
    if (p_ == end_ || *p_ != '{' || !object(0)) return false;
    space();
    return p_ == end_;
  }

  /// Where the text ends; it is empty if the field is, is not there, or holds no string.
  char* text_end() const { return text_end_; }
  /// Whether the label's field holds a string, and which.
  bool has_label() const { return has_label_; }
  std::string_view label() const { return {label_.data(), label_size_}; }

 private:
  void space() {
    while (p_ != end_ && (*p_ == ' ' || *p_ == '\t' || *p_ == '\n' || *p_ == '\r')) ++p_;
  }

  bool next(char wanted) {
    if (p_ == end_ || *p_ != wanted) return false;
    ++p_;
    return true;
  }

  bool value(int depth) {
    if (p_ == end_) return false;
    char* nowhere = nullptr;
    switch (*p_) {
      case '"': return string<false>(nowhere);
      case '{': return object(depth);
      case '[': return list(depth);
      case 't': return word("true");
      case 'f': return word("false");
      case 'n': return word("null");
      default: return number();
    }
  }

  bool word(std::string_view wanted) {
    if (std::string_view(p_, left()).substr(0, wanted.size()) != wanted) return false;
    p_ += wanted.size();
    return true;
  }

  bool digits() {
    const char* const begin = p_;
    while (p_ != end_ && *p_ >= '0' && *p_ <= '9') ++p_;
    return p_ != begin;
  }

  bool number() {
    const char* const begin = p_;
    next('-');
    if (!next('0') && !digits()) return false;
    if (next('.') && !digits()) return false;
    if (next('e') || next('E')) {
      if (!next('-')) next('+');
      if (!digits()) return false;
    }
    return static_cast<std::size_t>(p_ - begin) <= kLongestNumber;
  }

  /// Passes over a string; what it stands for is written to `out` if kCopied.
  template <bool kCopied>
  bool string(char*& out) {
    if (!next('"')) return false;
    while (true) {
      plain_stretch<kCopied>(p_, end_, out);
      if (p_ == end_) return false;
      if (*p_ == '"') break;
      if (*p_ == '\\') {
        if (!escape<kCopied>(out)) return false;
        continue;
      }
      const int length = sequence_length(p_, end_);  // 0 for a control character too
      if (length == 0) return false;
      for (int i = 0; kCopied && i < length; ++i) *out++ = p_[i];
      p_ += length;
    }
    ++p_;
    return true;
  }

  template <bool kCopied>
  bool escape(char*& out) {
    if (left() < 2) return false;
    const char kind = p_[1];
    if (kind != 'u') {
      const char meant = kEscapes[static_cast<unsigned char>(kind)];
      if (meant == 0) return false;
      p_ += 2;
      if (kCopied) *out++ = meant;
      return true;
    }
    int code = hexadecimal();
    if (code < 0) return false;
    if (kCopied && code >= 0xd800 && code < 0xe000) {  // half a pair, which UTF-8 cannot say alone
      const int low = code < 0xdc00 && left() >= 2 && p_[0] == '\\' && p_[1] == 'u' ? hexadecimal() : -1;
      if (low < 0xdc00 || low >= 0xe000) return false;
      code = 0x10000 + ((code - 0xd800) << 10 | (low - 0xdc00));
    }
    if (kCopied) put(static_cast<std::uint32_t>(code), out);
    return true;
  }

  /// Passes over a backslash, a `u` and four hexadecimal digits; their number, or -1 if they are none.
  int hexadecimal() {
    if (left() < 6) return -1;
    int value = 0;
    for (int i = 2; i < 6; ++i) {
      const int read = digit(p_[i]);
      if (read < 0) return -1;
      value = value << 4 | read;
    }
    p_ += 6;
    return value;
  }

  static void put(std::uint32_t code, char*& out) {
    const auto byte = [&out](std::uint32_t value) { *out++ = static_cast<char>(value); };
    const auto follow = [&](int shift) { byte(0x80 | (code >> shift & 0x3f)); };
    if (code < 0x80) {
      byte(code);
    } else if (code < 0x800) {
      byte(0xc0 | code >> 6), follow(0);
    } else if (code < 0x10000) {
      byte(0xe0 | code >> 12), follow(6), follow(0);
    } else {
      byte(0xf0 | code >> 18), follow(12), follow(6), follow(0);
    }
  }

  bool list(int depth) {
    if (depth == kDeepest) return false;
    ++p_;
    space();
    if (next(']')) return true;
    while (true) {
      if (!value(depth + 1)) return false;
      space();
      if (next(']')) return true;
      if (!next(',')) return false;
      space();
    }
  }

  bool object(int depth) {
    if (depth == kDeepest) return false;
    const std::size_t first_key = keys_.size();
    ++p_;
    space();
    if (next('}')) return true;
    while (true) {
      const char* const begin = p_ + 1;
      char* nowhere = nullptr;
      if (!string<false>(nowhere)) return false;
      const std::string_view key(begin, static_cast<std::size_t>(p_ - 1 - begin));
      if (!is_new(key, first_key)) return false;
      space();
      if (!next(':')) return false;
      space();
      const bool is_string = depth == 0 && p_ != end_ && *p_ == '"';
      if (!(is_string ? field(key) : value(depth + 1))) return false;
      space();
      if (next('}')) break;
      if (!next(',')) return false;
      space();
    }
    keys_.resize(first_key);
    return true;
  }

  /// Notes a key of the innermost object, whose first is `keys_[first]`, unless there is a doubt about it.
  bool is_new(std::string_view key, std::size_t first) {
    if (keys_.size() - first == kMostFields || key.find('\\') != key.npos) return false;
    for (std::size_t i = first; i < keys_.size(); ++i) {
      if (keys_[i] == key) return false;
    }
    keys_.push_back(key);
    return true;
  }

  /// A field of the record itself, which holds a string.
  bool field(std::string_view key) {
    const char* const begin = p_;
    if (key == text_field_ && !string<true>(text_end_)) return false;
    if (key == label_field_) {
      p_ = begin;
      has_label_ = true;
      if (label_.size() < left()) label_.resize(left());
      char* end = label_.data();
      if (!string<true>(end)) return false;
      label_size_ = static_cast<std::size_t>(end - label_.data());
    }
    char* nowhere = nullptr;
    return p_ != begin || string<false>(nowhere);
  }

  std::size_t left() const { return static_cast<std::size_t>(end_ - p_); }

  std::string_view text_field_, label_field_;
  const char* p_ = nullptr;
  const char* end_ = nullptr;
  char* text_end_ = nullptr;
  bool has_label_ = false;
  std::string label_;  // as long as the longest line was
  std::size_t label_size_ = 0;
  std::vector<std::string_view> keys_;  // of the objects that are open
};

}  // namespace zipfit::json
