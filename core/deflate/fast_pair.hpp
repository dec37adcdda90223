// Which pairs are simple enough for the fast paths.
#pragma once

#include "deflate/config.hpp"

namespace zipfit::ZIPFIT_ISA::deflate {

// Pairs up to this size take the fast path: one block (there cannot be more symbols than bytes), no sliding, every
// position within reach of every other. Longer ones spend their time on the last few hundred bytes anyway, once
// checkpointed.
constexpr std::size_t kLongestFastPair = 16000;
static_assert(kLongestFastPair < kBlockSymbols && kLongestFastPair < kMaxDistance);

/// Whether a target may take the fast path at all: both boundary positions must have three bytes to hash.
ZIPFIT_INLINE bool fast_target(std::size_t size) { return size >= kMinMatch && size < kLongestFastPair; }

ZIPFIT_INLINE bool fast_source(std::size_t size) { return size < kLongestFastPair; }

ZIPFIT_INLINE bool fast_pair(std::size_t source, std::size_t target) {
  return fast_target(target) && source + target <= kLongestFastPair;
}

// Bytes that may be read, but not looked at, past the end of a pair.
constexpr std::size_t kReadAhead = 32;

}  // namespace zipfit::ZIPFIT_ISA::deflate
