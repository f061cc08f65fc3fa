/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What this host's own health checks send to a vip, on its way to the one backend that the mark names:
 * in the outer headers that clients' packets get (stage/encap.h), or by its hardware address. The
 * kernel routes what has outer headers; no router was passed, so the inner TTL stays.
 */
#include "pipeline.h"
#include "lib/frame_tc.h"
#include "lib/address.h"
#include "stage/encap.h"
#include "sluice/abi/probe.h"

/* enum bpf_ret_code and enum bpf_lwt_encap_mode (include/uapi/linux/bpf.h). */
#define LWT_DROP     2
#define LWT_REROUTE  128
#define LWT_ENCAP_IP 2

/* The pinned one: the agent puts it here. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct backend);
} backends SEC(".maps");

static __always_inline bool probe_read(struct __sk_buff *skb, struct encap_inner *ret)
{
	void *at = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;

	ret->bytes = skb->len;
	ret->v6 = skb->protocol == bpf_htons(ETHER_IPV6);
	if (at + (ret->v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)) > end)
		return false;
	if (ret->v6)
		encap_read_v6(at, ret);
	else
		encap_read_v4(at, ret);
	return true;
}

static __always_inline int probe_push(struct __sk_buff *skb, const struct backend *b)
{
	struct pkt_facts p = { .flow_bits = (__u16)bpf_get_hash_recalc(skb) };
	struct encap_inner inner = {};
	struct frame_outer o = {};
	__u32 udp_bytes = b->mode == BACKEND_GUE ? BACKEND_OUTER_UDP : 0;
	long err = -1;

	if (!probe_read(skb, &inner))
		return LWT_DROP;
	if (!address_is_mapped(&b->addr)) {
		encap_v6_make(&o.v6_udp, &p, b, &inner);
		err = bpf_lwt_push_encap(skb, LWT_ENCAP_IP, &o.v6_udp,
					 BACKEND_OUTER_V6 + udp_bytes);
	} else if (!inner.v6) {
		encap_v4_make(&o.v4, &p, b, &inner);
		err = bpf_lwt_push_encap(skb, LWT_ENCAP_IP, &o.v4, BACKEND_OUTER_V4 + udp_bytes);
	}
	return err ? LWT_DROP : LWT_REROUTE;
}

static __always_inline int probe_forward(struct __sk_buff *skb, const struct backend *b)
{
	struct ethhdr eth = { .h_proto = (__be16)skb->protocol };

	__builtin_memcpy(eth.h_dest, b->dst_mac, sizeof(eth.h_dest));
	__builtin_memcpy(eth.h_source, b->src_mac, sizeof(eth.h_source));
	if (bpf_skb_change_head(skb, sizeof(eth), 0) ||
	    bpf_skb_store_bytes(skb, 0, &eth, sizeof(eth), 0))
		return LWT_DROP;
	return (int)bpf_redirect(b->ifindex, 0);
}

SEC("lwt_xmit")
int lwt_probe(struct __sk_buff *skb)
{
	__u32 id = skb->mark & ~PROBE_MARK_MASK;
	const struct backend *b = bpf_map_lookup_elem(&backends, &id);

	if (!b || !(b->flags & BACKEND_READY))
		return LWT_DROP;
	skb->mark = 0; /* else the route to the backend would be this one again */
	if (b->mode == BACKEND_L2)
		return probe_forward(skb, b);
	return b->mode == BACKEND_NAT ? LWT_DROP : probe_push(skb, b);
}

char _license[] SEC("license") = "Dual BSD/GPL";
