/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whether the packet fits on its way to the backend, outer headers included. */
#pragma once

#include "mtu_answer.h"

/* Merged packets are cut again on the way out, each with the headers (TC only). */
static __always_inline __u32 mtu_l3_bytes(const struct pkt *p)
{
	if (p->segment_bytes)
		return p->header_bytes - p->l2_bytes + p->segment_bytes;
	return p->l3_bytes;
}

/* What does not fit is dropped, and counted as that, answered or not. */
static __always_inline enum stage_result stage_mtu(struct pkt *p)
{
	__u32 mtu;

	if (!p->backend)
		return drop(p, DROP_INTERNAL);
	mtu = p->backend->mtu;
	if (explaining)
		explain_mtu(mtu);
	if (mtu_l3_bytes(p) <= mtu)
		return STAGE_NEXT;
	p->reason = DROP_TOO_BIG;
	/* It is the last to touch the packet: the verifier is told so. */
	return mtu_answer(p->ctx, &p->facts, mtu) == STAGE_REPLY ? STAGE_REPLY : STAGE_DROP;
}
