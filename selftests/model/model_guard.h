/* SPDX-License-Identifier: BSD-2-Clause */
/* What the model has of guards: docs/feature/guard.md, and the layout of include/sluice/abi/guard.h. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sluice/abi/addr.h"
#include "sluice/abi/guard.h"
#include "sluice/abi/nat.h"

#define MODEL_LISTENERS 2
#define MODEL_LOCALS	4

/* What a SYN's source may be told about this host; of the network, and the same for all packets. */
struct model_host {
	uint16_t listener_port[MODEL_LISTENERS]; /* at every address; host order */
	struct addr local[MODEL_LOCALS];	 /* its addresses, loopback aside */
	uint32_t mtu;				 /* of the device */
};

/* A number that may be one of the kernel's cookies: only the kernel can tell. */
struct model_cookie {
	struct flow_key flow; /* client to listener or vip */
	bool ipv6;
	bool listener;	   /* false: made without a socket */
	uint32_t seq, ack; /* of the acknowledgement that would bring it back */
};

/* What only the kernel knows. A cookie that it makes is taken from what the program sent. */
struct model_kernel {
	bool (*is_cookie)(void *ctx, const struct model_cookie *cookie);
	void *ctx;
	const uint8_t *sent;
	uint32_t sent_bytes;
	const struct nat_flow
		*nat_flow; /* the program's, behind the packet: what it left to chance */
	uint32_t cpu;
};

/* What packets change of a guard; the rest is policy. */
struct model_guard_state {
	uint64_t window_ns, syns, until_ns, turns;
};

/* What it did with a packet. */
struct model_guard {
	enum guard_count count;
	bool replied;
	struct model_cookie made; /* of a reply: what brings it back */
};
