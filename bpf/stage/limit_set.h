/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which limit classes a packet meets: by its source's group and its service, and by its kind. */
#pragma once

#include "../lib/proto.h"
#include "../pipeline.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 256);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct limit_set);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} limit_set SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct limit_state);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} limit_state SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LIMIT_PORT_TABLES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct limit_ports);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} limit_port SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct limit_amplifier);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} limit_amplifier SEC(".maps");

/* Fragments and errors have no destination port of their own: they meet the services of port 0. */
static __always_inline __u32 limit_service(const struct pkt *p, const struct limit_state *state)
{
	__u32 map = p->proto == PROTO_TCP ? LIMIT_PORT_TCP : LIMIT_PORT_UDP, port = 0;
	struct limit_ports *ports;

	if (p->vip_id)
		return p->service;
	if (!state->has_ports || (p->proto != PROTO_TCP && p->proto != PROTO_UDP))
		return 0;
	if (!(p->flags & (PKT_FRAGMENT | PKT_QUOTES)))
		port = bpf_ntohs(p->flow.dport);
	barrier_var(port); /* 16 bits, but older verifiers learn nothing from a byte swap */
	ports = bpf_map_lookup_elem(&limit_port, &map);
	return ports ? ports->service[port & 0xffff] : 0;
}

static __always_inline bool limit_is_amplified(const struct pkt *p)
{
	__u32 zero = 0, port = bpf_ntohs(p->flow.sport);
	struct limit_amplifier *set;

	if (p->proto != PROTO_UDP || (p->flags & PKT_FRAGMENT))
		return false;
	set = bpf_map_lookup_elem(&limit_amplifier, &zero);
	barrier_var(port); /* as in limit_service */
	return set && (set->port[port >> 6 & 1023] >> (port & 63) & 1);
}

static __always_inline __u32 limit_kind_class(const struct pkt *p, const struct limit_state *state)
{
	__u8 amplified = state->kind_class[LIMIT_KIND_AMPLIFICATION];

	if (p->kind != LIMIT_KIND_NONE)
		return state->kind_class[p->kind & 7];
	return amplified && limit_is_amplified(p) ? amplified : LIMIT_CLASS_NONE;
}

/* Note the classes of a service in p->limit; how many. */
static __always_inline __u32 limit_set_note(struct pkt *p, __u32 service)
{
	__u32 group = p->group, i, n = 0;
	struct limit_set *set = bpf_map_lookup_elem(&limit_set, &group);
	struct limit_set_entry *entry;

	if (!set)
		return 0;
	entry = &set->service[service & (LIMIT_SERVICES - 1)];
#pragma unroll
	for (i = 0; i < LIMIT_SET_CLASSES; i++) {
		__u8 id = *(volatile __u8 *)&entry->limit_class[i];

		p->limit[LIMIT_SCOPE_SET + i].limit_class = id;
		n += id != 0;
	}
	return n;
}

/* Note the classes in p->limit; how many. */
static __always_inline __u32 limit_set_find(struct pkt *p)
{
	__u32 zero = 0;
	struct limit_state *state = bpf_map_lookup_elem(&limit_state, &zero);
	__u8 id;

	if (!state)
		return 0;
	id = limit_kind_class(p, state);
	p->limit[LIMIT_SCOPE_KIND].limit_class = id;
	return limit_set_note(p, limit_service(p, state)) + (id != 0);
}
