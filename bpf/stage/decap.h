/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets out of outer headers, on a backend without a tunnel device: what stage/encap.h makes, and
 * what Linux's fou and ipip send. To this host, from an address that may send, whole, and with an
 * inner header that fits; all else of the kind is dropped and counted, and what is not of the kind
 * is not touched. What comes out goes to the host as if it had come so.
 *
 * UDP's checksum is not looked at: the inner packet has its own. Of GUE, variant 1 (the inner packet
 * follows) and variant 0 without options are known.
 */
#pragma once

#include "decap_outer.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct decap_settings);
} decap SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, DECAP_SOURCES_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix);
	__type(value, __u8);
} decap_source SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DECAP_COUNT_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} stats_decap SEC(".maps");

#define DECAP_AF_INET  2
#define DECAP_AF_INET6 10
/* Congestion experienced; able to be told, with and without the bit of L4S (RFC 3168, RFC 9331). */
#define DECAP_ECN_CE   3
#define DECAP_ECN_ECT0 2
#define DECAP_ECN_ECT1 1

/* An address of this host's, and not of what it forwards to; see guard_is_local(). */
static __always_inline bool decap_is_ours(struct xdp_md *ctx, const struct decap_outer *o)
{
	struct bpf_fib_lookup fib = { .ifindex = ctx->ingress_ifindex, .l4_protocol = PROTO_UDP };
	long found;

	if (o->v6) {
		fib.family = DECAP_AF_INET6;
		__builtin_memcpy(fib.ipv6_src, o->from.w, 16);
		__builtin_memcpy(fib.ipv6_dst, o->to.w, 16);
	} else {
		fib.family = DECAP_AF_INET;
		fib.ipv4_src = o->from.w[3];
		fib.ipv4_dst = o->to.w[3];
	}
	found = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
	return found == BPF_FIB_LKUP_RET_NOT_FWDED || found == BPF_FIB_LKUP_RET_FWD_DISABLED;
}

static __always_inline bool decap_may_send(const struct decap_outer *o)
{
	struct prefix key = { .len_bits = 128, .addr = o->from };

	return bpf_map_lookup_elem(&decap_source, &key) != NULL;
}

/* RFC 6040 s4.2: what the inner packet's ECN becomes; negative: it has to be dropped. */
static __always_inline int decap_ecn(__u32 outer, __u32 inner)
{
	if (outer == DECAP_ECN_CE)
		return inner ? DECAP_ECN_CE : -1;
	return outer == DECAP_ECN_ECT1 && inner == DECAP_ECN_ECT0 ? DECAP_ECN_ECT1 : (int)inner;
}

static __always_inline int decap_inner_v4(struct cursor *c, const struct decap_outer *o)
{
	struct iphdr *ip = cursor_take(c, sizeof(*ip));
	__be16 before, after;
	int ecn;

	if (!ip || ip->version != 4 || ip->ihl < 5 || bpf_ntohs(ip->tot_len) > o->payload_bytes)
		return DECAP_MALFORMED;
	ecn = decap_ecn(o->ecn, ip->tos & 3);
	if (ecn < 0)
		return DECAP_ECN;
	__builtin_memcpy(&before, ip, sizeof(before));
	ip->tos = (ip->tos & ~3) | ecn;
	__builtin_memcpy(&after, ip, sizeof(after));
	if (before != after)
		ip->check = csum_replace_16(ip->check, before, after);
	return 0;
}

static __always_inline int decap_inner_v6(struct cursor *c, const struct decap_outer *o)
{
	struct ipv6hdr *ip = cursor_take(c, sizeof(*ip));
	int ecn;

	if (!ip || ip->version != 6 || bpf_ntohs(ip->payload_len) + sizeof(*ip) > o->payload_bytes)
		return DECAP_MALFORMED;
	ecn = decap_ecn(o->ecn, ip->flow_lbl[0] >> 4 & 3);
	if (ecn < 0)
		return DECAP_ECN;
	ip->flow_lbl[0] = (ip->flow_lbl[0] & ~0x30) | ecn << 4;
	return 0;
}

/* Is it a tunnel's, and good? Its kind, or why not, or DECAP_NOT. The inner ECN is set. */
static __always_inline int decap_look(struct xdp_md *ctx, struct decap_outer *o)
{
	struct cursor c = { .at = (void *)(long)ctx->data,
			    .end = (void *)(long)ctx->data_end,
			    .left = ctx->data_end - ctx->data };
	__u32 zero = 0;
	struct decap_settings *settings = bpf_map_lookup_elem(&decap, &zero);
	__u16 type = 0;
	int kind, bad;

	if (!settings || !decap_link(&c, o, &type))
		return DECAP_NOT;
	if (type == ETHER_IPV4 ? !decap_v4(&c, o) : type != ETHER_IPV6 || !decap_v6(&c, o))
		return DECAP_NOT;
	kind = decap_kind(&c, o, settings);
	if (kind == DECAP_NOT || !decap_is_ours(ctx, o))
		return DECAP_NOT;
	if (!decap_may_send(o))
		return DECAP_SOURCE;
	if (o->broken || (kind == DECAP_GUE && !decap_gue(&c, o)))
		return DECAP_MALFORMED;
	/* IPv6 is not put into IPv4 here, nor taken out of it. */
	if (o->proto == PROTO_IPV6)
		bad = o->v6 ? decap_inner_v6(&c, o) : DECAP_MALFORMED;
	else
		bad = decap_inner_v4(&c, o);
	return bad ? bad : kind;
}

/* Move the link header, tags and all, to where the inner packet begins. */
static __always_inline bool decap_strip(struct xdp_md *ctx, const struct decap_outer *o)
{
	__be16 type = o->proto == PROTO_IPV6 ? bpf_htons(ETHER_IPV6) : bpf_htons(ETHER_IPV4);
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end, *at;
	__u32 link[6];

	if (data + sizeof(link) > end)
		return false;
	__builtin_memcpy(link, data, sizeof(link));
	if (bpf_xdp_adjust_head(ctx, o->outer_bytes & 63))
		return false;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + sizeof(link) > end)
		return false;
	__builtin_memcpy(data, link, 12);
	if (o->l2_bytes > 14)
		__builtin_memcpy(data + 12, &link[3], 4);
	if (o->l2_bytes > 18)
		__builtin_memcpy(data + 16, &link[4], 4);
	at = data + ((o->l2_bytes - 2) & 31);
	if (at + sizeof(type) > end)
		return false;
	__builtin_memcpy(at, &type, sizeof(type));
	return true;
}
