// GzipPairs against zlib: two sources, a few targets, any level.
#include "input.hpp"
#include "zlib_size.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const int level = 1 + static_cast<int>(input.byte() % 9);
  fuzz::check_pairs(
      input,
      [&](const zipfit::Text* targets, std::size_t count) { return fuzz::kernel().gzip_pairs(targets, count, level); },
      [&](const std::string& text) { return fuzz::zlib_size(text, level); });
  return 0;
}
