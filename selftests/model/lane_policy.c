/* SPDX-License-Identifier: BSD-2-Clause */
/* The model's policy, written to the maps as the agent does, through memory where there is some. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "lane_part.h"
#include "sluice/abi/event.h"
#include "world.h"

void *lane_map_memory(const struct lane *l, const char *name, size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, plane_map(&l->plane, name),
			0);

	if (at == MAP_FAILED)
		abort();
	return at;
}

void lane_unmap(void *memory, size_t bytes)
{
	if (munmap(memory, bytes))
		abort();
}

#define CLASSES_BYTES (MODEL_CLASSES * sizeof(struct limit_class))
#define ROWS_BYTES    (MODEL_CLASSES * MODEL_ROW_CELLS * sizeof(struct limit_meters))
#define PORTS_BYTES   (LIMIT_PORT_TABLES * sizeof(struct limit_ports))
#define SETS_BYTES    (MODEL_CLASSES * sizeof(struct limit_set))
#define RING_BYTES    (MODEL_VIPS * 2ULL * LANE_RING_STRIDE * VIP_RING_ELEMENT_BYTES)

static bool is_lanes(uint32_t planted)
{
	return planted == LANE_PLANTED_YOUNG || planted == LANE_PLANTED_EXPLAIN;
}

void lane_open(struct lane *l, enum plane_hook hook, bool unknown_l4_drop, uint32_t planted)
{
	struct plane_settings settings = { .unknown_l4_drop = unknown_l4_drop,
					   .events_per_s = 100,
					   .nat_cpus = PLANE_NAT_CPUS,
					   .echo_per_s = unknown_l4_drop ? 1000 : 4,
					   .too_big_per_s = unknown_l4_drop ? 4 : 1000,
					   .no_top = unknown_l4_drop,
					   .planted = is_lanes(planted) ? 0 : planted };

	memset(l, 0, sizeof(*l));
	l->planted = planted;
	plane_open(&l->plane, hook, &settings);
	l->model.policy.unknown_l4_drop = unknown_l4_drop;
	l->model.policy.echo_per_s = settings.echo_per_s;
	l->model.policy.too_big_per_s = settings.too_big_per_s;
	l->has_top = !settings.no_top;
	l->cpus = (uint32_t)libbpf_num_possible_cpus();
	l->classes = lane_map_memory(l, "limit_class", CLASSES_BYTES);
	l->rows = lane_map_memory(l, "limit_rows", ROWS_BYTES);
	l->sets = lane_map_memory(l, "limit_set", SETS_BYTES);
	l->state = lane_map_memory(l, "limit_state", sizeof(*l->state));
	l->ports = lane_map_memory(l, "limit_port", PORTS_BYTES);
	l->amplifier = lane_map_memory(l, "limit_amplifier", sizeof(*l->amplifier));
	l->ring = lane_map_memory(l, "vip_ring", RING_BYTES);
	l->filter = lane_map_memory(l, "verdict_filter", sizeof(*l->filter));
	lane_guard_open(l);
	lane_flow_open(l);
	lane_nat_open(l);
	lane_quic_open(l);
	lane_egress_open(l, &settings);
	lane_capture_open(l);
	lane_explain_open(l, &settings);
}

void lane_close(struct lane *l)
{
	lane_unmap(l->classes, CLASSES_BYTES);
	lane_unmap(l->rows, ROWS_BYTES);
	lane_unmap(l->sets, SETS_BYTES);
	lane_unmap(l->state, sizeof(*l->state));
	lane_unmap(l->ports, PORTS_BYTES);
	lane_unmap(l->amplifier, sizeof(*l->amplifier));
	lane_unmap(l->ring, RING_BYTES);
	lane_unmap(l->filter, sizeof(*l->filter));
	lane_guard_close(l);
	lane_flow_close(l);
	lane_nat_close(l);
	lane_quic_close(l);
	lane_egress_close(l);
	lane_capture_close(l);
	lane_explain_close(l);
	plane_close(&l->plane);
}

void lane_put(const struct lane *l, const char *map, const void *key, const void *value)
{
	if (bpf_map_update_elem(plane_map(&l->plane, map), key, value, BPF_ANY))
		abort();
}

void lane_empty(const struct lane *l, const char *map)
{
	int fd = plane_map(&l->plane, map);
	uint8_t key[64];

	while (bpf_map_get_next_key(fd, NULL, key) == 0) {
		if (bpf_map_delete_elem(fd, key))
			abort();
	}
}

static void write_lists(struct lane *l)
{
	const struct model_policy *w = &l->model.policy;
	struct source_group_prefix groups[MODEL_PREFIXES];
	struct errmsg err;
	uint32_t i;

	for (i = 0; i < w->n_group; i++)
		groups[i] = (struct source_group_prefix) { w->group[i].prefix, w->group[i].group };
	if (source_table_set(l->plane.sources, SOURCE_LIST_ALLOW, w->allow, w->n_allow) ||
	    source_table_set(l->plane.sources, SOURCE_LIST_DENY, w->deny, w->n_deny) ||
	    source_table_set_groups(l->plane.sources, groups, w->n_group) ||
	    source_table_apply(l->plane.sources, &err))
		abort();
}

static void write_verdicts(struct lane *l)
{
	const struct model_policy *w = &l->model.policy;
	uint32_t i;

	plane_no_verdicts(&l->plane, false);
	lane_empty(l, "verdict_source");
	lane_empty(l, "verdict_flow");
	for (i = 0; i < w->n_source_verdict; i++) {
		const struct model_source_verdict *v = &w->source_verdict[i];
		struct verdict value = { .until_ns = v->until_ns, .action = v->action };

		/* It will still be told of these. */
		value.dropped_packets =
			v->dropped_packets - plane_verdict_hits(&l->plane, &v->prefix);
		l->filter->bucket[verdict_filter_bucket(&v->prefix.addr)] |= VERDICT_FILTER_SOURCE;
		lane_put(l, "verdict_source", &v->prefix, &value);
	}
	for (i = 0; i < w->n_flow_verdict; i++) {
		const struct model_flow_verdict *v = &w->flow_verdict[i];
		struct verdict value = { .until_ns = v->until_ns,
					 .dropped_packets = v->dropped_packets,
					 .action = v->action };

		l->filter->bucket[verdict_filter_bucket(&v->flow.src)] |= VERDICT_FILTER_FLOW;
		lane_put(l, "verdict_flow", &v->flow, &value);
	}
	plane_no_verdicts(&l->plane, w->n_source_verdict + w->n_flow_verdict == 0);
}

static void write_vips(struct lane *l)
{
	const struct model_policy *w = &l->model.policy;
	uint32_t zero = 0, i;

	lane_empty(l, "vips");
	for (i = 0; i < w->n_vip; i++)
		lane_put(l, "vips", &w->vip_key[i], &w->vip[i]);
	lane_empty(l, "vip_wide");
	for (i = 0; i < w->n_wide; i++)
		lane_put(l, "vip_wide", &w->wide_key[i], &w->wide[i]);
	lane_put(l, "vip_state", &zero,
		 &(struct vip_state) { .is_empty = w->n_vip == 0, .has_wide = w->has_wide });
	for (i = 1; i < MODEL_BACKENDS; i++)
		lane_put(l, "backends", &i, &w->backend[i]);
}

static void write_rings(struct lane *l)
{
	uint32_t vip, ring, slot;

	for (vip = 1; vip < MODEL_VIPS; vip++) {
		for (ring = 0; ring < 2; ring++) {
			for (slot = 0; slot < MODEL_RING; slot++)
				l->ring[(vip * 2 + ring) * LANE_RING_STRIDE + slot] =
					l->model.policy.ring[vip][ring][slot];
		}
	}
}

void lane_write(struct lane *l)
{
	const struct model_state *s = &l->model.state;

	memcpy(l->classes, l->model.policy.class, CLASSES_BYTES);
	memcpy(l->sets, l->model.policy.set, SETS_BYTES);
	*l->state = l->model.policy.state;
	write_verdicts(l);
	write_rings(l);
	write_vips(l);
	lane_quic_write(l);
	lane_guard_write(l);
	lane_egress_write(l);
	lane_nat_write(l);
	lane_capture_write(l);
	for (; l->n_client < s->n_client; l->n_client++)
		lane_put(l, "clients", &s->client[l->n_client].key, &s->client[l->n_client].client);
	plane_changed(&l->plane);
}

static void forget(struct lane *l)
{
	static const struct limit_meters full;
	static const struct event_meter idle;
	uint64_t *never = calloc(l->cpus, 24);
	uint32_t i, zero = 0;

	if (!never)
		abort();
	lane_put(l, "limit_proof", &zero, never);
	free(never);
	memset(&l->model.state, 0, sizeof(l->model.state));
	*l->plane.echo_tat = *l->plane.too_big_tat = 0;
	memset(l->rows, 0, ROWS_BYTES);
	for (i = 0; i < MODEL_CLASSES; i++)
		lane_put(l, "limit_total", &i, &full);
	/* What is to be sampled goes past the drop cache. */
	for (i = 0; i < EVENT_METERS; i++)
		lane_put(l, "event_meter", &i, &idle);
	lane_empty(l, "clients");
	plane_cache_empty(&l->plane);
	*l->plane.random = 1;
	if (l->has_out)
		*l->out.random = 1;
	l->n_client = 0;
	memset(l->filter, 0, sizeof(*l->filter));
	lane_guard_forget(l);
	lane_flow_forget(l);
	lane_nat_forget(l);
	lane_egress_forget(l);
	lane_capture_forget(l);
	lane_top_forget(l);
	lane_read_counters(l, &l->begin);
	l->model.counters = l->begin;
}

void lane_begin(struct lane *l)
{
	forget(l);
	l->carry.id = 0;
	l->n_explain = 0; /* the same packets each time */
	l->captures_seen = l->samples_seen = l->echoed = l->too_big = 0;
	l->nat_errors = l->quic_encrypted = l->nat_moved = l->nat_lost = 0;
	memcpy(l->ports, l->model.policy.ports, PORTS_BYTES);
	*l->amplifier = l->model.policy.amplifier;
	write_lists(l);
	lane_write(l);
}

void lane_change(struct draw *d, struct lane *l, uint64_t now_ns)
{
	uint32_t kind = draw(d, 8), room = l->model.policy.nat.max_flows;

	l->n_client = l->model.state.n_client;
	if (kind < (l->carry.id ? 4U : 2U))
		lane_carry_step(d, l, now_ns);
	else if (kind == 4)
		lane_carry_rows(d, l);
	else
		world_change(d, now_ns, &l->model.policy, &l->model.state);
	if (l->model.policy.nat.max_flows != room)
		lane_nat_resize(l, room);
	lane_write(l);
}
