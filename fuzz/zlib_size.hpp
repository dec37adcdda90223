// The oracle: zlib itself.
#pragma once

#include <zlib.h>

#include <string>
#include <vector>

namespace fuzz {

inline std::int64_t zlib_size(const std::string& text, int level) {
  z_stream stream = {};
  if (deflateInit2(&stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) std::abort();
  std::vector<unsigned char> out(deflateBound(&stream, text.size()) + 64);
  stream.next_in = reinterpret_cast<unsigned char*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<unsigned>(text.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<unsigned>(out.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) std::abort();
  const auto size = static_cast<std::int64_t>(stream.total_out);
  deflateEnd(&stream);
  return size;
}

}  // namespace fuzz
