// The selections of select.hpp, in the instructions of x86-64: one comparison, and moves that depend on its flags.
#pragma once

#include "isa.hpp"

namespace zipfit::ZIPFIT_ISA::x86 {

ZIPFIT_INLINE std::uint32_t select_below(std::uint32_t bound, std::uint32_t value, std::uint32_t below,
                                         std::uint64_t& index) {
  asm("cmpl %[value], %[bound]\n\t"
      "cmovbl %[below], %[value]\n\t"
      "sbbq $0, %[index]"
      : [value] "+&r"(value), [index] "+&r"(index)
      : [below] "r"(below), [bound] "r"(bound)
      : "cc");
  return value;
}

ZIPFIT_INLINE std::uint32_t exchange_below(std::uint32_t bound, std::uint32_t& value, std::uint32_t below) {
  std::uint32_t selected = value;
  asm("cmpl %[value], %[bound]\n\t"
      "cmovbl %[below], %[selected]\n\t"
      "cmovael %[below], %[value]"
      : [selected] "+&r"(selected), [value] "+&r"(value)
      : [below] "r"(below), [bound] "r"(bound)
      : "cc");
  return selected;
}

}  // namespace zipfit::ZIPFIT_ISA::x86
