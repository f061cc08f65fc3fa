/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Counts the connections of listeners of this host, in the kernel: so a count is right whoever listens,
 * and whatever becomes of him. Attached to a control group, whose sockets and whose descendants' are
 * counted. A connection is counted from the end of its handshake until its socket is closed, by
 * whichever side, or takes leave for TIME_WAIT; one that this host opened is not.
 *
 * A program is told of the close because it asked for it, socket by socket. Another program of the
 * control group that sets a socket's flags without keeping those of others unasks it, and the count
 * stays: none of ours does.
 */
#include "pipeline.h"
#include "stage/acl.h"
#include "stage/limit_concurrent_count.h"

#define FAMILY_IPV4 2 /* AF_INET */
#define FAMILY_IPV6 10

/* Of the network namespace whose devices are looked at: sockets of others are not counted. */
const volatile __u64 netns_cookie = 0;
/* Of the table as it is while this program is loaded. */
const volatile __u32 generation = 0;

/* The same declaration is in agent_maps.bpf.c. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct limit_concurrent_place);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} limit_concurrent_sk SEC(".maps");

/* As the packets of the connection are to the stages. false: it is of no family that they know. */
static __always_inline bool read_peer(struct bpf_sock_ops *ctx, struct pkt *p)
{
	if (ctx->family == FAMILY_IPV4) {
		address_from_v4(&p->source, ctx->remote_ip4);
	} else if (ctx->family == FAMILY_IPV6) {
		p->source.w[0] = ctx->remote_ip6[0];
		p->source.w[1] = ctx->remote_ip6[1];
		p->source.w[2] = ctx->remote_ip6[2];
		p->source.w[3] = ctx->remote_ip6[3];
		/* A listener of both families shows IPv4 so. */
		if (!address_is_mapped(&p->source))
			p->flags = PKT_IPV6;
	} else {
		return false;
	}
	p->proto = PROTO_TCP;
	p->flow.dport = bpf_htons((__u16)ctx->local_port);
	return true;
}

/* Note the classes that its packets meet; is there any that counts? */
static __always_inline bool meets(struct pkt *p)
{
	__u32 zero = 0;
	struct limit_state *state = bpf_map_lookup_elem(&limit_state, &zero);

	if (!state || !*(volatile __u32 *)&state->has_concurrent)
		return false;
	/* Whom the lists deny had got here before they did. */
	acl_denies(p);
	return !p->exempt && limit_set_find(p);
}

static __always_inline bool is_counted(const struct limit_concurrent_place *place)
{
	__u32 i, any = 0;

#pragma unroll
	for (i = 0; i < LIMIT_SET_CLASSES; i++)
		any |= place->word[i];
	return any;
}

static __always_inline void begin(struct bpf_sock_ops *ctx)
{
	struct limit_concurrent_place now = {}, *place;
	struct bpf_sock *sk = ctx->sk;
	struct pkt p = {};

	if (!sk || bpf_get_netns_cookie(ctx) != netns_cookie || !read_peer(ctx, &p) || !meets(&p))
		return;
	limit_concurrent_begin(&p.facts, generation, &now);
	if (!is_counted(&now))
		return;
	place = bpf_sk_storage_get(&limit_concurrent_sk, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!place) { /* no memory */
		limit_concurrent_end(&now, generation);
		limit_concurrent_lose();
		return;
	}
	*place = now;
	bpf_sock_ops_cb_flags_set(ctx,
				  (int)(ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG));
}

static __always_inline void end(struct bpf_sock_ops *ctx)
{
	struct limit_concurrent_place *place, last;
	struct bpf_sock *sk = ctx->sk;

	if (!sk)
		return;
	place = bpf_sk_storage_get(&limit_concurrent_sk, sk, NULL, 0);
	if (!place)
		return;
	last = *place;
	/* Gone before it is counted out: a socket that is closed twice is so once. */
	if (bpf_sk_storage_delete(&limit_concurrent_sk, sk) == 0)
		limit_concurrent_end(&last, generation);
}

SEC("sockops")
int limit_concurrent_sockops(struct bpf_sock_ops *ctx)
{
	if (ctx->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		begin(ctx);
	else if (ctx->op == BPF_SOCK_OPS_STATE_CB && ctx->args[1] == BPF_TCP_CLOSE)
		end(ctx);
	return 1;
}

char _license[] SEC("license") = "Dual BSD/GPL";
