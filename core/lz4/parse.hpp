// LZ4's greedy parse (LZ4_compress_fast at acceleration 1), counting bytes instead of writing them.
//
// The parse keeps a single table from hashes to positions and takes the first candidate that matches four bytes. What
// size it leads to depends on liblz4's particulars (release 1.9.4, unchanged since 1.8), which are kept here:
//
//  * A block of at most 64 KB that stands alone hashes 4 bytes into 2^13 entries; blocks linked to earlier ones hash
//    5 bytes into 2^12. Empty entries read as position 0, which is a candidate like any other.
//  * Searches skip ahead faster the longer they find nothing.
//  * No match starts in a block's last 12 bytes or covers its last 5.
//  * The output must be shorter than the input, or the block is stored. liblz4 decides that by what it *might* still
//  have
//    to write, at each sequence, so a block can be stored although its compressed form would have been a little
//    shorter. `Progress::needed` is the room it has asked for so far.
//
// A parse can stop where it would have to look past the end of a prefix x and be taken up again for x + t: see `run`.
#pragma once

#include "isa.hpp"

namespace zipfit::ZIPFIT_ISA::lz4 {

constexpr unsigned kMinMatch = 4;
constexpr unsigned kLastLiterals = 5;  // always literals at the end of a block
constexpr unsigned kMatchMargin = 12;  // no match starts this near the end of a block
constexpr unsigned kMinInput = kMatchMargin + 1;
constexpr unsigned kMaxDistance = 65535;
constexpr unsigned kSkipShift = 6;  // every 64 searches in vain, the step grows by one
constexpr unsigned kRunMask = 15;   // a token's nibble; longer runs and matches go on in bytes
constexpr std::size_t kBlockSize = 64 * 1024;

/// Positions of 4-byte sequences in a block that stands alone.
struct LoneTable {
  static constexpr unsigned kBits = 13;
  static constexpr bool kNear = true;  // every position is within reach
  using Position = std::uint16_t;
  Position at[1u << kBits];

  static ZIPFIT_INLINE unsigned hash(const std::uint8_t* p) {
    return (load<std::uint32_t>(p) * 2654435761u) >> (32 - kBits);
  }
};

/// Positions of 5-byte sequences in a chain of linked blocks.
struct LinkedTable {
  static constexpr unsigned kBits = 12;
  static constexpr bool kNear = false;
  using Position = std::size_t;
  Position at[1u << kBits];

  static ZIPFIT_INLINE unsigned hash(const std::uint8_t* p) {
    return static_cast<unsigned>(((load<std::uint64_t>(p) << 24) * 889523592379ull) >> (64 - kBits));
  }
};

/// Where a parse stands. Positions count from the start of the text, `written` and `needed` from the start of the
/// block.
struct Progress {
  std::size_t position;  // to be searched next, or just after a match
  std::size_t anchor;    // first byte not yet written
  std::size_t written;   // bytes of output so far
  std::size_t needed;    // most room that liblz4 has asked for so far
  unsigned searches;     // in vain since the last match, from 1 << kSkipShift up
  bool after_match;      // `position` follows a match: LZ4 looks there first without skipping
};

constexpr unsigned kFirstSearch = 1u << kSkipShift;

/// Keeps no record of what it overwrites.
struct NoLog {
  ZIPFIT_INLINE void record(unsigned, std::size_t) {}
};

/// How far two runs agree, with any limit.
ZIPFIT_INLINE std::size_t common_run(const std::uint8_t* a, const std::uint8_t* b, const std::uint8_t* b_end) {
  const std::uint8_t* const start = b;
  while (b_end - b >= 8) {
    const std::uint64_t difference = load<std::uint64_t>(a) ^ load<std::uint64_t>(b);
    if (difference)
      return static_cast<std::size_t>(b - start) + (static_cast<unsigned>(std::countr_zero(difference)) >> 3);
    a += 8;
    b += 8;
  }
  while (b < b_end && *a == *b) {
    ++a;
    ++b;
  }
  return static_cast<std::size_t>(b - start);
}

enum class Outcome { kDone, kStored, kPaused };

/// Parses text[..end) from `progress` on. `low` is the first position that a match may cover, `room` the most bytes
/// that the block may take. kDone: all but the last literals are accounted for. kStored: `room` did not suffice; the
/// table holds what was entered until then, as liblz4's does.
///
/// With Prefix, text[..end) is the beginning of longer blocks: the parse stops (kPaused) before its first step that
/// could depend on what follows, and `room` is ignored, for `needed` remembers what to compare with it.
template <bool Prefix, class Table, class Log>
inline Outcome run(const std::uint8_t* text, std::size_t low, std::size_t end, std::size_t room, Table& table,
                   Log& log_of_all, Progress& progress) {
  using Position = typename Table::Position;
  Progress p = progress;  // copies, to be kept in registers
  Log log = log_of_all;
  const auto put = [&](unsigned hash, std::size_t position) ZIPFIT_LAMBDA_INLINE {
    log.record(hash, table.at[hash]);
    table.at[hash] = static_cast<Position>(position);
  };
  const auto matches = [&](std::size_t candidate, std::size_t position) ZIPFIT_LAMBDA_INLINE {
    return (Table::kNear || candidate + kMaxDistance >= position) &&
           load<std::uint32_t>(text + candidate) == load<std::uint32_t>(text + position);
  };
  const std::size_t match_end = end - kLastLiterals;
  const auto reaches_end = [&](std::size_t candidate, std::size_t position) {
    return position + common_run(text + candidate, text + position, text + match_end) == match_end;
  };
  const std::size_t last_start = end - kMatchMargin + 1;  // liblz4's mflimitPlusOne
  const auto leave = [&] {
    progress = p;
    log_of_all = log;
  };
  for (;;) {
    std::size_t match;
    bool adjoining_match = false;  // right behind a match: liblz4 asks for no room for literals then
    if (p.after_match) {
      if (p.position >= last_start) {
        leave();
        return Prefix ? Outcome::kPaused : Outcome::kDone;
      }
      const unsigned hash = Table::hash(text + p.position);
      const unsigned hash_before = Table::hash(text + p.position - 2);
      // The entry two back goes in first; it may be the one that the lookup finds.
      match = hash == hash_before ? p.position - 2 : table.at[hash];
      const bool found = matches(match, p.position);
      if (Prefix && found && reaches_end(match, p.position)) {
        leave();
        return Outcome::kPaused;
      }
      put(hash_before, p.position - 2);
      put(hash, p.position);
      p.after_match = false;
      p.searches = kFirstSearch;
      adjoining_match = found;
      if (!found) {
        ++p.position;
        continue;
      }
    } else {
      // Until the step grows, in a loop of its own.
      bool found_near = false;
      if (p.searches <= 2 * kFirstSearch) {
        const std::size_t from = p.position;
        const std::size_t until = smaller_of(from + (2 * kFirstSearch + 1 - p.searches), last_start);
        std::size_t position = from;
        for (; position < until; ++position) {
          const unsigned hash = Table::hash(text + position);
          match = table.at[hash];
          found_near = matches(match, position);
          if (Prefix && found_near && reaches_end(match, position)) {
            p.position = position;
            p.searches += static_cast<unsigned>(position - from);
            leave();
            return Outcome::kPaused;
          }
          put(hash, position);
          if (found_near) break;
        }
        p.position = position;
        p.searches += static_cast<unsigned>(position - from);
      }
      while (!found_near) {
        const std::size_t step = larger_of((p.searches - 1) >> kSkipShift, 1u);
        if (p.position + step > last_start) {
          leave();
          return Prefix ? Outcome::kPaused : Outcome::kDone;
        }
        const unsigned hash = Table::hash(text + p.position);
        match = table.at[hash];
        const bool found = matches(match, p.position);
        if (Prefix && found && reaches_end(match, p.position)) {
          leave();
          return Outcome::kPaused;
        }
        put(hash, p.position);
        if (found) break;
        p.position += step;
        ++p.searches;
      }
      while (p.position > p.anchor && match > low && text[p.position - 1] == text[match - 1]) {
        --p.position;
        --match;
      }
    }
    const std::size_t literals = p.position - p.anchor;
    ++p.written;  // the token
    if (!adjoining_match) {
      p.needed = larger_of(p.needed, p.written + literals + (2 + 1 + kLastLiterals) + literals / 255);
      if (!Prefix && p.needed > room) {
        leave();
        return Outcome::kStored;
      }
      if (literals >= kRunMask) p.written += (literals - kRunMask) / 255 + 1;
      p.written += literals;
    }
    p.written += 2;  // the distance
    const std::size_t more =
        common_run(text + match + kMinMatch, text + p.position + kMinMatch, text + match_end);  // past the first four
    p.position += kMinMatch + more;
    p.needed = larger_of(p.needed, p.written + (1 + kLastLiterals) + (more + 240) / 255);
    if (!Prefix && p.needed > room) {
      leave();
      return Outcome::kStored;
    }
    if (more >= kRunMask) p.written += (more - kRunMask) / 255 + 1;
    p.anchor = p.position;
    p.after_match = true;
  }
}

/// The bytes of a block of `size` bytes with header, after its parse.
ZIPFIT_INLINE std::size_t block_bytes(Outcome outcome, const Progress& p, std::size_t end, std::size_t size) {
  constexpr std::size_t kHeader = 4;
  const std::size_t run = end - p.anchor;
  const std::size_t longer = run >= kRunMask ? (run - kRunMask) / 255 + 1 : 0;
  const std::size_t needed = larger_of(p.needed, p.written + run + 1 + (run + 255 - kRunMask) / 255);
  const bool stored = outcome == Outcome::kStored || needed > size - 1;
  return kHeader + (stored ? size : p.written + 1 + longer + run);
}

}  // namespace zipfit::ZIPFIT_ISA::lz4
