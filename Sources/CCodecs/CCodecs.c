#include "CCodecs.h"

#include <limits.h>
#include <lz4.h>
#include <snappy-c.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

size_t tt_snappy_bound(size_t count) { return snappy_max_compressed_length(count); }
size_t tt_zstd_bound(size_t count) { return ZSTD_compressBound(count); }

int64_t tt_snappy_compress(const void *input, size_t count, void *output, size_t capacity) {
    size_t length = capacity;
    return snappy_compress(input, count, output, &length) == SNAPPY_OK ? (int64_t)length : -1;
}

int64_t tt_zstd_compress(const void *input, size_t count, void *output, size_t capacity, int level) {
    size_t length = ZSTD_compress(output, capacity, input, count, level);
    return ZSTD_isError(length) ? -1 : (int64_t)length;
}

int64_t tt_snappy_decompress(const void *input, size_t count, void *output, size_t capacity) {
    size_t length = capacity;
    return snappy_uncompress(input, count, output, &length) == SNAPPY_OK ? (int64_t)length : -1;
}

int64_t tt_zstd_decompress(const void *input, size_t count, void *output, size_t capacity) {
    size_t length = ZSTD_decompress(output, capacity, input, count);
    return ZSTD_isError(length) ? -1 : (int64_t)length;
}

int64_t tt_gzip_decompress(const void *input, size_t count, void *output, size_t capacity) {
    if (count > UINT_MAX || capacity > UINT_MAX) return -1;
    z_stream stream;
    memset(&stream, 0, sizeof stream);
    if (inflateInit2(&stream, 15 + 32) != Z_OK) return -1;
    stream.next_in = (Bytef *)input;
    stream.avail_in = (uInt)count;
    stream.next_out = output;
    stream.avail_out = (uInt)capacity;
    int status = Z_OK;
    while (stream.avail_in > 0) {
        status = inflate(&stream, Z_FINISH);
        if (status != Z_STREAM_END) break;
        if (stream.avail_in > 0 && inflateReset(&stream) != Z_OK) break;
    }
    int64_t length = (int64_t)(capacity - stream.avail_out);
    inflateEnd(&stream);
    return status == Z_STREAM_END ? length : -1;
}

int64_t tt_lz4_decompress(const void *input, size_t count, void *output, size_t capacity) {
    if (count > INT_MAX || capacity > INT_MAX) return -1;
    int length = LZ4_decompress_safe(input, output, (int)count, (int)capacity);
    return length < 0 ? -1 : length;
}

int64_t tt_snappy_size(const void *input, size_t count) {
    size_t length = 0;
    return snappy_uncompressed_length(input, count, &length) == SNAPPY_OK && length <= INT64_MAX ? (int64_t)length : -1;
}

int64_t tt_zstd_size(const void *input, size_t count) {
    unsigned long long length = ZSTD_getFrameContentSize(input, count);
    if (length == ZSTD_CONTENTSIZE_UNKNOWN || length == ZSTD_CONTENTSIZE_ERROR || length > INT64_MAX) return -1;
    return (int64_t)length;
}

uint32_t tt_crc32(const void *input, size_t count) { return (uint32_t)crc32_z(0, input, count); }
