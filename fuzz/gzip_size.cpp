// gzip_size against zlib: any text, any level.
#include "input.hpp"
#include "zlib_size.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const int level = 1 + static_cast<int>(input.byte() % 9);
  const std::string text = input.text(input.left());
  fuzz::expect(fuzz::kernel().gzip_size(fuzz::view(text), level), fuzz::zlib_size(text, level), "text");
  return 0;
}
