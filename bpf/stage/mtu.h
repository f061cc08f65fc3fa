/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whether the packet fits on its way to the backend, outer headers included. */
#pragma once

#include "../pipeline.h"

/* Merged packets are cut again on the way out, each with the headers (TC only). */
static __always_inline __u32 mtu_l3_bytes(const struct pkt *p)
{
	if (p->segment_bytes)
		return p->header_bytes - p->l2_bytes + p->segment_bytes;
	return p->l3_bytes;
}

static __always_inline enum stage_result stage_mtu(struct pkt *p)
{
	if (!p->backend)
		return drop(p, DROP_INTERNAL);
	return mtu_l3_bytes(p) > p->backend->mtu ? drop(p, DROP_TOO_BIG) : STAGE_NEXT;
}
