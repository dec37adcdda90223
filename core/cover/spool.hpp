// A temporary file that is written from front to back and read from front to back, as often as somebody likes.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <string>
#include <system_error>

#ifndef _WIN32
#include <cstdlib>
#include <unistd.h>
#endif

namespace zipfit::cover {

// Every member throws std::system_error where the system refuses: no such folder, a full disk.
class Spool {
 public:
  // The file has no name, and is gone with the object. An empty `folder` stands for the system's own.
  explicit Spool(const std::string& folder) : file_(open(folder), &std::fclose) {
    check(file_ != nullptr);
    std::setvbuf(file_.get(), nullptr, _IOFBF, kBuffer);
  }

  // Of no bytes, `data` may be null, which the C library does not allow; likewise below.
  void write(const void* data, std::size_t bytes) {
    check(bytes == 0 || std::fwrite(data, 1, bytes, file_.get()) == bytes);
  }

  // Everything written so far can be read from here on. What is written next must come after all of it was read.
  void rewind() { check(std::fflush(file_.get()) == 0 && std::fseek(file_.get(), 0, SEEK_SET) == 0); }

  void read(void* data, std::size_t bytes) { check(bytes == 0 || std::fread(data, 1, bytes, file_.get()) == bytes); }

  // To be called between reading and writing.
  void to_end() { check(std::fseek(file_.get(), 0, SEEK_END) == 0); }

 private:
  static constexpr std::size_t kBuffer = 1 << 18;

  static void check(bool done) {
    if (!done) throw std::system_error(errno != 0 ? errno : EIO, std::generic_category());
  }

  static std::FILE* open(const std::string& folder) {
#ifndef _WIN32
    if (!folder.empty()) {
      std::string name = folder + "/zipfit-cover-XXXXXX";
      const int file = ::mkstemp(name.data());
      if (file < 0) return nullptr;
      ::unlink(name.c_str());
      return ::fdopen(file, "w+b");
    }
#endif
    static_cast<void>(folder);
    return std::tmpfile();
  }

  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

}  // namespace zipfit::cover
