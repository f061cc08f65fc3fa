/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which listener of this host gets a connection, by the address and port that it is for: the tables of
 * bpf/sk_lookup.bpf.c. Written by the agent, which has compiled into each prefix what the shorter ones
 * around it say as well, so that one look-up of the longest decides.
 */
#pragma once

#include <linux/types.h>

#include "size.h"

#define STEER_PREFIXES_MAX  4096
#define STEER_RANGES_MAX    64 /* of ports, in one prefix; a power of two */
#define STEER_RANGES_BITS   6
#define STEER_LISTENERS_MAX 256
#define STEER_SLOTS_MAX	    64 /* sockets of a listener: one per worker */
#define STEER_NAME_BYTES    64

/* In place of a listener: the host's own look-up goes on. */
#define STEER_NOBODY 0xffff

/* What becomes of a connection whose listener has no socket. */
enum steer_absent {
	STEER_ABSENT_DROP, /* refused as a port is that nobody listens on */
	STEER_ABSENT_PASS, /* the host's own look-up goes on */
} ABI_BYTE;

struct steer_range {
	__u16 first; /* host order, as the kernel hands the port to the program */
	__u16 last;
	__u16 listener; /* index of steer_listeners, or STEER_NOBODY */
	enum steer_absent absent;
	__u8 pad;
};
ABI_SIZE(struct steer_range, 8);

/* Of struct steer_prefix: the agent has asked for a local route of this prefix, and removes it. */
#define STEER_ROUTE 1

/*
 * Map `steer_prefixes` (LPM trie, key struct prefix). Ranges do not overlap and are in order. An
 * update replaces the record as a whole: a look-up meets the old one or the new one.
 */
struct steer_prefix {
	__u32 n;
	__u32 flags;
	struct steer_range range[STEER_RANGES_MAX];
};
ABI_SIZE(struct steer_prefix, 520);

/*
 * Map `steer_listeners` (array). Its sockets are in map `steer_sockets` (sockmap) from
 * index * STEER_SLOTS_MAX on; the kernel takes each out as it is closed.
 */
struct steer_listener {
	char name[STEER_NAME_BYTES]; /* "": free */
	__u64 seed[2];		     /* secret: nobody can aim at one worker */
	__u32 slots;
	__u32 pad;
};
ABI_SIZE(struct steer_listener, 88);

/*
 * Map `stats_steer` (per-CPU array), by index of steer_listeners. Look-ups and not connections: a
 * guard looks for the listener of a SYN as well, and the kernel does it again for the third packet.
 */
struct stats_steer {
	__u64 steered;
	__u64 no_listener; /* dropped: it had no socket */
	__u64 passed;	   /* it had none, and the host's own look-up went on */
	__u64 refused;	   /* the kernel would not take the socket; dropped */
};
ABI_SIZE(struct stats_steer, 32);
