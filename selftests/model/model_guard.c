/* SPDX-License-Identifier: BSD-2-Clause */
/* The guard: when it is on, which packets it answers, and what proves a source. */
#include <string.h>

#include "model_bytes.h"
#include "model_guard_reply.h"

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

static bool is_on(const struct model *m, uint32_t id, uint64_t now_ns)
{
	uint32_t mode = m->policy.guard[id].mode;

	return mode == GUARD_ALWAYS || (mode == GUARD_AUTO && now_ns < m->state.guard[id].until_ns);
}

/* Seconds begin with a SYN. What comes after those that decide need not be counted any more. */
static void count_syn(struct model_guard_state *s, uint64_t enough, uint64_t now_ns)
{
	if (now_ns < s->window_ns || now_ns - s->window_ns >= 1000000000ULL) {
		s->window_ns = now_ns;
		s->syns = 0;
	}
	if (s->syns < enough)
		s->syns++;
}

/* A SYN: is the guard on for it? */
static bool decide(struct model *m, uint32_t id, uint64_t now_ns)
{
	const struct guard *g = &m->policy.guard[id];
	struct model_guard_state *s = &m->state.guard[id];
	bool on = is_on(m, id, now_ns);
	uint64_t enough = on ? g->off_per_s : g->on_per_s;

	if (g->mode == GUARD_AUTO) {
		count_syn(s, enough, now_ns);
		if (s->syns >= enough) {
			s->turns += !on;
			s->until_ns = now_ns + g->hold_ns;
			on = true;
		}
	}
	/* From now on answers are looked at, while it lasts. */
	if (g->mode == GUARD_ALWAYS)
		m->state.answers_until_ns = UINT64_MAX;
	else if (on && m->state.answers_until_ns < s->until_ns)
		m->state.answers_until_ns = s->until_ns;
	return on;
}

static struct client_key unit_key(const struct model_packet *p)
{
	return (struct client_key) { .source = model_unit(p, false) };
}

static void prove(struct model *m, const struct model_packet *p)
{
	struct client_key key = unit_key(p);

	if (model_client_find(&m->state, &key) || m->state.n_client == MODEL_CLIENTS)
		return;
	m->state.client[m->state.n_client++] =
		(struct model_client) { .key = key,
					.client = { .proven_ns = p->frame->now_ns,
						    .proof = CLIENT_PROVEN_COOKIE } };
}

/* The TCP header directly behind an IP header without options; of a fragment nothing is answered. */
static const uint8_t *plain_tcp(const struct model_packet *p)
{
	const uint8_t *ip = p->frame->bytes + p->l2_bytes;
	uint32_t ip_bytes = p->ipv6 ? 40 : 20;

	if (p->fragment || (p->ipv6 ? ip[6] != 6 : ip[0] != 0x45) ||
	    !bytes_readable(p, 0, p->headers_bytes))
		return NULL;
	return ip + ip_bytes;
}

/* The whole packet is a SYN: no data, no FIN or RST. */
static bool is_answerable(const struct model_packet *p)
{
	const uint8_t *tcp = plain_tcp(p);

	return tcp && p->l2_bytes + p->l3_bytes == p->headers_bytes &&
	       (tcp[13] & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK)) == TCP_SYN;
}

static bool has_listener(const struct model_host *host, const struct model_packet *p)
{
	uint32_t i;

	for (i = 0; i < MODEL_LISTENERS; i++) {
		if (host->listener_port[i] == __builtin_bswap16(p->flow.dport))
			return true;
	}
	return false;
}

/* Addresses with which no router passes anything on: multicast, link-local, loopback (RFC 4291). */
static bool is_confined(const struct addr *a, bool ipv6)
{
	static const struct addr loopback6 = { .b = { [15] = 1 } };

	if (!ipv6)
		return a->b[12] == 127;
	return a->b[0] == 0xff || (a->b[0] == 0xfe && a->b[1] >> 6 == 2) ||
	       memcmp(a, &loopback6, sizeof(*a)) == 0;
}

/* Of this host, and not on its way through: there is a route to everything else. */
static bool is_local(const struct model_host *host, const struct model_packet *p)
{
	uint32_t i;

	for (i = 0; i < MODEL_LOCALS; i++) {
		if (memcmp(&p->flow.dst, &host->local[i], sizeof(p->flow.dst)) == 0)
			return true;
	}
	return is_confined(&p->flow.dst, p->ipv6) || (p->ipv6 && is_confined(&p->flow.src, true));
}

static enum model_fate own_syn(struct model *m, struct model_packet *p)
{
	p->guard.count = GUARD_COUNT_HOST;
	if (!is_answerable(p) || !has_listener(&m->policy.host, p) || !is_local(&m->policy.host, p))
		return MODEL_NEXT;
	p->guard.count = GUARD_COUNT_COOKIE_MADE;
	model_guard_reply_own(m, p);
	return MODEL_REPLY;
}

static enum model_fate vip_syn(struct model *m, struct model_packet *p)
{
	p->guard.count = GUARD_COUNT_REFUSED;
	if (!is_answerable(p))
		return model_drop(p, DROP_GUARD_SYN);
	p->guard.count = GUARD_COUNT_CHALLENGE;
	model_guard_reply_vip(m, p, m->policy.guard[p->vip->id].reset == GUARD_PLAIN);
	return MODEL_REPLY;
}

static enum model_fate on_syn(struct model *m, struct model_packet *p, uint32_t id)
{
	struct client_key key = unit_key(p);

	if (m->policy.guard[id].mode == GUARD_OFF || !decide(m, id, p->frame->now_ns))
		return MODEL_NEXT;
	if (model_client_find(&m->state, &key)) {
		p->guard.count = GUARD_COUNT_PROVEN;
		return MODEL_NEXT;
	}
	return id == GUARD_OWN ? own_syn(m, p) : vip_syn(m, p);
}

static bool is_cookie(const struct model *m, const struct model_packet *p, bool listener,
		      uint32_t seq, uint32_t ack)
{
	struct model_cookie cookie = {
		.flow = p->flow, .ipv6 = p->ipv6, .listener = listener, .seq = seq, .ack = ack
	};

	return m->kernel.is_cookie(m->kernel.ctx, &cookie);
}

/* The third packet of a handshake with a listener of this host, or one that pretends to be. */
static enum model_fate own_answer(struct model *m, struct model_packet *p)
{
	const uint8_t *tcp = plain_tcp(p);

	if (p->tcp_rst || !tcp || (tcp[13] & TCP_SYN) || !has_listener(&m->policy.host, p))
		return MODEL_NEXT;
	if (is_cookie(m, p, true, bytes_32(tcp + 4), bytes_32(tcp + 8))) {
		p->guard.count = GUARD_COUNT_COOKIE_OK;
		prove(m, p);
		return MODEL_NEXT;
	}
	if (!is_local(&m->policy.host, p))
		return MODEL_NEXT;
	p->guard.count = GUARD_COUNT_COOKIE_BAD;
	return model_drop(p, DROP_GUARD_COOKIE);
}

/* What proves its source goes on all the same. */
static enum model_fate vip_answer(struct model *m, struct model_packet *p)
{
	bool plain = m->policy.guard[p->vip->id].reset == GUARD_PLAIN;
	struct client_key key = unit_key(p);
	const uint8_t *tcp = plain_tcp(p);
	uint32_t cookie;

	if (plain == p->tcp_rst || !tcp || model_client_find(&m->state, &key))
		return MODEL_NEXT;
	cookie = plain ? bytes_32(tcp + 8) - 1 : bytes_32(tcp + 4);
	if (!is_cookie(m, p, false, 1, cookie + 1))
		return MODEL_NEXT;
	p->guard.count = GUARD_COUNT_CHALLENGE_OK;
	prove(m, p);
	return MODEL_NEXT;
}

enum model_fate model_guard(struct model *m, struct model_packet *p)
{
	uint32_t id = p->vip ? p->vip->id : GUARD_OWN;
	uint64_t now_ns = p->frame->now_ns;

	if (p->exempt)
		return MODEL_NEXT;
	if (p->syn)
		return on_syn(m, p, id);
	if ((!p->tcp_ack && !p->tcp_rst) || m->state.answers_until_ns == 0)
		return MODEL_NEXT;
	if (now_ns > m->state.answers_until_ns) {
		m->state.answers_until_ns = 0;
		return MODEL_NEXT;
	}
	if (!is_on(m, id, now_ns))
		return MODEL_NEXT;
	return id == GUARD_OWN ? own_answer(m, p) : vip_answer(m, p);
}
