/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Limits: up to LIMIT_SCOPES classes a packet, each with packets, bytes and new connections per
 * source, and totals over all sources. Which classes: limit_set.h; which meters: limit_meter.h; what
 * one class says of a packet: limit_act.h; whose meters are his own: limit_proof.h. Connections at a
 * time, which are counted and not metered: limit_concurrent.h.
 *
 * All classes are asked first, then charged, in the order of the scopes. A meter that refuses only
 * when charged (another CPU came between) leaves the earlier ones charged: the source may get less
 * than it could, never more.
 *
 * A class with dry_run is charged when all its meters would admit, and only then, as it would be
 * without: so it tells what it would drop. It never drops, and does not count what another class or a
 * later stage drops.
 *
 * Totals shed the heaviest first. Sources that nobody has proven have three quarters of a total's
 * bucket to themselves, so made-up ones cannot take what the proven need; once half of it is in use, a
 * source is refused whose own bucket is more in use than the rest of their share is free, in
 * proportion. The last eighth is shed so among the proven. So the sources at their limit go first, and
 * the last to be refused are those that send little. A packet that is shed so is charged to its source,
 * and to nothing else.
 */
#pragma once

#include "limit_act.h"
#include "limit_concurrent.h"
#include "limit_proof.h"
#include "limit_set.h"
#include "vip.h"

/* One class, as most packets meet: asked and charged in one go. */
static __always_inline enum drop_reason limit_one(struct pkt *p)
{
	__u32 i;

#pragma unroll
	for (i = 0; i < LIMIT_SCOPES - 1; i++) {
		if (p->limit[i].limit_class)
			break;
	}
	return limit_scope_act(&p->facts, i, LIMIT_ACT_ASK | LIMIT_ACT_CHARGE);
}

static __always_inline enum drop_reason limit_several(struct pkt *p)
{
	enum drop_reason reason = DROP_NONE;
	__u32 i;

#pragma unroll
	for (i = 0; i < LIMIT_SCOPES; i++) {
		if (reason == DROP_NONE && p->limit[i].limit_class)
			reason = limit_scope_act(&p->facts, i, LIMIT_ACT_ASK);
	}
#pragma unroll
	for (i = 0; i < LIMIT_SCOPES; i++) {
		if (reason == DROP_NONE && p->limit[i].limit_class)
			reason = limit_scope_act(&p->facts, i, LIMIT_ACT_CHARGE);
	}
	return reason;
}

#define LIMIT_LACKS_REFUSED 256

/*
 * The class in which proof would serve the source: one that refused it, then with LIMIT_LACKS_REFUSED,
 * else, of TCP, one whose rows it shares. A global function for the verifier's sake.
 */
__noinline int limit_lacks_proof(const struct pkt_facts *p)
{
	__u32 i, id = LIMIT_CLASS_NONE;

	if (!p) /* never; but the verifier wants to be told */
		return LIMIT_CLASS_NONE;
	for (i = 0; i < LIMIT_SCOPES; i++) {
		const struct limit_answer *a = &p->limit[i];

		if (a->outcome == LIMIT_UNASKED || a->is_exact)
			continue;
		id = a->limit_class;
		if (a->outcome != LIMIT_ADMITTED)
			return id | LIMIT_LACKS_REFUSED;
	}
	return p->proto == PROTO_TCP ? id : LIMIT_CLASS_NONE;
}

/* Meet the classes that were noted in p->limit, so many: DROP_NONE, or why it is dropped. */
static __always_inline enum drop_reason limit_meet(struct pkt *p, __u32 classes)
{
	enum drop_reason reason;
	__u32 lacks;

	if (classes == 0)
		return DROP_NONE;
	reason = classes == 1 ? limit_one(p) : limit_several(p);
	lacks = explaining || !(p->flags & PKT_SHARES) ? 0 : limit_lacks_proof(&p->facts);
	if (lacks)
		limit_prove(p, lacks & (LIMIT_CLASSES - 1), lacks & LIMIT_LACKS_REFUSED);
	return reason;
}

static __always_inline enum stage_result stage_limit(struct pkt *p)
{
	enum drop_reason reason;
	__u32 classes;

	if (!limit_enabled || p->exempt)
		return STAGE_NEXT;
	classes = limit_set_find(p);
	if (classes)
		vip_read_ahead(p);
	reason = classes ? limit_concurrent_meet(p) : DROP_NONE;
	if (reason == DROP_NONE)
		reason = limit_meet(p, classes);
	return reason == DROP_NONE ? STAGE_NEXT : drop(p, reason);
}
