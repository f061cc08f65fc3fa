/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Maps that no program of a hook declares: shared memory of the agent that outlives it, and sockets'. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

#include "sluice/abi/layout.h"
#include "sluice/abi/limit_concurrent.h"
#include "sluice/abi/meter.h"
#include "sluice/abi/presence.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, METERS_MAX_DEFAULT);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} meters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, METERS_MAX_DEFAULT);
	__type(key, struct meter_slot_key);
	__type(value, struct meter_slot);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} meter_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PRESENCE_WORKERS_MAX);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct presence_region);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} presence SEC(".maps");

/* Here although bpf/limit_concurrent.bpf.c uses it: it is there before, and outlives, that program. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct limit_concurrent_place);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} limit_concurrent_sk SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct layout);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} layout SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LAYOUT_MAPS_MAX);
	__type(key, struct layout_name);
	__type(value, struct layout_map);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} layout_maps SEC(".maps");

char _license[] SEC("license") = "Dual BSD/GPL";
