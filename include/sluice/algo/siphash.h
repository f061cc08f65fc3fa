/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SipHash (Aumasson, Bernstein 2012): a keyed hash for tables and rings whose input a peer chooses.
 * 2-4 is the published strength; 1-3 is what the packet path can afford and what kernels and
 * languages use for hash tables. Without the key nobody can aim at a slot.
 */
#pragma once

#include <linux/types.h>

struct siphash {
	__u64 v0, v1, v2, v3;
};

static inline __u64 siphash_rotate(__u64 x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static inline void siphash_round(struct siphash *s)
{
	s->v0 += s->v1;
	s->v1 = siphash_rotate(s->v1, 13) ^ s->v0;
	s->v0 = siphash_rotate(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = siphash_rotate(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = siphash_rotate(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = siphash_rotate(s->v1, 17) ^ s->v2;
	s->v2 = siphash_rotate(s->v2, 32);
}

static inline void siphash_init(struct siphash *s, const __u64 key[2])
{
	s->v0 = key[0] ^ 0x736f6d6570736575ULL;
	s->v1 = key[1] ^ 0x646f72616e646f6dULL;
	s->v2 = key[0] ^ 0x6c7967656e657261ULL;
	s->v3 = key[1] ^ 0x7465646279746573ULL;
}

/* One 64-bit word of input, in host order; rounds is 1 or 2, a constant. */
static inline void siphash_word(struct siphash *s, __u64 word, int rounds)
{
	s->v3 ^= word;
	siphash_round(s);
	if (rounds > 1)
		siphash_round(s);
	s->v0 ^= word;
}

/* rounds is 3 or 4. */
static inline __u64 siphash_end(struct siphash *s, int rounds)
{
	s->v2 ^= 0xff;
	siphash_round(s);
	siphash_round(s);
	siphash_round(s);
	if (rounds > 3)
		siphash_round(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

static inline __u64 siphash_load_le(const __u8 *in, __u32 bytes)
{
	__u64 word = 0;
	__u32 i;

	for (i = 0; i < bytes; i++)
		word |= (__u64)in[i] << (8 * i);
	return word;
}

/* Hash bytes: words little-endian, the length in the last one's top byte, as published. */
static inline __u64 siphash_bytes(const void *data, __u64 len, const __u64 key[2], int c, int d)
{
	const __u8 *in = (const __u8 *)data;
	struct siphash s;
	__u64 i;

	siphash_init(&s, key);
	for (i = 0; i + 8 <= len; i += 8)
		siphash_word(&s, siphash_load_le(in + i, 8), c);
	siphash_word(&s, siphash_load_le(in + i, (__u32)(len - i)) | len << 56, c);
	return siphash_end(&s, d);
}

static inline __u64 siphash24(const void *data, __u64 len, const __u64 key[2])
{
	return siphash_bytes(data, len, key, 2, 4);
}

static inline __u64 siphash13(const void *data, __u64 len, const __u64 key[2])
{
	return siphash_bytes(data, len, key, 1, 3);
}
