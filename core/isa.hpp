// One source, several instruction sets.
//
// The algorithms in core/ are written once and compiled once per instruction set (see CMakeLists.txt), each time into a
// namespace of its own, so that the linker can never answer a portable caller with a function that another translation
// unit compiled for a newer processor. For the same reason these headers use no standard containers or algorithms that
// the compiler might emit as shared (weak) functions: memory comes from `Array` below, which lives in that namespace
// too.
//
// ZIPFIT_ISA is the namespace: `portable`, `avx2` or `avx512`. What the compiler may use follows from its flags alone.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#ifndef ZIPFIT_ISA
#define ZIPFIT_ISA portable
#endif

#define ZIPFIT_INLINE inline __attribute__((always_inline))
#define ZIPFIT_LAMBDA_INLINE __attribute__((always_inline))

namespace zipfit::ZIPFIT_ISA {

static_assert(sizeof(std::size_t) == 8, "positions and sizes are 64-bit");

/// A fixed number of elements on the heap: zeroed, movable, freed with its owner.
template <class T>
class Array {
 public:
  Array() = default;
  explicit Array(std::size_t size) : data_(size ? new T[size]() : nullptr), size_(size) {}
  Array(Array&& other) noexcept : data_(other.data_), size_(other.size_) { other.forget(); }
  Array& operator=(Array&& other) noexcept {
    if (this != &other) {
      delete[] data_;
      data_ = other.data_;
      size_ = other.size_;
      other.forget();
    }
    return *this;
  }
  ~Array() { delete[] data_; }

  /// At least `size` elements; what was there is lost when it has to grow.
  void reserve(std::size_t size) {
    if (size > size_) *this = Array(size);
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }
  std::size_t size() const { return size_; }

 private:
  void forget() {
    data_ = nullptr;
    size_ = 0;
  }
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

/// A borrowed run of bytes: a document, never copied for being looked at.
struct Bytes {
  const std::uint8_t* data = nullptr;
  std::size_t size = 0;
};

template <class T>
ZIPFIT_INLINE T load(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <class T>
ZIPFIT_INLINE T smaller_of(T a, T b) {
  return b < a ? b : a;
}

template <class T>
ZIPFIT_INLINE T larger_of(T a, T b) {
  return a < b ? b : a;
}

/// How many bytes two runs have in common, at most `limit`; reads no byte at or past `limit`.
ZIPFIT_INLINE unsigned common_length(const std::uint8_t* a, const std::uint8_t* b, unsigned limit) {
  static_assert(std::endian::native == std::endian::little, "the lowest differing bit is the first differing byte");
  unsigned length = 0;
  for (; length + 8 <= limit; length += 8) {
    const std::uint64_t difference = load<std::uint64_t>(a + length) ^ load<std::uint64_t>(b + length);
    if (difference) return length + (static_cast<unsigned>(std::countr_zero(difference)) >> 3);
  }
  while (length < limit && a[length] == b[length]) ++length;
  return length;
}

}  // namespace zipfit::ZIPFIT_ISA
