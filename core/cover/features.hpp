// The target's n-grams, and how often each occurs in a document.
//
// A *feature* is an n-gram of the target: of words or of bytes, of the orders asked for. A pool holds many times more
// distinct n-grams than a target, so everything here is laid out for the common case, the miss: features that the
// target lacks are never given a number and never stored.
//
// The target's n-grams form a trie. A node is reached from its parent (a shorter n-gram) by a 32-bit symbol, and all
// edges lie in one open-addressing hash table keyed by (parent, symbol): 64 bits that are the n-gram exactly, given
// the parent. So there are no hash collisions to reason about, nodes cost 16 bytes each whatever their order, and since
// the start of a target n-gram is a target n-gram, the first miss at a position ends the search there.
//
//   words   A symbol is a word's number in the target's vocabulary; a word outside it ends every n-gram it lies in.
//   bytes   A symbol is the next one to four bytes of the text, as far as the next order asked for.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cover/tally.hpp"
#include "text/edges.hpp"
#include "text/words.hpp"

namespace zipfit::cover {

enum class Unit { word, byte };

// The matches of a batch of documents. A document's features that occur once come first, in ascending order, each as
// the difference to the one before; then those that occur more often, each followed by its count. A number takes 16
// bits, or 48 in the rare case that it doesn't fit. So a match takes little more than two bytes, and the greedy, which
// spends its time reading them, mostly meets numbers of one width and one meaning.
//
// Kept outside of the process, a document is its size (64 bits), `once` (32 bits) and these words, little-endian.
struct Matches {
  struct Extent {
    std::uint32_t once, all;  // 16-bit words of the features that occur once; of all
    std::uint64_t bytes;      // the document's size
  };

  std::size_t features = 0;  // how many the target has
  std::vector<std::uint16_t> packed;
  std::vector<Extent> documents;
  bool appended = false;

  static void put(std::vector<std::uint16_t>& out, std::uint32_t number) {
    if (number < wide) {
      out.push_back(static_cast<std::uint16_t>(number));
    } else {
      out.insert(out.end(), {wide, static_cast<std::uint16_t>(number), static_cast<std::uint16_t>(number >> 16)});
    }
  }

  // Appends the bytes of a document that was kept. Throws std::invalid_argument if they are not what `kept` gives for
  // some document and a target of so many features.
  void append(std::string_view bytes) {
    const auto need = [&](bool sound) {
      if (!sound) {
        throw std::invalid_argument("the matches of document " + std::to_string(documents.size()) + " are damaged");
      }
    };
    need(bytes.size() >= header && (bytes.size() - header) % sizeof(std::uint16_t) == 0);
    const std::size_t all = (bytes.size() - header) / sizeof(std::uint16_t);
    need(all <= std::numeric_limits<std::uint32_t>::max());
    Extent extent{little<std::uint32_t>(bytes.substr(8)), static_cast<std::uint32_t>(all), little<std::uint64_t>(bytes)};
    need(extent.once <= extent.all && extent.bytes <= std::numeric_limits<std::int64_t>::max());
    const std::size_t start = packed.size();
    for (std::size_t at = header; at < bytes.size(); at += 2) packed.push_back(little<std::uint16_t>(bytes.substr(at)));
    const std::uint16_t *at = packed.data() + start, *middle = at + extent.once, *end = at + extent.all;
    const auto number = [&](const std::uint16_t* stop) {
      need(at < stop && (*at != wide || stop - at > 2));
      const bool is_wide = *at == wide;
      const std::uint32_t found = get(at);
      need(!is_wide || found >= wide);
      return found;
    };
    const auto ascend = [&](const std::uint16_t* stop, bool counted) {
      std::uint64_t feature = 0;
      for (bool is_first = true; at < stop; is_first = false) {
        const std::uint32_t step = number(stop);
        feature += step;
        need((is_first || step > 0) && feature < features);
        if (counted) need(number(stop) > 1);
      }
    };
    ascend(middle, false);
    ascend(end, true);
    documents.push_back(extent);
  }

  // The bytes of each document, for `append`.
  std::vector<std::string> kept() const {
    std::vector<std::string> out;
    out.reserve(documents.size());
    const std::uint16_t* at = packed.data();
    for (const Extent& d : documents) {
      std::string& bytes = out.emplace_back();
      bytes.reserve(header + d.all * sizeof *at);
      put_little(bytes, d.bytes);
      put_little(bytes, d.once);
      for (const std::uint16_t* end = at + d.all; at < end; ++at) put_little(bytes, *at);
    }
    return out;
  }

  // Calls visit(feature, count) for each match of the document that starts at a place of `packed`.
  template <class Visit>
  static void read(const std::uint16_t* at, std::uint32_t once, std::uint32_t all, Visit&& visit) {
    const std::uint16_t *middle = at + once, *end = at + all;
    for (std::uint32_t feature = 0; at < middle;) visit(feature += get(at), std::uint32_t{1});
    for (std::uint32_t feature = 0; at < end;) {
      feature += get(at);
      visit(feature, get(at));
    }
  }

 private:
  static constexpr std::uint16_t wide = 0xFFFF;
  static constexpr std::size_t header = 12;  // bytes

  template <class Number>
  static Number little(std::string_view bytes) {
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < sizeof(Number); ++i) {
      number |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
    }
    return static_cast<Number>(number);
  }

  template <class Number>
  static void put_little(std::string& out, Number number) {
    for (std::size_t i = 0; i < sizeof(Number); ++i) out.push_back(static_cast<char>(std::uint64_t{number} >> (8 * i)));
  }

  static std::uint32_t get(const std::uint16_t*& at) {
    const std::uint32_t number = *at++;
    if (number != wide) [[likely]]
      return number;
    at += 2;
    return std::uint32_t{at[-2]} | std::uint32_t{at[-1]} << 16;
  }
};

class Features {
 public:
  static constexpr int longest_order = 64;

  // Features are numbered by first occurrence in the target: by position, the shorter n-gram first.
  Features(const std::vector<std::string_view>& target, Unit unit, const std::vector<int>& orders) : unit_(unit) {
    if (orders.empty()) throw std::invalid_argument("orders must not be empty");
    int length = 0;
    for (const int order : orders) {  // levels between two orders only lead from one to the next
      if (order <= length) throw std::invalid_argument("orders must ascend");
      while (length < order) {
        length += unit == Unit::word ? 1 : std::min(order - length, 4);
        levels_.push_back({length, length == order});
      }
    }
    for (const std::string_view example : target) add(example);
  }

  std::size_t size() const { return counts_.size(); }
  const std::vector<std::int64_t>& counts() const { return counts_; }

  Matches matches(const std::vector<std::string_view>& documents) const {
    Matches out;
    out.features = size();
    Tally tally(size());
    const auto meet = [&](std::uint32_t feature) { tally.count(feature); };
    std::vector<std::uint32_t> symbols;
    std::vector<std::uint16_t> repeated;
    for (const std::string_view document : documents) {
      if (unit_ == Unit::byte) {
        walk(document.size(), [&](std::size_t i, int bytes) { return symbol_of(document, i, bytes); }, meet);
      } else {
        symbols.clear();
        text::for_each_word(document, [&](std::string_view word) { symbols.push_back(word_number(word)); });
        walk(symbols.size(), [&](std::size_t i, int) { return symbols[i]; }, meet);
      }
      const std::size_t start = out.packed.size();
      repeated.clear();
      std::uint32_t last_once = 0, last_repeated = 0;
      tally.drain([&](std::uint32_t feature, std::uint32_t count) {
        if (count == 1) {
          Matches::put(out.packed, feature - std::exchange(last_once, feature));
        } else {
          Matches::put(repeated, feature - std::exchange(last_repeated, feature));
          Matches::put(repeated, count);
        }
      });
      const std::size_t once = out.packed.size() - start, all = once + repeated.size();
      if (all > std::numeric_limits<std::uint32_t>::max()) throw std::length_error("a document has too many matches");
      out.packed.insert(out.packed.end(), repeated.begin(), repeated.end());
      out.documents.push_back({static_cast<std::uint32_t>(once), static_cast<std::uint32_t>(all), document.size()});
    }
    return out;
  }

 private:
  static constexpr std::uint32_t none = 0xFFFFFFFF;

  struct Level {
    int length;       // units from the start of the n-gram
    bool is_feature;  // one of the orders asked for
  };

  struct Hash {  // lets a view be looked up among strings
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };

  std::uint32_t word_number(std::string_view word) const {
    const auto found = words_.find(word);
    return found == words_.end() ? none : found->second;
  }

  // One to four bytes of a text, from `at` on, as one number.
  static std::uint32_t symbol_of(std::string_view text, std::size_t at, int bytes) {
    const auto byte = [&](std::size_t i) { return std::uint32_t{static_cast<unsigned char>(text[at + i])} << (8 * i); };
    if (at + 4 <= text.size()) [[likely]]
      return (byte(0) | byte(1) | byte(2) | byte(3)) & (0xFFFFFFFFu >> (32 - 8 * bytes));  // one load
    std::uint32_t symbol = 0;
    for (int i = 0; i < bytes; ++i) symbol |= byte(static_cast<std::size_t>(i));
    return symbol;
  }

  // Calls meet(feature) for each feature at each place of a text of `size` units; symbol_at(i, length) is the symbol
  // of the `length` units from i. The table is larger than the near caches and a hit as likely as a miss, so going
  // down the trie place by place would wait for memory at every turn. Instead a block of places goes down together,
  // level by level: first ask for all memory, then look at it, then go on with the places that had a hit.
  template <class SymbolAt, class Meet>
  void walk(std::size_t size, SymbolAt&& symbol_at, Meet&& meet) const {
    static constexpr std::size_t block = 128;
    std::array<std::size_t, block> start;
    std::array<std::uint32_t, block> node;
    std::array<text::Edges::Claim, block> claim;
    for (std::size_t first = 0; first < size; first += block) {
      std::size_t alive = std::min(block, size - first);
      for (std::size_t i = 0; i < alive; ++i) {
        start[i] = first + i;
        node[i] = 0;
      }
      int length = 0;
      for (const Level& level : levels_) {
        while (alive > 0 && start[alive - 1] + static_cast<std::size_t>(level.length) > size) --alive;
        for (std::size_t i = 0; i < alive; ++i) {
          claim[i] = edges_.prefetch(node[i], symbol_at(start[i] + static_cast<std::size_t>(length), level.length - length));
        }
        std::size_t hits = 0;
        for (std::size_t i = 0; i < alive; ++i) {
          const std::uint32_t child = edges_.find(claim[i]);
          start[hits] = start[i];
          node[hits] = child;
          hits += child != 0;
        }
        if (level.is_feature) {
          for (std::size_t i = 0; i < hits; ++i) meet(feature_of_[node[i]]);
        }
        alive = hits;
        length = level.length;
      }
    }
  }

  std::uint32_t child(std::uint32_t parent, std::uint32_t symbol, bool is_feature) {
    std::uint32_t node = edges_.find(parent, symbol);
    if (node == 0) {
      if (feature_of_.size() == none) throw std::length_error("the target has too many n-grams");
      node = static_cast<std::uint32_t>(feature_of_.size());
      edges_.insert(parent, symbol, node);
      feature_of_.push_back(is_feature ? static_cast<std::uint32_t>(counts_.size()) : none);
      if (is_feature) counts_.push_back(0);
    }
    if (is_feature) ++counts_[feature_of_[node]];
    return node;
  }

  void add(std::string_view example) {
    std::vector<std::uint32_t> symbols;
    if (unit_ == Unit::word) {
      text::for_each_word(example, [&](std::string_view word) {
        symbols.push_back(words_.emplace(word, static_cast<std::uint32_t>(words_.size())).first->second);
      });
    }
    const std::size_t size = unit_ == Unit::word ? symbols.size() : example.size();
    for (std::size_t start = 0; start < size; ++start) {
      std::uint32_t node = 0;
      std::size_t at = start;
      for (const Level& level : levels_) {
        const std::size_t end = start + static_cast<std::size_t>(level.length);
        if (end > size) break;
        node = child(node, unit_ == Unit::word ? symbols[at] : symbol_of(example, at, static_cast<int>(end - at)),
                     level.is_feature);
        at = end;
      }
    }
  }

  Unit unit_;
  std::vector<Level> levels_;
  std::unordered_map<std::string, std::uint32_t, Hash, std::equal_to<>> words_;
  text::Edges edges_;
  std::vector<std::uint32_t> feature_of_ = {none};  // by node; the root is no feature
  std::vector<std::int64_t> counts_;                // by feature: occurrences in the target
};

}  // namespace zipfit::cover
