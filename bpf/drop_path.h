/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The short way of a drop, and what of the whole way's drops may take it next time: the drop cache put
 * together with the stages that drop and with the exit.
 */
#pragma once

#include "obs/capture.h"
#include "obs/exit_cached.h"
#include "stage/drop_cache.h"
#include "stage/limit_hold.h"
#include "stage/verdict.h"
#include "stage/vip.h"

/* Tell the verdict of the packets that it dropped here: a look-up that is too dear for each of them. */
static __always_inline void drop_path_settle(struct drop_cache_entry *e)
{
	if (e->reason != DROP_VERDICT_SOURCE || !e->hits)
		return;
	verdict_count(e->source, e->is_v6, e->is_wide, e->hits);
	e->hits = 0;
	e->settled++;
}

static __always_inline bool drop_path_takes_ip(void *data, void *end, __u32 bytes, bool is_v6)
{
	struct drop_glance g = { .bytes = bytes, .is_v6 = is_v6 };
	struct drop_cache_entry *e = drop_cache_find(&g, data, end);

	if (!e || !obs_exit_cached(e, bytes))
		return false;
	e->tenure = DROP_CACHE_TENURE;
	e->hits++;
	return true;
}

/* Was the packet dropped and counted? */
static __always_inline bool drop_path_takes(void *data, void *end, __u32 bytes)
{
	__u16 ether_type = drop_glance_type(data, end);

	if (ether_type == ETHER_IPV4)
		return drop_path_takes_ip(data, end, bytes, false);
	return ether_type == ETHER_IPV6 && drop_path_takes_ip(data, end, bytes, true);
}

/* A refusal that outlasts any tick needs no look at the clock. */
#define DROP_PATH_LIMIT_NS (2 * DROP_CACHE_LIFE_NS)

/* Of a limit's refusal that is one until then. Proof is looked for once a tick. */
static __always_inline __u64 drop_path_limit(struct pkt_facts *p, struct drop_cache_entry *e,
					     __u64 until)
{
	const struct limit_answer *answer = &p->limit[LIMIT_SCOPE_SET];

	e->only_udp = 1;
	e->is_exact = until < pkt_now(p) + DROP_PATH_LIMIT_NS;
	e->limit_class = answer->limit_class;
	e->unit = answer->unit;
	e->min_bytes = e->unit == LIMIT_BYTES ? p->wire_bytes : 0;
	if (answer->is_exact || (!clock_injected && !e->is_exact))
		return until;
	return limit_hold_looks(until);
}

/* Until when all plain packets of the source are dropped for the same reason; 0: that is not known. */
static __always_inline __u64 drop_path_until(struct pkt_facts *p, struct drop_cache_entry *e,
					     __u64 now, __u64 refused_until)
{
	__u64 until = now + DROP_CACHE_LIFE_NS, holds = until;

	if (p->reason == DROP_VERDICT_SOURCE)
		holds = verdict_hold(p, now, &e->is_wide);
	else if (p->reason != DROP_ACL_DENY)
		holds = drop_path_limit(p, e, refused_until);
	return holds < until ? holds : until;
}

/*
 * Remember a drop of all that the source sends; refused_until: what limit_hold said of a limit's. Global,
 * so that the verifier walks it once; it does not call limit_hold itself, since their stacks would add up.
 */
__noinline int drop_path_write(struct pkt_facts *p, __u64 refused_until)
{
	struct drop_cache_entry found = {}, *e;
	__u64 now;

	if (!p) /* never; a global function's argument may be, for the verifier */
		return 0;
	found.source = drop_cache_source(p);
	found.is_v6 = (p->flags & PKT_IPV6) != 0;
	e = drop_cache_slot(found.source);
	if (!e)
		return 0;
	drop_path_settle(e);
	now = pkt_now_coarse(p);
	if (capture_until_ns() > now) /* it is shown every drop */
		return 0;
	found.until_ns = drop_path_until(p, &found, now, refused_until);
	found.tick = pkt_tick();
	found.reason = p->reason;
	found.generation = p->generation;
	found.settled = e->settled;
	found.tenure = DROP_CACHE_TENURE;
	if (found.until_ns > now)
		*e = found;
	return 0;
}

static __always_inline bool drop_path_is_limit(const struct pkt_facts *p)
{
	return p->reason == DROP_LIMIT_PACKETS || p->reason == DROP_LIMIT_BYTES;
}

/* Is it worth a call? TCP that a limit refused never is, whoever is the flood. */
static __always_inline bool drop_path_may_keep(const struct pkt_facts *p)
{
	return p->reason == DROP_ACL_DENY || p->reason == DROP_VERDICT_SOURCE ||
	       (drop_path_is_limit(p) && p->proto == PROTO_UDP);
}

/* Behind the exit of a drop. */
__noinline int drop_path_keep(struct pkt_facts *p)
{
	__u64 until = 0;

	if (!p) /* never; a global function's argument may be, for the verifier */
		return 0;
	if (!drop_cache_has_room(drop_cache_source(p), p->flags & PKT_IPV6, p->generation))
		return 0;
	if (!drop_path_is_limit(p))
		return drop_path_write(p, 0);
	if (!verdict_may(&p->source) && vip_is_empty())
		until = limit_hold(p, DROP_PATH_LIMIT_NS);
	return until ? drop_path_write(p, until) : 0;
}
