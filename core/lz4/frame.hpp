// The size of an LZ4 frame as the `lz4` package's lz4.frame.compress writes it by default: 64 KB blocks, linked if
// there are several, the content size in the header, no checksums of content or blocks.
#pragma once

#include "lz4/parse.hpp"

namespace zipfit::ZIPFIT_ISA::lz4 {

constexpr std::size_t kFrameHeader = 4 + 2 + 1;  // magic number, flags, header checksum
constexpr std::size_t kContentSize = 8;          // absent when the content is empty
constexpr std::size_t kEndMark = 4;

/// The bytes of a frame around its blocks.
ZIPFIT_INLINE std::size_t frame_bytes(std::size_t size) { return kFrameHeader + (size ? kContentSize : 0) + kEndMark; }

/// A fresh parse of a block that starts at `start`.
ZIPFIT_INLINE Progress block_start(std::size_t start) { return {start + 1, start, 0, 0, kFirstSearch, false}; }

/// Parses and sizes the block [start, end) of a text.
template <class Table, class Log>
ZIPFIT_INLINE std::size_t size_block(const std::uint8_t* text, std::size_t start, std::size_t end, Table& table,
                                     Log& log) {
  Progress progress = block_start(start);
  Outcome outcome = Outcome::kDone;
  if (end - start >= kMinInput) {
    const unsigned hash = Table::hash(text + start);
    log.record(hash, table.at[hash]);
    table.at[hash] = static_cast<typename Table::Position>(start);
    outcome = run<false>(text, 0, end, end - start - 1, table, log, progress);
  }
  return block_bytes(outcome, progress, end, end - start);
}

/// The bytes of the linked blocks from `start`, the start of one, to `end`.
inline std::size_t linked_blocks(const std::uint8_t* text, std::size_t start, std::size_t end, LinkedTable& table) {
  std::size_t bytes = 0;
  NoLog log;
  for (; start < end; start += kBlockSize) {
    bytes += size_block(text, start, smaller_of(start + kBlockSize, end), table, log);
  }
  return bytes;
}

/// len(lz4.frame.compress(text)).
inline std::size_t size(Bytes text) {
  std::size_t bytes = frame_bytes(text.size);
  if (text.size == 0) return bytes;
  if (text.size <= kBlockSize) {
    LoneTable table = {};
    NoLog log;
    return bytes + size_block(text.data, 0, text.size, table, log);
  }
  Array<LinkedTable> table(1);
  return bytes + linked_blocks(text.data, 0, text.size, table[0]);
}

}  // namespace zipfit::ZIPFIT_ISA::lz4
