/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The packet path under test: the programs of one hook, loaded with maps of their own (nothing is
 * pinned), a clock that stands still unless told, and a ring of PLANE_RING slots per vip.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/source_table.h"
#include "packet.h"
#include "sluice/abi/client.h"
#include "sluice/abi/drop_cache.h"
#include "sluice/abi/drop_reason.h"
#include "sluice/abi/event.h"
#include "sluice/abi/stats.h"
#include "sluice/abi/verdict.h"
#include "sluice/abi/vip.h"
#include "sluice/abi/vip_flow.h"

#define PLANE_RING 65537
#define PLANE_VIPS 4
/* Flows that can be noted, and of a vip in a second. */
#define PLANE_FLOWS	  512
#define PLANE_SYNS_PER_S  100
#define PLANE_NOTES_PER_S 200
#define PLANE_CLASSES	  128 /* limit classes that have rows */
#define PLANE_ROW_BITS	  8
#define PLANE_LOOPBACK	  1 /* where BPF_PROG_TEST_RUN says that packets come from */
#define PLANE_ELSEWHERE	  99
#define PLANE_CPUS_MAX	  256
#define PLANE_SECOND	  1000000000ULL
#define PLANE_NAT_CPUS	  7936 /* of which each has four ports */
#define PLANE_NAT_USUAL	  124  /* and of these 256 */
/* Planted bugs: below it those of the way in, from it on those of the way out; 0: as it ships. */
#define PLANE_PLANTED_EGRESS 20

/* The hooks of the way in have the same tests (plane_case.h); egress has its own. */
enum plane_hook { PLANE_XDP, PLANE_TC, PLANE_HOOKS, PLANE_EGRESS = PLANE_HOOKS };
enum plane_action { PLANE_PASS, PLANE_DROP, PLANE_TX, PLANE_REDIRECT };

struct plane_settings {
	bool unknown_l4_drop;
	uint32_t events_per_s;
	uint32_t too_big_per_s; /* 0: what is too big gets no answer */
	uint32_t echo_per_s;	/* 0: nor does an echo request to a vip */
	uint32_t nat_cpus;	/* that share the ports of translated flows; 0: as usual */
	bool real_clock;
	bool no_top;	 /* it samples every packet at first, and those go past the drop cache */
	bool no_cookies; /* a kernel without the helpers for SYN cookies */
	uint32_t max_clients; /* 0: 4096 */
	uint32_t planted;     /* a bug of planted.bpf.c, PLANE_XDP only, or planted_egress.bpf.c */
};

/* Has the kernel ciphers for programs? The programs are loaded with them where it has. */
bool plane_encrypts(void);

struct plane {
	enum plane_hook hook;
	bool planted;
	void *skeleton;
	struct bpf_object *object;
	int prog_fd;
	volatile __u64 *now_ns;
	volatile __u64 *random;		/* where its random numbers go on from */
	volatile __u64 *guard_until_ns; /* of the way in: what bpf/stage/guard_switch.h keeps */
	volatile __u64 *echo_tat, *too_big_tat; /* and the rates of its own answers */
	struct source_table *sources;
	struct source_group_prefix groups[8]; /* the group of a class is its id */
	size_t n_groups;
	uint8_t vip_class[PLANE_VIPS]; /* the service of a vip is its id */
};

/* What is said of merged packets (TC only). */
struct plane_gso {
	uint32_t segments;
	uint32_t payload_bytes; /* of one */
};

extern const char *const plane_hook_name[PLANE_HOOKS + 1];

void plane_open(struct plane *p, enum plane_hook hook, const struct plane_settings *settings);
void plane_close(struct plane *p);
/* The way out of a host whose way in is `in`: it has its maps, and its policy is set there. */
void plane_open_egress(struct plane *p, struct plane *in, const struct plane_settings *settings);
/* Run it once; out may be NULL, or is the packet as it leaves. */
enum plane_action plane_run(struct plane *p, const struct packet *in, struct packet *out);
enum plane_action plane_run_gso(struct plane *p, const struct packet *in,
				const struct plane_gso *gso);
enum plane_action plane_run_spec(struct plane *p, const struct packet_spec *spec);
/* Run it many times, in one call; returns how many were not dropped. */
uint64_t plane_run_many(struct plane *p, const struct packet *in, uint32_t times);

int plane_map(const struct plane *p, const char *name);
/* Call after writing a map of policy in another way than below, as the agent does. */
void plane_changed(const struct plane *p);
/* As the agent tells packets whether they need to ask for verdicts. */
void plane_no_verdicts(const struct plane *p, bool none);
/* Per-CPU counters, summed. */
void plane_sum(const struct plane *p, const char *map, uint32_t index, void *ret, size_t bytes);
struct stats_count plane_drops(const struct plane *p, enum drop_reason reason);
struct stats_count plane_actions(const struct plane *p, enum stats_action action);

/* Policy, as the agent writes it. */
void plane_acl(struct plane *p, enum source_list list, const char *address, uint32_t len_bits);
void plane_acl_remove(struct plane *p, enum source_list list, const char *address,
		      uint32_t len_bits);
/* Limit a prefix by a class; a vip's class comes before it. */
void plane_limit_prefix(struct plane *p, const char *address, uint32_t len_bits, uint32_t id);
void plane_limit(struct plane *p, uint32_t id, enum limit_unit unit, uint64_t per_s, uint64_t burst,
		 bool dry_run);
void plane_limit_total(struct plane *p, uint32_t id, enum limit_unit unit, uint64_t per_s,
		       uint64_t burst);
void plane_limit_per_prefix(struct plane *p, uint32_t id);
void plane_limit_kind(struct plane *p, enum limit_kind kind, uint32_t id);
/* Change map limit_state: what the pointer shows is written back by plane_limit_state_set. */
void plane_limit_state(struct plane *p, struct limit_state *ret);
void plane_limit_state_set(struct plane *p, const struct limit_state *state);
/* The limit_set entry of a class's group (0: of no group), for what plane_limit_prefix cannot say. */
void plane_limit_set(struct plane *p, uint32_t group, uint32_t service, const uint8_t classes[3]);
/* The source is real: its meters in the class are its own from now on, full. */
void plane_prove(struct plane *p, const char *source, uint32_t id);
bool plane_is_proven(const struct plane *p, const char *source, uint32_t id);
/* The word that decides for the source: its own, or the less used of its two cells. */
uint64_t plane_meter(const struct plane *p, const char *source, uint32_t id, enum limit_unit unit);
void plane_verdict(struct plane *p, const char *address, uint32_t len_bits, uint8_t action,
		   uint64_t until_ns);
void plane_verdict_remove(struct plane *p, const char *address, uint32_t len_bits);
uint64_t plane_verdict_hits(const struct plane *p, const void *verdict_key);
/* As if no packet had left anything in the drop cache. */
void plane_cache_empty(const struct plane *p);
/* Packets that entries of the drop cache have answered, as far as they remember. */
uint64_t plane_cache_hits(const struct plane *p);
void plane_verdict_flow(struct plane *p, const struct flow_key *flow, uint8_t action,
			uint64_t until_ns);
/* With the hits of which it was not told yet, which the next function counts alone. */
uint64_t plane_verdict_drops(const struct plane *p, const char *address, uint32_t len_bits);

/* Balancing. A vip id doubles as its place among the rings. */
void plane_vip(struct plane *p, uint32_t id, const char *address, uint16_t port, uint8_t proto,
	       uint32_t limit_class);
/* A record of map vip_wide: which vips have which ports, and which one the fragments; 0: none. */
struct plane_span {
	uint16_t first, last;
	uint32_t id; /* of a vip made by plane_vip_record; 0: the host's */
};
void plane_vip_record(struct plane *p, uint32_t id, uint8_t proto);
void plane_vip_wide(struct plane *p, const char *address, uint32_t len_bits, uint8_t proto,
		    const struct plane_span *spans, uint32_t n, uint32_t fragments);
/* Fragments to the address go to the vip of plane_vip with that port. */
void plane_vip_fragments(struct plane *p, const char *address, uint16_t port, uint8_t proto);
void plane_backend(struct plane *p, uint32_t id, uint32_t ifindex, uint16_t mtu);
/* Fill the vip's ring with backends first..first+n-1 of equal weight. */
void plane_ring(struct plane *p, uint32_t vip, uint32_t first, uint32_t n);
