/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The record of a source, shared by acl, verdict and limit so that they cost one miss together.
 *
 * Races that are accepted:
 *   - two CPUs create a record: one wins, the other's is not inserted, both use the winner's.
 *   - a CPU reads policy while another rewrites it: one packet may meet a mixture of the old and the
 *     new. Rewriting itself is claimed by one CPU at a time, the epoch goes in last, and it is read
 *     before the policy it stands for: an old answer never stays under a new epoch.
 *   - no room for a record (the kernel's LRU is out of free entries): the policy holds for the
 *     packet, its limits do not.
 *   - dropped_packets loses some additions of CPUs that write at the same time.
 */
#pragma once

#include "lib/address.h"
#include "pipeline.h"
#include "sluice/abi/verdict.h"

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 262144);
	__type(key, struct client_key);
	__type(value, struct client);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} clients SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct epochs);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} epochs SEC(".maps");

/* What the stages look up for a record; each is defined by the stage that owns the maps. */
static void acl_refresh(const struct client_key *key, struct client_policy *ret);
static void verdict_refresh(const struct client_key *key, __u64 now_ns, struct client_policy *ret);
static void limit_refresh(const struct client_key *key, struct client_policy *ret);

/* A source that is not IPv4 counts by its /64. */
static __always_inline void client_unit(const struct pkt *p, struct addr *ret)
{
	*ret = p->source;
	if (p->flags & PKT_IPV6) {
		ret->w[2] = 0;
		ret->w[3] = 0;
	}
}

/* The prefix to ask the lists for: the unit, so that the answer holds for all of the record. */
static __always_inline void client_prefix(const struct client_key *key, struct prefix *ret)
{
	ret->len_bits = address_is_mapped(&key->source) ? ADDR_V4_BITS + CLIENT_UNIT_BITS_V4
							: CLIENT_UNIT_BITS_V6;
	ret->addr = key->source;
}

/* What a record is made of: no policy yet, under an epoch that never is. */
static const struct client client_new = { .epoch = CLIENT_EPOCH_NONE };

static __always_inline struct client *client_make(const struct client_key *key)
{
	struct client *c = bpf_map_lookup_elem(&clients, key);

	if (c)
		return c;
	bpf_map_update_elem(&clients, key, &client_new, BPF_NOEXIST);
	return bpf_map_lookup_elem(&clients, key);
}

static __always_inline void client_write(struct client *c, const struct client_policy *policy,
					 __u32 epoch)
{
	c->verdict_until_ns = policy->verdict_until_ns;
	c->limit_class = policy->limit_class;
	c->acl = policy->acl;
	c->verdict_action = policy->verdict_action;
	c->verdict_reason = policy->verdict_reason;
	c->flow_verdicts = policy->flow_verdicts;
	barrier();
	*(volatile __u32 *)&c->epoch = epoch;
}

/*
 * Look the policy up and leave it in the record, which is made if there is none. Not inlined: it is
 * rare and large. Returns 0.
 */
static __noinline int client_refresh(const struct client_key *key, const struct epochs *e,
				     __u64 now_ns, struct client_policy *ret)
{
	__u32 bucket = client_epoch_bucket(&key->source);
	struct client_policy policy = {};
	struct client *c;
	__u32 epoch;

	epoch = *(volatile __u32 *)&e->all +
		*(volatile __u32 *)&e->source[bucket & (CLIENT_EPOCH_BUCKETS - 1)];
	/* Orders the epoch before what is looked up, also where the CPU would not. */
	__sync_val_compare_and_swap(&policy.barrier, 0, 0);
	acl_refresh(key, &policy);
	verdict_refresh(key, now_ns, &policy);
	limit_refresh(key, &policy);
	*ret = policy;

	c = client_make(key);
	if (!c)
		return 0;
	if (__sync_val_compare_and_swap(&c->refreshing, 0, 1) == 0) {
		client_write(c, &policy, epoch);
		barrier();
		*(volatile __u32 *)&c->refreshing = 0;
	}
	return 0;
}

/* Find or make the packet's record and its policy, as of now. */
static __always_inline enum stage_result client_find(struct pkt *p)
{
	struct client_key key = {};
	struct client *c;
	struct epochs *e;
	__u32 zero = 0, epoch;

	e = bpf_map_lookup_elem(&epochs, &zero);
	if (!e)
		return drop(p, DROP_INTERNAL);
	client_unit(p, &key.source);
	epoch = *(volatile __u32 *)&e->all +
		*(volatile __u32 *)&e->source[client_epoch_bucket(&key.source)];
	c = bpf_map_lookup_elem(&clients, &key);
	if (c && *(volatile __u32 *)&c->epoch == epoch) {
		p->policy.verdict_until_ns = c->verdict_until_ns;
		p->policy.limit_class = c->limit_class;
		p->policy.acl = c->acl;
		p->policy.verdict_action = c->verdict_action;
		p->policy.verdict_reason = c->verdict_reason;
		p->policy.flow_verdicts = c->flow_verdicts;
	}
	/* An expired verdict may have hidden a weaker one that is still in force. */
	if (!c || *(volatile __u32 *)&c->epoch != epoch ||
	    (p->policy.verdict_action != VERDICT_NONE &&
	     p->policy.verdict_until_ns <= pkt_now(p))) {
		struct client_policy policy = {};

		client_refresh(&key, e, pkt_now(p), &policy);
		p->policy = policy;
		c = bpf_map_lookup_elem(&clients, &key);
	}
	p->client = c;
	return STAGE_NEXT;
}

/* A drop for any reason, on the account of its source. */
static __always_inline void client_count_drop(struct pkt *p)
{
	if (p->client)
		p->client->dropped_packets += p->packets;
}

/* The record of the source for the limits of one class of vips: only its meters count. */
static __always_inline struct client *client_scope(const struct pkt *p, __u32 scope)
{
	struct client_key key = { .scope = scope };

	client_unit(p, &key.source);
	return client_make(&key);
}
