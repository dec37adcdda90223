// Fuzzes core/json and core/text/blake2b.hpp: whatever the bytes, reading stays within the line and the room for its
// text, gives UTF-8, and does not depend on what stands around the record; digests are the same in every way.
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "json/lines.hpp"
#include "json/plain_record.hpp"
#include "text/blake2b.hpp"

namespace {

using zipfit::json::PlainRecord;

/// A copy that ends where its memory does, so that a sanitizer sees a byte read too far.
std::unique_ptr<char[]> exact(std::string_view bytes) {
  auto copy = std::make_unique<char[]>(bytes.size());
  if (!bytes.empty()) std::memcpy(copy.get(), bytes.data(), bytes.size());
  return copy;
}

struct Outcome {
  bool plain = false, labelled = false;
  std::string text, label;
  bool operator==(const Outcome&) const = default;
};

Outcome outcome(std::string_view line, std::string_view text_field, std::string_view label_field) {
  const auto copy = exact(line);
  const auto room = std::make_unique<char[]>(line.size());
  PlainRecord record(text_field, label_field);
  Outcome found;
  found.plain = record.read({copy.get(), line.size()}, room.get());
  if (!found.plain) return found;
  found.text.assign(room.get(), record.text_end());
  found.labelled = record.has_label();
  if (found.labelled) found.label = record.label();
  return found;
}

bool is_utf8(std::string_view text) {
  const char* const end = text.data() + text.size();
  for (const char* p = text.data(); p != end;) {
    const int length = static_cast<unsigned char>(*p) < 0x80 ? 1 : zipfit::json::sequence_length(p, end);
    if (length == 0) return false;
    p += length;
  }
  return true;
}

void expect(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* bytes, std::size_t size) {
  const std::string_view data(reinterpret_cast<const char*>(bytes), size);
  const auto copy = exact(data);
  const zipfit::json::Lines found = zipfit::json::lines({copy.get(), size});
  std::vector<std::string_view> lines;
  for (std::size_t i = 0; i < found.begin.size(); ++i) {
    lines.push_back(data.substr(static_cast<std::size_t>(found.begin[i]),
                                static_cast<std::size_t>(found.end[i] - found.begin[i])));
    expect(!zipfit::json::is_blank(lines.back()) && found.number[i] < found.count);
  }
  lines.push_back(data);  // line feeds and all
  for (const std::string_view line : lines) {
    for (const auto& [text_field, label_field] : {std::pair{"text", "source"}, {"a", "a"}, {"", "text"}}) {
      const Outcome plain = outcome(line, text_field, label_field);
      expect(is_utf8(plain.text) && is_utf8(plain.label));
      const std::string spaced = std::string(1 + line.size() % 16, ' ') + std::string(line) + "\t\r ";
      expect(outcome(spaced, text_field, label_field) == plain);
      if (plain.plain && line.size() < zipfit::json::kDeepest) {  // so that it is not too deep
        const std::string nested = "{\"b\": [" + std::string(line) + "], \"text\": \"t\"}";
        expect(outcome(nested, "text", "c").text == "t");
      }
      expect(!outcome(std::string(line) + "x", text_field, label_field).plain);
    }
  }

  std::vector<std::uint64_t> digests(lines.size()), expected(lines.size());
  zipfit::text::digests_portable(lines.data(), lines.size(), expected.data());
  for (const zipfit::text::Digests way : zipfit::text::all_digests()) {
    if (way == nullptr) continue;
    way(lines.data(), lines.size(), digests.data());
    expect(digests == expected);
  }
  return 0;
}
