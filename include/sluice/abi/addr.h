/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses as every map holds them: 16 bytes, network order, IPv4 as ::ffff:a.b.c.d (RFC 4291). */
#pragma once

#include <linux/types.h>

#include "size.h"

#define ADDR_V4_BITS 96 /* prefix length of ::ffff:0:0/96: add it to an IPv4 prefix length */

struct addr {
	union {
		__u8 b[16];
		__be32 w[4];
	};
};
ABI_SIZE(struct addr, 16);

/* Also the key of an LPM trie: length first, 0..128 bits of the mapped address. */
struct prefix {
	__u32 len_bits;
	struct addr addr;
};
ABI_SIZE(struct prefix, 20);

/* A 5-tuple, as the wire has it. Ports are 0 where the protocol has none. */
struct flow_key {
	struct addr src;
	struct addr dst;
	__be16 sport;
	__be16 dport;
	__u8 proto;
	__u8 pad[3];
};
ABI_SIZE(struct flow_key, 40);
