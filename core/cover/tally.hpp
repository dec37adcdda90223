// Counts by number, read back in ascending order of number without sorting.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace zipfit::cover {

// Beside the counts lies a bit for each number that says whether it was counted at all, and above it a bit for each 64
// of those. Reading walks the bits that are set: one step for each number counted and one for each 4,096 there are.
class Tally {
 public:
  explicit Tally(std::size_t numbers) : counts_(numbers), counted_(numbers / 64 + 1), groups_(numbers / 4096 + 1) {}

  void count(std::uint32_t number) {
    ++counts_[number];
    counted_[number / 64] |= std::uint64_t{1} << number % 64;
    groups_[number / 4096] |= std::uint64_t{1} << number / 64 % 64;
  }

  // Calls visit(number, count) for each number counted, ascending, and begins anew.
  template <class Visit>
  void drain(Visit&& visit) {
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      for (std::uint64_t group = std::exchange(groups_[g], 0); group != 0; group &= group - 1) {
        const std::size_t w = g * 64 + static_cast<std::size_t>(std::countr_zero(group));
        for (std::uint64_t word = std::exchange(counted_[w], 0); word != 0; word &= word - 1) {
          const std::size_t number = w * 64 + static_cast<std::size_t>(std::countr_zero(word));
          visit(static_cast<std::uint32_t>(number), std::exchange(counts_[number], 0));
        }
      }
    }
  }

 private:
  std::vector<std::uint32_t> counts_;
  std::vector<std::uint64_t> counted_, groups_;
};

}  // namespace zipfit::cover
