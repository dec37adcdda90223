// lz4_size and Lz4Pairs against liblz4.
#include <lz4frame.h>

#include "input.hpp"

namespace {

std::int64_t lz4_size(const std::string& text) {
  LZ4F_preferences_t preferences = LZ4F_INIT_PREFERENCES;
  preferences.frameInfo.contentSize = text.size();  // as the `lz4` package asks for by default
  std::vector<char> out(LZ4F_compressFrameBound(text.size(), &preferences));
  const std::size_t size = LZ4F_compressFrame(out.data(), out.size(), text.data(), text.size(), &preferences);
  if (LZ4F_isError(size)) std::abort();
  return static_cast<std::int64_t>(size);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::check_pairs(
      fuzz::Input(data, size),
      [](const zipfit::Text* targets, std::size_t count) { return fuzz::kernel().lz4_pairs(targets, count); },
      lz4_size);
  return 0;
}
