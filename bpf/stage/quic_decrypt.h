/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The server id of an encrypted connection id (draft-ietf-quic-load-balancers-19 s5.5). Server id and
 * nonce are one block of AES, or the two halves of a Feistel network of four rounds: the last three,
 * undone, give the first half. Lengths in octets; of an odd number the middle one is cut in two.
 */
#pragma once

#include "../config.h"
#include "quic_key.h"

/* Words are little-endian, as every machine's that this is built for. */
struct quic_half {
	__u64 word[2]; /* its octets first, zeros behind */
};

/* Blocks for the cipher: it takes memory of maps alone. */
struct quic_block {
	struct quic_half in, out;
};

/* Of a CPU and program: packets of one do not interrupt each other. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct quic_block);
} quic_block SEC(".maps");

struct quic_cid {
	__u32 at;	  /* of what follows the first octet, in the frame */
	__u32 body_bytes; /* server id and nonce: 5..19 */
	__u32 id_bytes;	  /* 1..15 */
	__u32 key;	  /* quic_key_index */
};

/* What a pass of the cipher needs; the dynptrs are of the map's block. */
struct quic_cipher {
	struct bpf_dynptr in, out, none;
	struct bpf_crypto_ctx *ctx;
	struct quic_block *block;
};

static __always_inline struct quic_half quic_first_octets(__u32 n)
{
	struct quic_half mask = {};

	mask.word[0] = n < 8 ? (1ULL << 8 * n) - 1 : ~0ULL;
	if (n > 8)
		mask.word[1] = n < 16 ? (1ULL << 8 * (n - 8)) - 1 : ~0ULL;
	return mask;
}

/* to ^= AES(expand(body_bytes, pass, from)), as far as mask says. */
static __always_inline long quic_pass(struct quic_cipher *c, const struct quic_half *from,
				      struct quic_half *to, const struct quic_half *mask,
				      __u64 body_bytes, __u64 pass)
{
	c->block->in.word[0] = from->word[0];
	c->block->in.word[1] = from->word[1] | body_bytes << 48 | pass << 56;
	if (bpf_crypto_encrypt(c->ctx, &c->in, &c->out, &c->none))
		return -1;
	to->word[0] ^= c->block->out.word[0] & mask->word[0];
	to->word[1] ^= c->block->out.word[1] & mask->word[1];
	return 0;
}

/* left, and right behind it: the octets of both from the first, or of the first 16. */
static __always_inline void quic_join(struct quic_half *left, const struct quic_half *right,
				      __u32 at)
{
	if (at < 8) { /* 2 at least */
		left->word[0] |= right->word[0] << 8 * at;
		left->word[1] |= right->word[0] >> (64 - 8 * at) | right->word[1] << 8 * at;
	} else {
		left->word[1] |= right->word[0] << 8 * (at - 8);
	}
}

static __always_inline long quic_four_pass(FRAME_CONTEXT *ctx, struct quic_cipher *c,
					   const struct quic_cid *cid, struct quic_half *ret)
{
	__u32 bytes = cid->body_bytes, half = (bytes + 1) / 2 & 15;
	struct quic_half left = {}, right = {}, left_mask, right_mask;

	if (half == 0 || frame_load(ctx, cid->at, &left, half) ||
	    frame_load(ctx, cid->at + bytes - half, &right, half))
		return -1;
	left_mask = right_mask = quic_first_octets(half);
	if (bytes & 1) { /* the middle octet's upper half is of the left, its lower of the right */
		struct quic_half all = quic_first_octets(half - 1);

		left_mask.word[0] = all.word[0] | (left_mask.word[0] & 0xf0f0f0f0f0f0f0f0);
		left_mask.word[1] = all.word[1] | (left_mask.word[1] & 0xf0f0f0f0f0f0f0f0);
		right_mask.word[0] &= ~0xf0ULL;
	}
	left.word[0] &= left_mask.word[0];
	left.word[1] &= left_mask.word[1];
	right.word[0] &= right_mask.word[0];
	if (quic_pass(c, &right, &left, &left_mask, bytes, 4) ||
	    quic_pass(c, &left, &right, &right_mask, bytes, 3) ||
	    quic_pass(c, &right, &left, &left_mask, bytes, 2))
		return -1;
	if (2 * cid->id_bytes > bytes) { /* not all of it is on the left */
		if (quic_pass(c, &left, &right, &right_mask, bytes, 1))
			return -1;
		quic_join(&left, &right, bytes - half);
	}
	*ret = left;
	return 0;
}

static __always_inline long quic_one_pass(FRAME_CONTEXT *ctx, struct quic_cipher *c,
					  const struct quic_cid *cid, struct quic_half *ret)
{
	if (frame_load(ctx, cid->at, &c->block->in, QUIC_BLOCK_BYTES) ||
	    bpf_crypto_decrypt(c->ctx, &c->in, &c->out, &c->none))
		return -1;
	*ret = c->block->out;
	return 0;
}

static __always_inline long quic_cipher_open(struct quic_cipher *c, __u32 index)
{
	struct quic_key *key = bpf_map_lookup_elem(&quic_keys, &index);
	__u32 zero = 0;

	c->block = bpf_map_lookup_elem(&quic_block, &zero);
	if (!key || !c->block)
		return -1;
	c->ctx = key->cipher;
	if (!c->ctx)
		return -1;
	/* ECB has no initial vector; 6.10 wants one of no bytes. */
	return bpf_dynptr_from_mem(&c->block->in, QUIC_BLOCK_BYTES, 0, &c->in) ||
	       bpf_dynptr_from_mem(&c->block->out, QUIC_BLOCK_BYTES, 0, &c->out) ||
	       bpf_dynptr_from_mem(&c->block->out, 0, 0, &c->none);
}

/* 0 and the server id; -1: there is no key, or no cipher. Checked by the verifier on its own. */
__noinline int quic_decrypt(FRAME_CONTEXT *ctx, const struct quic_cid *cid, struct quic_server *ret)
{
	struct quic_half id, mask;
	struct quic_cipher c = {};

	if (!quic_encryption || !cid || !ret || quic_cipher_open(&c, cid->key))
		return -1;
	if (cid->body_bytes == QUIC_BLOCK_BYTES ? quic_one_pass(ctx, &c, cid, &id)
						: quic_four_pass(ctx, &c, cid, &id))
		return -1;
	mask = quic_first_octets(cid->id_bytes);
	id.word[0] &= mask.word[0];
	id.word[1] &= mask.word[1];
	__builtin_memcpy(ret->id, &id, sizeof(ret->id));
	return 0;
}
