/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Proof that a source is real: a connection of this host that is established, or, when it is refused,
 * the word of somebody who found out (abi/client.h). Connections are looked for before they are refused
 * too, so that a flood finds them proven. What a source gets then are meters of its own. They start
 * from the level of its rows, not full, so that being proven is no second burst.
 */
#pragma once

#include "../lib/socket.h"
#include "limit_meter.h"

/* What packets buy looks for proof with; none can use up those of another. */
enum limit_look {
	LIMIT_LOOK_REFUSED_TCP,
	LIMIT_LOOK_REFUSED, /* all else */
	LIMIT_LOOK_ADMITTED_TCP,
	LIMIT_LOOKS,
};

/* When this CPU may look again. */
struct limit_proof {
	__u64 next_ns[LIMIT_LOOKS];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct limit_proof);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} limit_proof SEC(".maps");

/* Is the flow an established connection of this host? Anybody can send a lone ACK. */
static __always_inline bool limit_has_socket(const struct pkt *p)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *sk;
	bool established;
	__u32 bytes;

	if (p->proto != PROTO_TCP || (p->flags & (PKT_SYN | PKT_FRAGMENT | PKT_QUOTES)))
		return false;
	bytes = socket_tuple(&p->flow, p->flags & PKT_IPV6, &tuple);
	sk = bpf_sk_lookup_tcp(p->ctx, &tuple, bytes, BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return false;
	established = tcp_is_established(sk->state);
	bpf_sk_release(sk);
	return established;
}

/* So many looks a second and CPU: a flood must not buy one for each of its packets. */
static __always_inline bool limit_may_look(struct pkt *p, bool refused)
{
	__u32 zero = 0, kind = LIMIT_LOOK_ADMITTED_TCP;
	struct limit_proof *budget = bpf_map_lookup_elem(&limit_proof, &zero);

	if (refused)
		kind = p->proto == PROTO_TCP ? LIMIT_LOOK_REFUSED_TCP : LIMIT_LOOK_REFUSED;
	if (!proofs_per_s || !budget || pkt_now(&p->facts) < budget->next_ns[kind])
		return false;
	budget->next_ns[kind] = pkt_now(&p->facts) + 1000000000 / proofs_per_s;
	return true;
}

/* Functions of their own, this and the next: their stacks together with the entry's are too many. */
static __noinline int limit_look(struct pkt *p, bool refused)
{
	struct client_key key = { .limit_class = LIMIT_CLASS_NONE };
	struct client *c;

	if (!refused)
		return limit_has_socket(p) ? CLIENT_PROVEN_SOCKET : CLIENT_UNPROVEN;
	client_unit(&p->facts, &key.source);
	c = bpf_map_lookup_elem(&clients, &key);
	if (c)
		return c->proof;
	return limit_has_socket(p) ? CLIENT_PROVEN_SOCKET : CLIENT_UNPROVEN;
}

/* The source's own meters in a class start from those that it shared. */
static __noinline int limit_promote(struct pkt *p, __u32 id, __u32 proof)
{
	struct limit_class *class = bpf_map_lookup_elem(&limit_class, &id);
	struct client c = { .proof = proof };
	struct limit_scope s;
	__u32 unit;

	if (!class)
		return 0;
	s.rates = &class->rates[*(volatile __u32 *)&class->active & 1];
	if (!limit_meter_find(&p->facts, id, class, &s) || s.is_exact)
		return 0;
	c.proven_ns = pkt_now(&p->facts);
	for (unit = 0; unit < LIMIT_UNITS; unit++)
		c.meters.tat[unit] = limit_meter_word(&s, unit);
	bpf_map_update_elem(&clients, &s.key, &c, BPF_NOEXIST);
	return 0;
}

/* Give the source meters of its own in a class whose rows it shares, if it is real. */
static __always_inline void limit_prove(struct pkt *p, __u32 id, bool refused)
{
	__u32 proof;

	if (!limit_may_look(p, refused))
		return;
	proof = limit_look(p, refused);
	if (proof != CLIENT_UNPROVEN)
		limit_promote(p, id, proof);
}
