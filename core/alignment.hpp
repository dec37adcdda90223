// From compressed sizes to the ZIP-FIT score (arXiv 2410.18194, section 3).
//
//   NCD(x, t) = (C(x + t) - min(C(x), C(t))) / max(C(x), C(t))
//   alignment(x) = 1 - (1/n) sum_j NCD(x, t_j)
//
// In double precision, terms added in target order, one after the other. Compiled without fused operations, so that a
// plain loop in Python arrives at the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace zipfit {

/// The normalised compression distance, from C(x), C(t) and C(x + t).
inline double distance(std::int64_t source, std::int64_t target, std::int64_t pair) {
  const std::int64_t smaller = source < target ? source : target;
  const std::int64_t larger = source < target ? target : source;
  return static_cast<double>(pair - smaller) / static_cast<double>(larger);
}

/// The alignment of one source, from C(x) and, for each of `count` targets, C(t) and C(x + t).
inline double alignment(std::int64_t source, const std::int64_t* targets, const std::int64_t* pairs,
                        std::size_t count) {
  double sum = 0.0;
  for (std::size_t j = 0; j < count; ++j) sum += distance(source, targets[j], pairs[j]);
  return 1.0 - sum / static_cast<double>(count);
}

}  // namespace zipfit
