// What the rest of zipfit sees of the core: compressed sizes, of texts and of pairs, whatever the instruction set.
//
// One translation unit per instruction set fills in a `Kernel`; dispatch.cpp chooses among them. Nothing here has
// global state, and everything const may be used from any number of threads.
#pragma once

#include <cstddef>
#include <cstdint>

namespace zipfit {

/// A borrowed text.
struct Text {
  const std::uint8_t* data;
  std::size_t size;
};

/// The working memory of one thread that sizes pairs.
class PairSizer {
 public:
  virtual ~PairSizer() = default;

  /// Finds C(x), and C(x followed by target columns[i]) for each i below `count`; written to `*source` and `sizes[i]`
  /// by then or by finish().
  virtual void sizes(Text x, const std::int32_t* columns, std::size_t count, std::int64_t* source,
                     std::int64_t* sizes) = 0;

  /// Writes what is still to be written, of all texts so far.
  virtual void finish() = 0;
};

/// Targets prepared for being compressed after many texts. They are copied: the caller's may go.
class Pairs {
 public:
  virtual ~Pairs() = default;

  virtual std::size_t count() const = 0;
  /// C(t) for each target.
  virtual const std::int64_t* target_sizes() const = 0;
  /// A sizer for one thread, to be deleted by the caller; it must not outlive this.
  virtual PairSizer* sizer() const = 0;
};

struct Kernel {
  const char* isa;
  std::int64_t (*gzip_size)(Text text, int level);
  std::int64_t (*lz4_size)(Text text);
  /// Both to be deleted by the caller.
  Pairs* (*gzip_pairs)(const Text* targets, std::size_t count, int level);
  Pairs* (*lz4_pairs)(const Text* targets, std::size_t count);
};

constexpr int kLowestLevel = 1;
constexpr int kHighestLevel = 9;

}  // namespace zipfit
