/* What the kernel is measured against: C programs' best way to size all pairs x + t with the libraries themselves.
 *
 *     rivals PAIRS gzip LEVEL        deflateReset and deflate for each pair, one stream kept
 *     rivals PAIRS lz4               LZ4F_compressFrame for each pair
 *
 * PAIRS holds, little-endian: u32 sources, u32 targets, then for each text, sources first, u32 length and bytes. Prints
 * the processor seconds that the pairs took and the sum of their sizes, which must be the kernel's. Each x is copied
 * once and each t put behind it; the output goes to one buffer. Reading the file is not counted.
 */
#include <lz4frame.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

static uint32_t read_u32(FILE *file) {
  uint32_t value;
  if (fread(&value, sizeof value, 1, file) != 1) exit(2);
  return value;
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  FILE *file = fopen(argv[1], "rb");
  if (!file) return 2;
  const uint32_t sources = read_u32(file), targets = read_u32(file), texts = sources + targets;
  unsigned char **text = malloc(texts * sizeof *text);
  uint32_t *size = malloc(texts * sizeof *size);
  size_t longest = 0;
  for (uint32_t i = 0; i < texts; ++i) {
    size[i] = read_u32(file);
    text[i] = malloc(size[i] + 1);
    if (fread(text[i], 1, size[i], file) != size[i]) return 2;
    if (size[i] > longest) longest = size[i];
  }
  const int gzip = strcmp(argv[2], "gzip") == 0;
  const int level = gzip && argc > 3 ? atoi(argv[3]) : 0;
  unsigned char *pair = malloc(2 * longest + 1);
  LZ4F_preferences_t preferences = LZ4F_INIT_PREFERENCES;
  preferences.frameInfo.contentSize = 1; /* present; LZ4F_compressFrame puts the size in */
  const size_t room = 4 * longest + 4096 + LZ4F_compressFrameBound(2 * longest, &preferences);
  unsigned char *out = malloc(room);
  z_stream stream;
  memset(&stream, 0, sizeof stream);
  if (gzip && deflateInit2(&stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) return 2;

  uint64_t total = 0;
  const clock_t start = clock();
  for (uint32_t i = 0; i < sources; ++i) {
    memcpy(pair, text[i], size[i]);
    for (uint32_t j = sources; j < texts; ++j) {
      memcpy(pair + size[i], text[j], size[j]);
      const uint32_t length = size[i] + size[j];
      if (gzip) {
        deflateReset(&stream);
        stream.next_in = pair;
        stream.avail_in = length;
        stream.next_out = out;
        stream.avail_out = (uInt)room;
        if (deflate(&stream, Z_FINISH) != Z_STREAM_END) return 3;
        total += stream.total_out;
      } else {
        total += LZ4F_compressFrame(out, room, pair, length, &preferences);
      }
    }
  }
  printf("%.6f %llu\n", (double)(clock() - start) / CLOCKS_PER_SEC, (unsigned long long)total);
  return 0;
}
