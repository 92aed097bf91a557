#pragma once
#include <stddef.h>
#include <stdint.h>

/// The first 16 bytes of the SHA-256 of two messages at once, for tables of very many short ones: libcrypto takes longer
/// to begin and end a digest than to work out two blocks.
///
/// Both messages are padded already (0x80, zeros, their length in bits as a big-endian word) and fill `blocks` blocks of
/// 64 bytes. The heads are big-endian words, the more significant first.
void tt_sha256_pair(const uint8_t *a, const uint8_t *b, size_t blocks, uint64_t head_a[2], uint64_t head_b[2]);
