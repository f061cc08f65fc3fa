/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The Internet checksum (RFC 1071) and its incremental update (RFC 1624). Sums are kept unfolded in
 * 64 bits, in the byte order of memory, so one code serves both endians.
 */
#pragma once

#include <linux/types.h>

/* Sum of bytes taken as 16-bit words in memory order; an odd last byte is padded with zero. */
static inline __u64 csum_add_bytes(__u64 sum, const void *data, __u32 len)
{
	const __u8 *in = (const __u8 *)data;
	__u32 i;

	for (i = 0; i < len; i++) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
		sum += (__u64)in[i] << (i & 1 ? 8 : 0);
#else
		sum += (__u64)in[i] << (i & 1 ? 0 : 8);
#endif
	}
	return sum;
}

/* A 32-bit word as it is in memory: folding adds its halves. */
static inline __u64 csum_add_32(__u64 sum, __be32 word)
{
	return sum + word;
}

/* Carries around the end until none is left: one folding is not enough for all sums. */
static inline __sum16 csum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__sum16)(~sum & 0xffff);
}

/*
 * The checksum after a 16-bit field of what it covers changed: HC' = ~(~HC + ~m + m') (RFC 1624).
 * Not where all that it covers becomes zero: an echo reply without id, number and data.
 */
static inline __sum16 csum_replace_16(__sum16 check, __be16 from, __be16 to)
{
	return csum_fold((__u64)(~check & 0xffff) + (~from & 0xffff) + to);
}

static inline __sum16 csum_replace_32(__sum16 check, __be32 from, __be32 to)
{
	return csum_fold(csum_add_32(csum_add_32(~check & 0xffff, ~from), to));
}
