/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * UDP services of this host whose answers are bounded by what they were asked: a client has credit of
 * `factor` bytes for each byte that came from its address, and answers spend it. So nobody can have
 * the service send more than that to an address that he only pretends to have.
 */
#pragma once

#include "addr.h"

/* Map `response_service` (hash). Port 0: fragments, which have none; its factor is the least of all. */
struct response_key {
	struct addr address; /* of this host */
	__be16 port;
	__u8 pad[2];
};
ABI_SIZE(struct response_key, 20);

#define RESPONSE_FACTOR_MAX 1000

struct response_service {
	__u32 factor; /* bytes out for each byte in, 1..RESPONSE_FACTOR_MAX */
	__u32 flags;  /* enum response_flag */
};
ABI_SIZE(struct response_service, 8);

enum response_flag {
	RESPONSE_DRY_RUN = 1, /* count what would be dropped, drop nothing */
};

/* Words of a hash's key: one constant, and one factor for each word of client and service. */
#define RESPONSE_KEY_WORDS 7

/* Random per boot, secret. */
struct response_keys {
	__u64 set[RESPONSE_KEY_WORDS]; /* where a client's credit is */
	__u64 tag[RESPONSE_KEY_WORDS]; /* and what tells it from the others there */
};

/* Map `response_state` (array, one element, memory-mapped). */
struct response_state {
	struct response_keys key;
	__u32 enabled;	/* 1: map `response_service` has some */
	__u32 set_bits; /* map `response_credit` has 2^set_bits sets */
};
ABI_SIZE(struct response_state, 120);

/*
 * Map `response_credit` (array): sets of RESPONSE_WAYS words, each the credit of one client at one
 * address of this host: 24 bits of tag, 8 bits of the second of its last packet in, 32 bits of bytes.
 * Zero is nobody's. A set that is full forgets the client that asked longest ago; whose credit was
 * forgotten gets no answer until he asks again. So the bound holds whatever the table has room for.
 */
#define RESPONSE_WAYS	     4
#define RESPONSE_TAG_SHIFT   40
#define RESPONSE_AGE_SHIFT   32
#define RESPONSE_CREDIT_MASK 0xffffffffULL

/* Map `stats_response` (per-CPU array), one element. */
struct stats_response {
	__u64 asked_bytes;	  /* what came in to such services */
	__u64 answered_bytes;	  /* what went out */
	__u64 forgotten;	  /* clients that made room for others */
	__u64 would_drop_packets; /* dry_run */
};
ABI_SIZE(struct stats_response, 32);

/* A multilinear hash, strongly universal under a secret key; as limit_row_hash of abi/limit.h. */
static inline __u32 response_hash(const __u64 key[RESPONSE_KEY_WORDS], const __u32 word[6])
{
	__u64 sum = key[0];
	int i;

	for (i = 0; i < 6; i++)
		sum += key[i + 1] * word[i];
	return (__u32)(sum >> 32);
}
