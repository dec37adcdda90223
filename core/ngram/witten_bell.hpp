// Cross-entropy of a text under an interpolated byte n-gram model with Witten-Bell smoothing.
//
//   p(b | h) = (c(hb) + T(h) p(b | h')) / (c(h) + T(h)),      h' = h without its first byte,
//
// c(hb) counts b after the context h in training, c(h) sums it over b, T(h) is the number of distinct bytes seen after
// h; below the empty context lies the uniform distribution over 256 bytes. A context never seen leaves p(b | h').
//
// Only contexts that the *test* text asks for are counted: its contexts are collected first, then the training text
// streams by. So memory follows the test text, whatever the size of the training text. A context's suffixes are
// contexts of the test text too (at the same place), so walking from short to long the first miss ends the search.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "text/edges.hpp"

namespace zipfit::ngram {

class WittenBell {
 public:
  static constexpr int longest_order = 32;

  // order n: contexts of up to n - 1 bytes. They never reach across the start of a text.
  WittenBell(const std::vector<std::string_view>& test, int order) : test_(test), order_(order) {
    if (order < 1 || order > longest_order) throw std::invalid_argument("order must lie in 1..32");
    for (const std::string_view document : test_) {
      for (std::size_t at = 0; at < document.size(); ++at) {
        std::uint32_t context = 0;
        for (int n = 0;; ++n) {
          child(bytes_, byte_counts_, context, document[at]);
          if (n + 1 >= order_ || static_cast<std::size_t>(n) + 1 > at) break;
          context = child(edges_, contexts_, context, document[at - static_cast<std::size_t>(n) - 1]);
        }
      }
    }
  }

  void train(std::string_view document) {
    for (std::size_t at = 0; at < document.size(); ++at) {
      const auto byte = static_cast<unsigned char>(document[at]);
      std::uint32_t context = 0;
      for (int n = 0;; ++n) {
        Context& c = contexts_[context];
        ++c.total;
        c.followers[byte >> 6] |= std::uint64_t{1} << (byte & 63);
        if (const std::uint32_t pair = bytes_.find(context, byte)) ++byte_counts_[pair];
        if (n + 1 >= order_ || static_cast<std::size_t>(n) + 1 > at) break;
        context = edges_.find(context, static_cast<unsigned char>(document[at - static_cast<std::size_t>(n) - 1]));
        if (context == 0) break;
      }
    }
  }

  // Sum of -log2 p over the bytes of the test text, in order.
  double bits() const {
    double sum = 0;
    for (const std::string_view document : test_) {
      for (std::size_t at = 0; at < document.size(); ++at) {
        const auto byte = static_cast<unsigned char>(document[at]);
        double p = 1.0 / 256;
        std::uint32_t context = 0;
        for (int n = 0;; ++n) {
          const Context& c = contexts_[context];
          if (c.total == 0) break;  // nor was any longer one seen
          const double count = static_cast<double>(byte_counts_[bytes_.find(context, byte)]);
          const double distinct = c.distinct();
          p = (count + distinct * p) / (static_cast<double>(c.total) + distinct);
          if (n + 1 >= order_ || static_cast<std::size_t>(n) + 1 > at) break;
          context = edges_.find(context, static_cast<unsigned char>(document[at - static_cast<std::size_t>(n) - 1]));
        }
        sum -= std::log2(p);
      }
    }
    return sum;
  }

 private:
  struct Context {
    std::uint64_t total = 0;
    std::array<std::uint64_t, 4> followers{};  // a bit for each byte value seen

    int distinct() const {
      int n = 0;
      for (const std::uint64_t word : followers) n += std::popcount(word);
      return n;
    }
  };

  template <class Entry>
  static std::uint32_t child(text::Edges& edges, std::vector<Entry>& entries, std::uint32_t parent, char symbol) {
    const auto byte = static_cast<unsigned char>(symbol);
    std::uint32_t node = edges.find(parent, byte);
    if (node == 0) {
      node = static_cast<std::uint32_t>(entries.size());
      edges.insert(parent, byte, node);
      entries.emplace_back();
    }
    return node;
  }

  std::vector<std::string_view> test_;
  int order_;
  text::Edges edges_;                                 // context, the byte before it -> longer context
  text::Edges bytes_;                                 // context, the byte after it -> entry of byte_counts_
  std::vector<Context> contexts_ = {Context{}};        // 0: the empty context
  std::vector<std::uint64_t> byte_counts_ = {0};       // 0: no entry
};

}  // namespace zipfit::ngram
