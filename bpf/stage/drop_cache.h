/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The drop cache (abi/drop_cache.h): asked before the packet is parsed, since for a flood the parser
 * and the stages are most of the cost. It takes only packets in the common shapes, of which a glance
 * at the headers shows that the parser would let them go on to the lists; all others go the whole
 * way. So a hit counts what the whole way would have counted, to the last byte.
 *
 * A change: the agent writes its maps, then raises the generation. A packet on the whole way reads the
 * generation before any map of policy, so what it leaves here is void if it may have seen the old
 * one. Elsewhere than on x86 the two reads may change places; then DROP_CACHE_LIFE_NS bounds the error.
 *
 * Entries are a CPU's own, and no packet interrupts another one on its CPU.
 */
#pragma once

#include "../lib/proto.h"
#include "../pipeline.h"
#include "sluice/abi/drop_cache.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DROP_CACHE_SLOTS);
	__type(key, __u32);
	__type(value, struct drop_cache_entry);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} drop_cache SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct drop_cache_state);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} drop_cache_state SEC(".maps");

/* Knocks of others that an entry outlives after a packet of its own: a scan must not empty the cache. */
#define DROP_CACHE_TENURE 16

/* What a glance shows of a packet. */
struct drop_glance {
	__u64 source; /* as drop_cache_entry.source */
	void *l3;
	__u32 bytes; /* on the wire */
	bool is_v6;  /* a constant: each family has its own copy of what follows */
	__u8 proto;
};

static __always_inline __u32 drop_cache_generation(void)
{
	__u32 zero = 0;
	struct drop_cache_state *state = bpf_map_lookup_elem(&drop_cache_state, &zero);

	return state ? *(volatile __u32 *)&state->generation : 0;
}

/* For a packet that was parsed: what is read of all that changes, before any map of policy. */
static __always_inline void drop_cache_begin(struct pkt *p)
{
	__u32 zero = 0;
	struct drop_cache_state *state = bpf_map_lookup_elem(&drop_cache_state, &zero);

	if (!state)
		return;
	p->generation = *(volatile __u32 *)&state->generation;
	p->flags |= (*(volatile __u32 *)&state->no_verdicts & 1) * PKT_UNJUDGED;
}

/* Multiply-shift (Dietzfelbinger and others, 1997) with a secret odd factor: nobody can aim at a slot. */
static __always_inline struct drop_cache_entry *drop_cache_slot(__u64 source)
{
	__u32 at = drop_cache_index(source, drop_cache_factor);

	return bpf_map_lookup_elem(&drop_cache, &at);
}

/* 0: not plain IP. */
static __always_inline __u16 drop_glance_type(void *data, void *end)
{
	struct ethhdr *eth = data;

	return (void *)(eth + 1) <= end ? bpf_ntohs(eth->h_proto) : 0;
}

/* From whom; false: that cannot be read. */
static __always_inline bool drop_glance_source(struct drop_glance *g, void *data, void *end)
{
	struct ethhdr *eth = data;
	struct iphdr *v4 = (void *)(eth + 1);
	struct ipv6hdr *v6 = (void *)(eth + 1);

	g->l3 = eth + 1;
	if (g->l3 + (g->is_v6 ? sizeof(*v6) : sizeof(*v4)) > end)
		return false;
	if (g->is_v6)
		g->source =
			(__u64)v6->saddr.in6_u.u6_addr32[0] << 32 | v6->saddr.in6_u.u6_addr32[1];
	else
		g->source = (__u64)bpf_htonl(0xffff) << 32 | v4->saddr;
	return true;
}

/* Would the parser take the transport header, of a packet with l4_bytes behind the IP header? */
static __always_inline bool drop_glance_l4(const struct drop_glance *g, void *l4, void *end,
					   __u32 l4_bytes)
{
	const struct tcphdr *tcp = l4;
	const struct udphdr *udp = l4;

	if (g->proto == PROTO_TCP)
		return (void *)(tcp + 1) <= end && tcp->doff >= 5 && tcp->doff * 4 <= l4_bytes;
	if ((void *)(udp + 1) > end || l4_bytes < sizeof(*udp))
		return false;
	if (g->proto == PROTO_UDP)
		return bpf_ntohs(udp->len) >= sizeof(*udp);
	return g->proto == PROTO_ICMP && !g->is_v6;
}

/* Would it go on to the lists, and to nothing before them? */
static __always_inline bool drop_glance_shape(struct drop_glance *g, void *end)
{
	const struct ipv6hdr *v6 = g->l3;
	const struct iphdr *v4 = g->l3;
	__u32 l3_bytes, header_bytes = g->is_v6 ? sizeof(*v6) : sizeof(*v4);

	if (g->is_v6) {
		if ((void *)(v6 + 1) > end || v6->version != 6)
			return false;
		/* Mapped addresses have nothing in the first half; nor do a few others. */
		if (!g->source || !(v6->daddr.in6_u.u6_addr32[0] | v6->daddr.in6_u.u6_addr32[1]))
			return false;
		l3_bytes = bpf_ntohs(v6->payload_len) + header_bytes;
		g->proto = v6->nexthdr;
	} else {
		if ((void *)(v4 + 1) > end || *(const __u8 *)v4 != 0x45 ||
		    (v4->frag_off & bpf_htons(IPV4_FRAG_OFFSET | IPV4_FRAG_MORE)))
			return false;
		l3_bytes = bpf_ntohs(v4->tot_len);
		g->proto = v4->protocol;
	}
	if (l3_bytes > g->bytes - sizeof(struct ethhdr) || l3_bytes < header_bytes)
		return false;
	return drop_glance_l4(g, g->l3 + header_bytes, end, l3_bytes - header_bytes);
}

/* Every so many packets, a limit's entry asks the clock whether the tick stands still. */
#define DROP_CACHE_CHECK 64

/* Is the entry in force? It is, of the present tick; but a limit that soon admits again is asked exactly. Whoever injects the clock has no ticks: what lasts for one ends exactly. */
static __always_inline bool drop_cache_holds(struct drop_cache_entry *e)
{
	if (clock_injected)
		return e->until_ns > *(volatile __u64 *)&test_now_ns;
	if (e->tick != pkt_tick())
		return false;
	if (!e->is_exact && (!e->only_udp || (e->hits + 1) % DROP_CACHE_CHECK))
		return true;
	return e->until_ns > bpf_ktime_get_ns();
}

/* The entry that says of the packet, whatever else is in it, that it is dropped; or NULL. */
static __always_inline struct drop_cache_entry *drop_cache_find(struct drop_glance *g, void *data,
								void *end)
{
	struct drop_cache_entry *e;

	if (!drop_glance_source(g, data, end))
		return NULL;
	e = drop_cache_slot(g->source);
	if (!e || e->source != g->source || e->is_v6 != g->is_v6)
		return NULL;
	if (e->generation != drop_cache_generation() || !drop_cache_holds(e) ||
	    !drop_glance_shape(g, end) || g->bytes < e->min_bytes)
		return NULL;
	return e->only_udp && g->proto != PROTO_UDP ? NULL : e;
}

static __always_inline __u64 drop_cache_source(const struct pkt_facts *p)
{
	__u32 high = p->flags & PKT_IPV6 ? p->source.w[0] : p->source.w[2];
	__u32 low = p->flags & PKT_IPV6 ? p->source.w[1] : p->source.w[3];

	return (__u64)high << 32 | low;
}

static __always_inline bool drop_cache_is_over(const struct drop_cache_entry *e)
{
	return clock_injected ? e->until_ns <= *(volatile __u64 *)&test_now_ns
			      : e->tick != pkt_tick();
}

/* May an entry of the source be written? Not at once in the place of another source's that is in use. */
static __always_inline bool drop_cache_has_room(__u64 source, bool is_v6, __u32 generation)
{
	struct drop_cache_entry *e = drop_cache_slot(source);

	if (!e)
		return false;
	if ((e->source == source && e->is_v6 == is_v6) || e->generation != generation ||
	    drop_cache_is_over(e) || !e->tenure)
		return true;
	e->tenure--;
	return false;
}
