/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses from headers to the form that all maps have (abi/addr.h). */
#pragma once

#include <stdbool.h>

#include <vmlinux.h>
#include <bpf/bpf_endian.h>

#include "sluice/abi/addr.h"

static inline void address_from_v4(struct addr *ret, __be32 v4)
{
	ret->w[0] = 0;
	ret->w[1] = 0;
	ret->w[2] = bpf_htonl(0xffff);
	ret->w[3] = v4;
}

static inline void address_from_v6(struct addr *ret, const struct in6_addr *v6)
{
	ret->w[0] = v6->in6_u.u6_addr32[0];
	ret->w[1] = v6->in6_u.u6_addr32[1];
	ret->w[2] = v6->in6_u.u6_addr32[2];
	ret->w[3] = v6->in6_u.u6_addr32[3];
}

/* ::ffff:a.b.c.d: IPv4 in our maps, and nobody's address on the wire (RFC 4942 s2.2). */
static inline bool address_is_mapped(const struct addr *a)
{
	return a->w[0] == 0 && a->w[1] == 0 && a->w[2] == bpf_htonl(0xffff);
}
