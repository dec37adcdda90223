// How the fuzz targets read their input: a few leading bytes steer, the rest is text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "kernel.hpp"

namespace zipfit::ZIPFIT_ISA {
extern const Kernel kernel;
}

namespace fuzz {

inline const zipfit::Kernel& kernel() { return zipfit::ZIPFIT_ISA::kernel; }

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

  unsigned byte() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }

  /// At most `most` bytes, repeated so that inputs of a few hundred bytes reach the window and block limits too.
  std::string text(std::size_t most) {
    const unsigned steer = byte();
    const std::size_t size = most < size_ ? most : size_;
    const std::string once(reinterpret_cast<const char*>(data_), size);
    data_ += size;
    size_ -= size;
    std::string text = once;
    // One text in thirty-two is long: the text over and over, every copy ended by a byte of its own.
    if (steer % 32 == 7 && !once.empty()) {
      for (unsigned copy = 1; copy < 4 * steer && text.size() < 70000; ++copy) {
        text += once;
        text += static_cast<char>(copy * 37);
      }
    }
    return text;
  }

  std::size_t left() const { return size_; }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
};

inline zipfit::Text view(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

inline void expect(std::int64_t got, std::int64_t want, const char* what) {
  if (got == want) return;
  std::fprintf(stderr, "%s: the kernel says %lld, the library %lld\n", what, static_cast<long long>(got),
               static_cast<long long>(want));
  std::abort();
}

/// Sizes two sources against up to six targets, and checks each size against `reference`.
template <class MakePairs, class Reference>
void check_pairs(Input input, MakePairs make_pairs, Reference reference) {
  std::vector<std::string> targets;
  for (unsigned count = 1 + input.byte() % 6; count; --count) targets.push_back(input.text(input.byte() * 2));
  const std::string sources[2] = {input.text(input.left() / 2), input.text(input.left())};
  std::vector<zipfit::Text> views;
  std::vector<std::int32_t> columns;
  for (const std::string& target : targets) {
    columns.push_back(static_cast<std::int32_t>(views.size()));
    views.push_back(view(target));
  }
  zipfit::Pairs* const pairs = make_pairs(views.data(), views.size());
  zipfit::PairSizer* const sizer = pairs->sizer();
  for (std::size_t j = 0; j < targets.size(); ++j) expect(pairs->target_sizes()[j], reference(targets[j]), "target");
  std::int64_t own[2];
  std::vector<std::int64_t> sizes[2] = {std::vector<std::int64_t>(targets.size()),
                                        std::vector<std::int64_t>(targets.size())};
  for (int i = 0; i < 2; ++i) sizer->sizes(view(sources[i]), columns.data(), columns.size(), &own[i], sizes[i].data());
  sizer->finish();
  for (int i = 0; i < 2; ++i) {
    expect(own[i], reference(sources[i]), "source");
    for (std::size_t j = 0; j < targets.size(); ++j) expect(sizes[i][j], reference(sources[i] + targets[j]), "pair");
  }
  delete sizer;
  delete pairs;
}

}  // namespace fuzz
