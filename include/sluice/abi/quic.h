/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Connection ids of QUIC that name their server (draft-ietf-quic-load-balancers-19, "QUIC-LB"), in plain
 * text or encrypted. Map `quic` (array) has by vip id how they are made; map `quic_servers` (hash) whose
 * they are; map `quic_keys` (array, see quic_key_index) the ciphers, which nobody can read.
 */
#pragma once

#include "addr.h"

/* By the top three bits of a connection id, its config rotation; the last says that there is no server
 * id in it. */
#define QUIC_CONFIGS 8

/* s5: both together 19 at most, since connection ids have 20 bytes (RFC 9000 s17.2). */
#define QUIC_SERVER_ID_MAX 15
#define QUIC_NONCE_MIN	   4
#define QUIC_NONCE_MAX	   18
#define QUIC_BODY_MAX	   19

/* How a vip's connection ids look: first octet, server id, nonce. */
struct quic {
	__u8 server_id_bytes[QUIC_CONFIGS]; /* 0: no connection ids of this kind */
	__u8 nonce_bytes[QUIC_CONFIGS];	    /* and QUIC_ENCRYPTED */
};
ABI_SIZE(struct quic, 16);

/* In nonce_bytes: server id and nonce are encrypted (s5.4), with AES-128. */
#define QUIC_ENCRYPTED 0x80
#define QUIC_KEY_BYTES 16
/* s5.4.1: so many of both are one block. */
#define QUIC_BLOCK_BYTES 16

/* Where the cipher of a vip's configuration is. That of vip 0, which no vip has, is for probing. */
static inline __u32 quic_key_index(__u32 vip_id, __u32 config)
{
	return vip_id * QUIC_CONFIGS + config;
}

/* What the programs of quic_key.bpf.c are called with. */
struct quic_key_call {
	__u32 index;
	__u8 key[QUIC_KEY_BYTES];
};
ABI_SIZE(struct quic_key_call, 20);

/* The value is a backend id. A server without an entry gets what the vip's ring sends it. */
struct quic_server {
	__u32 vip_id;
	__u8 id[QUIC_SERVER_ID_MAX]; /* the first server_id_bytes; zeros behind */
	__u8 config;
};
ABI_SIZE(struct quic_server, 20);

/* Packets, by vip id: what their connection ids said. */
struct stats_quic {
	__u64 routed;
	__u64 unroutable; /* no server id, or none that can be read: by the ring */
	__u64 unknown;	  /* a server id that no backend has, or one that is down: by the ring */
};
ABI_SIZE(struct stats_quic, 24);
