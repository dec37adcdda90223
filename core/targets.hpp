// The targets of a set of pairs, copied once, one behind the other.
#pragma once

#include "isa.hpp"
#include "kernel.hpp"

namespace zipfit::ZIPFIT_ISA {

class Targets {
 public:
  Targets(const Text* texts, std::size_t count) : start_(count + 1), count_(count) {
    for (std::size_t j = 0; j < count; ++j) {
      start_[j + 1] = start_[j] + texts[j].size;
      longest_ = larger_of(longest_, texts[j].size);
    }
    bytes_ = Array<std::uint8_t>(start_[count]);
    for (std::size_t j = 0; j < count; ++j) {
      if (texts[j].size) std::memcpy(bytes_.data() + start_[j], texts[j].data, texts[j].size);
    }
  }

  std::size_t count() const { return count_; }
  std::size_t longest() const { return longest_; }
  std::size_t total() const { return start_[count_]; }
  /// Where target j starts among all targets' bytes.
  std::size_t start(std::size_t j) const { return start_[j]; }
  Bytes operator[](std::size_t j) const { return {bytes_.data() + start_[j], start_[j + 1] - start_[j]}; }
  Bytes all() const { return {bytes_.data(), start_[count_]}; }

 private:
  Array<std::size_t> start_;
  Array<std::uint8_t> bytes_;
  std::size_t count_;
  std::size_t longest_ = 0;
};

}  // namespace zipfit::ZIPFIT_ISA
