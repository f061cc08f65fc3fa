/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the kernel's look-up of a TCP socket wants to know. */
#pragma once

#include <stdbool.h>

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

#include "sluice/abi/addr.h"

/* The tuple of a flow, as it came in. Returns how much of it counts. */
static __always_inline __u32 socket_tuple(const struct flow_key *flow, bool v6,
					  struct bpf_sock_tuple *ret)
{
	if (v6) {
		__builtin_memcpy(ret->ipv6.saddr, flow->src.w, 16);
		__builtin_memcpy(ret->ipv6.daddr, flow->dst.w, 16);
		ret->ipv6.sport = flow->sport;
		ret->ipv6.dport = flow->dport;
		return sizeof(ret->ipv6);
	}
	ret->ipv4.saddr = flow->src.w[3];
	ret->ipv4.daddr = flow->dst.w[3];
	ret->ipv4.sport = flow->sport;
	ret->ipv4.dport = flow->dport;
	return sizeof(ret->ipv4);
}
