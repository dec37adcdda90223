// The lines of JSON Lines: where each record lies in a run of whole lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace zipfit::json {

/// Records of a run of lines: line `number[i]`, from 0, holds a record at begin[i]..end[i], without its end of line.
struct Lines {
  std::vector<std::int64_t> begin, end, number;
  std::int64_t count = 0;  // of all lines
};

/// What Python's `bytes.strip` takes for space.
inline bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

inline bool is_blank(std::string_view line) {
  for (const char c : line) {
    if (!is_space(c)) return false;
  }
  return true;
}

/// The lines that are not blank; each ends at a line feed, or at the end of the data, and loses one carriage return.
inline Lines lines(std::string_view data) {
  Lines found;
  for (std::size_t begin = 0; begin < data.size(); ++found.count) {
    const void* const feed = std::memchr(data.data() + begin, '\n', data.size() - begin);
    const std::size_t next = feed == nullptr ? data.size() : static_cast<const char*>(feed) - data.data() + 1;
    std::size_t end = feed == nullptr ? next : next - 1;
    if (end > begin && data[end - 1] == '\r') --end;
    if (!is_blank(data.substr(begin, end - begin))) {
      found.begin.push_back(static_cast<std::int64_t>(begin));
      found.end.push_back(static_cast<std::int64_t>(end));
      found.number.push_back(found.count);
    }
    begin = next;
  }
  return found;
}

}  // namespace zipfit::json
