/* SPDX-License-Identifier: BSD-2-Clause */
#include "explain_text.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/clock.h"
#include "conf/vip_place.h"
#include "dataplane/limit_map.h"
#include "sluice/abi/drop_reason.h"
#include "sluice/abi/guard.h"
#include "sluice/abi/verdict.h"
#include "vip_show.h"

#define LABEL(id, label, doc) label,
#define DOC(id, label, doc)   doc,
#define CHOICE_TEXT_MAX	      128
#define COUNT(list)	      (sizeof(list) / sizeof((list)[0]))

static const char *const drop_labels[] = { DROP_REASONS(LABEL) };
static const char *const drop_docs[] = { DROP_REASONS(DOC) };
static const char *const guard_docs[] = { GUARD_COUNTS(DOC) };
static const char *const verdict_labels[] = { VERDICT_REASONS(LABEL) };

static const char *const stage_names[EXPLAIN_STAGES] = {
	[EXPLAIN_PARSE] = "parse",	 [EXPLAIN_ACL] = "acl",
	[EXPLAIN_VERDICT] = "verdict",	 [EXPLAIN_VIP_FIND] = "vip",
	[EXPLAIN_GUARD] = "guard",	 [EXPLAIN_LIMIT] = "limit",
	[EXPLAIN_RESPONSE] = "response", [EXPLAIN_QUIC] = "quic",
	[EXPLAIN_VIP] = "backend",	 [EXPLAIN_MTU] = "mtu",
	[EXPLAIN_ENCAP] = "encap",	 [EXPLAIN_NAT_BACK] = "nat answer",
	[EXPLAIN_NAT_FIND] = "nat flow", [EXPLAIN_NAT] = "nat",
	[EXPLAIN_FORWARD] = "forward",	 [EXPLAIN_MSS] = "mss",
	[EXPLAIN_ECHO] = "echo",
};

static const char *const moved_docs[] = {
	[EXPLAIN_MOVED_NOT] = "",
	[EXPLAIN_MOVED_RING] = ", which changed not long ago: as the ring says now",
	[EXPLAIN_MOVED_NOTED] = ", which changed not long ago: the flow is noted, and stays",
	[EXPLAIN_MOVED_BEFORE] = ", which changed not long ago: as the ring said before",
};

static const char *const result_names[] = {
	[EXPLAIN_UNASKED] = "not asked", [EXPLAIN_NEXT] = "next",  [EXPLAIN_PASS] = "pass",
	[EXPLAIN_DROP] = "drop",	 [EXPLAIN_TX] = "forward", [EXPLAIN_REPLY] = "reply",
};

const char *explain_stage_name(enum explain_stage stage)
{
	return stage_names[stage];
}

const char *explain_result_name(enum explain_result result)
{
	return result < COUNT(result_names) ? result_names[result] : "?";
}

const char *explain_reason_name(const struct explain_trace *t)
{
	return t->reason < COUNT(drop_labels) ? drop_labels[t->reason] : "?";
}

static const char *reason_doc(const struct explain_trace *t)
{
	return t->reason < COUNT(drop_docs) ? drop_docs[t->reason] : "?";
}

static const char *limit_name(const struct explain_view *v, const struct explain_limit *l)
{
	const char *name = limit_map_name(v->dp, l->limit_class);

	return name ? name : "?";
}

static void acl_text(const struct explain_view *v, char *ret)
{
	const struct explain_trace *t = v->trace;

	if (t->stage[EXPLAIN_ACL] == EXPLAIN_DROP)
		snprintf(ret, EXPLAIN_TEXT_MAX, "%s", reason_doc(t));
	else if (t->flags & EXPLAIN_EXEMPT)
		snprintf(ret, EXPLAIN_TEXT_MAX,
			 "an allow prefix has the source: no verdict, guard or limit is asked");
	else if (t->group)
		snprintf(ret, EXPLAIN_TEXT_MAX, "not denied; limits see it in source group %u",
			 t->group);
	else
		snprintf(ret, EXPLAIN_TEXT_MAX, "no list has the source");
}

static void verdict_text(const struct explain_view *v, char *ret)
{
	const struct explain_trace *t = v->trace;
	uint64_t now = clock_now_ns();

	if (t->stage[EXPLAIN_VERDICT] != EXPLAIN_DROP)
		snprintf(ret, EXPLAIN_TEXT_MAX, "none in force of this packet");
	else
		snprintf(ret, EXPLAIN_TEXT_MAX, "%s (%s, %s), for %.1f s more", reason_doc(t),
			 t->verdict_action == VERDICT_DROP ? "drop" : "drop_new",
			 t->verdict_reason < COUNT(verdict_labels)
				 ? verdict_labels[t->verdict_reason]
				 : "?",
			 t->verdict_until_ns > now
				 ? (double)(t->verdict_until_ns - now) / (double)NS_PER_S
				 : 0);
}

static void vip_text(const struct explain_view *v, char *ret)
{
	const struct explain_trace *t = v->trace;
	char place[VIP_PLACE_TEXT_MAX];

	if (!t->vip_id)
		snprintf(ret, EXPLAIN_TEXT_MAX, "it is to no vip%s",
			 t->flags & EXPLAIN_FRAGMENT ? " (a fragment: its port is not looked at)"
						     : "");
	else
		snprintf(ret, EXPLAIN_TEXT_MAX, "%s (%s, id %u, mode %s)%s",
			 v->vip ? v->vip->name : "?",
			 v->vip ? vip_place_format(v->vip, place) : "?", t->vip_id,
			 v->vip ? vip_show_mode(v->vip) : "?",
			 t->flags & EXPLAIN_QUOTES ? ", by the packet that the error quotes" : "");
}

static void guard_text(const struct explain_view *v, char *ret)
{
	const struct explain_trace *t = v->trace;

	if (t->stage[EXPLAIN_GUARD] == EXPLAIN_DROP && !t->guard)
		snprintf(ret, EXPLAIN_TEXT_MAX, "%s", reason_doc(t));
	else if (t->guard && t->guard < COUNT(guard_docs))
		snprintf(ret, EXPLAIN_TEXT_MAX, "it is on: %s", guard_docs[t->guard]);
	else
		snprintf(ret, EXPLAIN_TEXT_MAX, "%s", "it is off, or lets this packet through");
}

static void limit_text(const struct explain_view *v, char *ret)
{
	static const char *const outcomes[] = { "not asked", "admits", "drops",
						"would drop (dry run)" };
	const struct explain_trace *t = v->trace;
	size_t len = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < EXPLAIN_LIMITS; i++) {
		const struct explain_limit *l = &t->limit[i];
		int n;

		if (!l->limit_class)
			continue;
		n = snprintf(ret + len, EXPLAIN_TEXT_MAX - len, "%s%s %s%s", len ? "; " : "",
			     limit_name(v, l), outcomes[l->outcome & 3],
			     l->flags & EXPLAIN_LIMIT_TOTAL ? " by its total" : "");
		len += n > 0 ? (size_t)n : 0;
		len = len < EXPLAIN_TEXT_MAX ? len : EXPLAIN_TEXT_MAX - 1;
	}
	if (t->stage[EXPLAIN_LIMIT] == EXPLAIN_DROP)
		snprintf(ret + len, EXPLAIN_TEXT_MAX - len, ": %s", reason_doc(t));
	else if (!len)
		snprintf(ret, EXPLAIN_TEXT_MAX, "no limit meets this packet");
}

static const char *quic_text(const struct explain_trace *t)
{
	static const char *const texts[] = {
		[EXPLAIN_QUIC_UNREAD] = "no connection id is looked for",
		[EXPLAIN_QUIC_UNROUTABLE] = "no connection id that could name a backend",
		[EXPLAIN_QUIC_UNKNOWN] = "its connection id names nobody who gets packets",
		[EXPLAIN_QUIC_ROUTED] = "its connection id names a backend",
	};

	return t->quic < COUNT(texts) ? texts[t->quic] : "?";
}

static const char *moved_text(const struct explain_trace *t)
{
	return t->moved < COUNT(moved_docs) ? moved_docs[t->moved] : "";
}

bool explain_by_flow(const struct explain_trace *t)
{
	return t->backend_id && !(t->flags & EXPLAIN_RING) && t->quic != EXPLAIN_QUIC_ROUTED;
}

/* What chose the backend, or none. */
static void choice_text(const struct explain_trace *t, char ret[CHOICE_TEXT_MAX])
{
	if (t->quic == EXPLAIN_QUIC_ROUTED)
		snprintf(ret, CHOICE_TEXT_MAX, "its connection id");
	else if (explain_by_flow(t))
		snprintf(ret, CHOICE_TEXT_MAX, "its flow");
	else
		snprintf(ret, CHOICE_TEXT_MAX, "slot %u of ring %u%s", t->slot, t->ring,
			 moved_text(t));
}

static void backend_text(const struct explain_view *v, char *ret)
{
	const struct explain_trace *t = v->trace;
	const struct vip_backend_state *b = v->backend;
	char text[ADDR_TEXT_MAX], choice[CHOICE_TEXT_MAX];

	choice_text(t, choice);
	if (t->stage[EXPLAIN_VIP] == EXPLAIN_PASS)
		snprintf(ret, EXPLAIN_TEXT_MAX, "not balanced: it is for this host's own stack");
	else if (t->stage[EXPLAIN_VIP] == EXPLAIN_DROP)
		snprintf(ret, EXPLAIN_TEXT_MAX, "%s: %s", choice, reason_doc(t));
	else if (!b && explain_by_flow(t))
		snprintf(ret, EXPLAIN_TEXT_MAX,
			 "one that was removed, and has its flows for a while (id %u), by %s",
			 t->backend_id, choice);
	else
		snprintf(ret, EXPLAIN_TEXT_MAX, "%s (%s, id %u) by %s", b ? b->conf->name : "?",
			 b ? addr_format(&b->conf->address, text) : "?", t->backend_id, choice);
}

static void mtu_text(const struct explain_view *v, char *ret)
{
	const struct explain_trace *t = v->trace;

	if (t->stage[EXPLAIN_MTU] == EXPLAIN_NEXT)
		snprintf(ret, EXPLAIN_TEXT_MAX, "%u bytes fit into %u", t->l3_bytes, t->mtu);
	else
		snprintf(ret, EXPLAIN_TEXT_MAX, "%u bytes do not fit into %u: %s", t->l3_bytes,
			 t->mtu,
			 t->stage[EXPLAIN_MTU] == EXPLAIN_REPLY
				 ? "its sender is told (so many a second are)"
				 : "it is dropped without an answer");
}

static void mss_text(const struct explain_view *v, char *ret)
{
	const struct explain_trace *t = v->trace;

	if (t->mss_was)
		snprintf(ret, EXPLAIN_TEXT_MAX, "its segment size of %u is lowered to %u",
			 t->mss_was, t->mss_is);
	else
		snprintf(ret, EXPLAIN_TEXT_MAX, "no segment size is to be lowered");
}

static void sent_text(const struct explain_view *v, enum explain_stage stage, char *ret)
{
	const struct explain_trace *t = v->trace;

	if (t->stage[stage] == EXPLAIN_TX)
		snprintf(ret, EXPLAIN_TEXT_MAX, "by %s as %s", v->egress, v->link);
	else if (t->stage[stage] == EXPLAIN_DROP)
		snprintf(ret, EXPLAIN_TEXT_MAX, "%s", reason_doc(t));
	else
		snprintf(ret, EXPLAIN_TEXT_MAX, "nothing is put around it");
}

static void nat_text(const struct explain_view *v, enum explain_stage stage, char *ret)
{
	const struct explain_trace *t = v->trace;
	const bool is_nat = v->vip && v->vip->mode == BACKEND_NAT;
	const bool is_routed = is_nat && !v->vip->n_snat;

	if (t->stage[stage] == EXPLAIN_TX)
		snprintf(ret, EXPLAIN_TEXT_MAX, "%s, by %s",
			 stage == EXPLAIN_NAT_BACK	? "an answer, translated back"
			 : !(t->flags & EXPLAIN_BEGINS) ? "translated as its flow is"
			 : is_routed			? "it begins a flow, from its own port"
				     : "it begins a flow, from a port taken then",
			 v->egress);
	else if (t->stage[stage] == EXPLAIN_DROP)
		snprintf(ret, EXPLAIN_TEXT_MAX, "%s", reason_doc(t));
	else if (stage == EXPLAIN_NAT_BACK)
		snprintf(ret, EXPLAIN_TEXT_MAX, "it answers no flow that is translated");
	else if (!is_nat)
		snprintf(ret, EXPLAIN_TEXT_MAX, "no vip of mode nat");
	else if (stage == EXPLAIN_NAT)
		snprintf(ret, EXPLAIN_TEXT_MAX, "its backend is not of mode nat");
	else
		snprintf(ret, EXPLAIN_TEXT_MAX, "%s",
			 explain_by_flow(t) ? "its flow has a backend" : "it has no flow yet");
}

void explain_stage_text(const struct explain_view *v, enum explain_stage stage,
			char ret[EXPLAIN_TEXT_MAX])
{
	const struct explain_trace *t = v->trace;

	switch (stage) {
	case EXPLAIN_PARSE:
		snprintf(ret, EXPLAIN_TEXT_MAX, "%s%s%s", v->packet,
			 t->stage[stage] == EXPLAIN_PASS   ? ": nothing that is looked at"
			 : t->stage[stage] == EXPLAIN_DROP ? ": "
							   : "",
			 t->stage[stage] == EXPLAIN_DROP ? reason_doc(t) : "");
		break;
	case EXPLAIN_ACL:
		acl_text(v, ret);
		break;
	case EXPLAIN_VERDICT:
		verdict_text(v, ret);
		break;
	case EXPLAIN_VIP_FIND:
		vip_text(v, ret);
		break;
	case EXPLAIN_GUARD:
		guard_text(v, ret);
		break;
	case EXPLAIN_LIMIT:
		limit_text(v, ret);
		break;
	case EXPLAIN_RESPONSE:
		snprintf(ret, EXPLAIN_TEXT_MAX, "%s",
			 t->flags & EXPLAIN_ANSWERS ? "it gives its source credit for answers"
						    : "no service whose answers are limited");
		break;
	case EXPLAIN_QUIC:
		snprintf(ret, EXPLAIN_TEXT_MAX, "%s", quic_text(t));
		break;
	case EXPLAIN_VIP:
		backend_text(v, ret);
		break;
	case EXPLAIN_MTU:
		mtu_text(v, ret);
		break;
	case EXPLAIN_ECHO:
		snprintf(ret, EXPLAIN_TEXT_MAX, "%s",
			 t->stage[stage] == EXPLAIN_REPLY  ? "a vip's: it is answered here"
			 : t->stage[stage] == EXPLAIN_DROP ? reason_doc(t)
							   : "no echo request to a vip");
		break;
	case EXPLAIN_MSS:
		mss_text(v, ret);
		break;
	case EXPLAIN_NAT_BACK:
	case EXPLAIN_NAT_FIND:
	case EXPLAIN_NAT:
		nat_text(v, stage, ret);
		break;
	default:
		sent_text(v, stage, ret);
	}
}
