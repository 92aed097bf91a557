// The block codecs of Parquet pages over the system's libraries, with one calling convention: input, its length, output,
// its capacity; the result is the number of bytes written, or -1 when the input is damaged or does not fit.
#pragma once
#include <stddef.h>
#include <stdint.h>

// Largest size a compressed block of `count` bytes can take.
size_t tt_snappy_bound(size_t count);
size_t tt_zstd_bound(size_t count);

int64_t tt_snappy_compress(const void *input, size_t count, void *output, size_t capacity);
int64_t tt_zstd_compress(const void *input, size_t count, void *output, size_t capacity, int level);

int64_t tt_snappy_decompress(const void *input, size_t count, void *output, size_t capacity);
int64_t tt_zstd_decompress(const void *input, size_t count, void *output, size_t capacity);
// Accepts gzip members, one after another, and zlib streams.
int64_t tt_gzip_decompress(const void *input, size_t count, void *output, size_t capacity);
int64_t tt_lz4_decompress(const void *input, size_t count, void *output, size_t capacity);

// The size a snappy block or zstd frame says it has, or -1 when it does not say.
int64_t tt_snappy_size(const void *input, size_t count);
int64_t tt_zstd_size(const void *input, size_t count);

// CRC-32 as gzip computes it.
uint32_t tt_crc32(const void *input, size_t count);
