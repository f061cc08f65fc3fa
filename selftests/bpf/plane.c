/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "plane.h"
#include "sluice/algo/maglev.h"
#include "sluice/algo/siphash.h"
#include "sluice/algo/gcra_rate.h"

const char *const plane_hook_name[PLANE_HOOKS + 1] = { "xdp", "tc", "egress" };

static enum plane_action action_of(enum plane_hook hook, uint32_t returned)
{
	/* XDP_DROP.. XDP_REDIRECT; TC_ACT_UNSPEC, TC_ACT_SHOT, TC_ACT_REDIRECT. */
	static const struct {
		uint32_t returned;
		enum plane_action action;
	} known[PLANE_HOOKS + 1][4] = {
		{ { 1, PLANE_DROP }, { 2, PLANE_PASS }, { 3, PLANE_TX }, { 4, PLANE_REDIRECT } },
		{ { 2, PLANE_DROP }, { (uint32_t)-1, PLANE_PASS }, { 7, PLANE_REDIRECT } },
		{ { 2, PLANE_DROP }, { (uint32_t)-1, PLANE_PASS } },
	};
	size_t i;

	for (i = 0; i < 4; i++) {
		if (known[hook][i].returned == returned)
			return known[hook][i].action;
	}
	fail_msg("the %s program returned %u", plane_hook_name[hook], returned);
	return PLANE_DROP;
}

static enum plane_action run(struct plane *p, const struct packet *in, struct packet *out,
			     const struct plane_gso *gso)
{
	struct __sk_buff skb = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in->bytes, .data_size_in = in->len,
		    .repeat = 1);

	if (out) {
		opts.data_out = out->bytes;
		opts.data_size_out = sizeof(out->bytes);
	}
	if (gso) {
		skb.gso_segs = gso->segments;
		skb.gso_size = gso->payload_bytes;
		opts.ctx_in = &skb;
		opts.ctx_size_in = sizeof(skb);
	}
	assert_int_equal(bpf_prog_test_run_opts(p->prog_fd, &opts), 0);
	if (out)
		out->len = opts.data_size_out;
	return action_of(p->hook, opts.retval);
}

enum plane_action plane_run(struct plane *p, const struct packet *in, struct packet *out)
{
	return run(p, in, out, NULL);
}

enum plane_action plane_run_gso(struct plane *p, const struct packet *in,
				const struct plane_gso *gso)
{
	return run(p, in, NULL, gso);
}

enum plane_action plane_run_spec(struct plane *p, const struct packet_spec *spec)
{
	struct packet packet;

	packet_build(spec, &packet);
	return plane_run(p, &packet, NULL);
}

uint64_t plane_run_many(struct plane *p, const struct packet *in, uint32_t times)
{
	struct stats_count before = plane_actions(p, STATS_DROP);
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in->bytes, .data_size_in = in->len,
		    .repeat = (int)times);

	assert_int_equal(bpf_prog_test_run_opts(p->prog_fd, &opts), 0);
	return times - (plane_actions(p, STATS_DROP).packets - before.packets);
}

int plane_map(const struct plane *p, const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(p->object, name);

	assert_true(fd >= 0);
	return fd;
}

void plane_sum(const struct plane *p, const char *map, uint32_t index, void *ret, size_t bytes)
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t *values, *sum = ret;
	size_t words = bytes / 8, i;
	int cpu;

	assert_int_equal(bytes % 8, 0);
	if (cpus < 1)
		fail_msg("no CPUs: %d", cpus);
	values = calloc((size_t)(cpus < 1 ? 1 : cpus), bytes);
	assert_non_null(values);
	assert_int_equal(bpf_map_lookup_elem(plane_map(p, map), &index, values), 0);
	memset(ret, 0, bytes);
	for (cpu = 0; cpu < cpus; cpu++) {
		for (i = 0; i < words; i++)
			sum[i] += values[(size_t)cpu * words + i];
	}
	free(values);
}

struct stats_count plane_drops(const struct plane *p, enum drop_reason reason)
{
	struct stats_count count;

	plane_sum(p, "stats_drop", reason, &count, sizeof(count));
	return count;
}

struct stats_count plane_actions(const struct plane *p, enum stats_action action)
{
	struct stats_count count;

	plane_sum(p, "stats_action", action, &count, sizeof(count));
	return count;
}

static void set(const struct plane *p, const char *map, const void *key, const void *value)
{
	assert_int_equal(bpf_map_update_elem(plane_map(p, map), key, value, BPF_ANY), 0);
	if (p->hook != PLANE_EGRESS)
		plane_changed(p);
}

static void get(const struct plane *p, const char *map, const void *key, void *value)
{
	assert_int_equal(bpf_map_lookup_elem(plane_map(p, map), key, value), 0);
}

/* IPv4 lengths are given as people say them. */
static struct prefix prefix_of(const char *address, uint32_t len_bits)
{
	struct prefix prefix = { .addr = packet_addr(address) };

	prefix.len_bits = strchr(address, ':') ? len_bits : ADDR_V4_BITS + len_bits;
	return prefix;
}

void plane_acl(struct plane *p, enum source_list list, const char *address, uint32_t len_bits)
{
	struct prefix prefix = prefix_of(address, len_bits);

	assert_int_equal(source_table_add(p->sources, list, &prefix), 0);
	plane_changed(p);
}

void plane_acl_remove(struct plane *p, enum source_list list, const char *address,
		      uint32_t len_bits)
{
	struct prefix prefix = prefix_of(address, len_bits);

	assert_int_equal(source_table_del(p->sources, list, &prefix), 0);
	plane_changed(p);
}

void plane_limit_set(struct plane *p, uint32_t group, uint32_t service, const uint8_t classes[3])
{
	static struct limit_set row;

	get(p, "limit_set", &group, &row);
	memcpy(row.service[service].limit_class, classes, 3);
	set(p, "limit_set", &group, &row);
}

/* Every vip's class before that of every group, and of no group. */
static void write_sets(struct plane *p)
{
	uint32_t i, vip;

	for (i = 0; i <= p->n_groups; i++) {
		uint8_t id = i < p->n_groups ? p->groups[i].group : 0;

		plane_limit_set(p, id, 0, (const uint8_t[]) { id, 0, 0 });
		for (vip = 1; vip < PLANE_VIPS; vip++)
			plane_limit_set(p, id, vip, (const uint8_t[]) { p->vip_class[vip], id, 0 });
	}
}

void plane_limit_prefix(struct plane *p, const char *address, uint32_t len_bits, uint32_t id)
{
	struct errmsg err;

	assert_true(p->n_groups < sizeof(p->groups) / sizeof(p->groups[0]));
	p->groups[p->n_groups++] =
		(struct source_group_prefix) { prefix_of(address, len_bits), (uint8_t)id };
	write_sets(p);
	assert_int_equal(source_table_set_groups(p->sources, p->groups, p->n_groups), 0);
	assert_int_equal(source_table_apply(p->sources, &err), 0);
	plane_changed(p);
}

static struct limit_rates *change_class(struct plane *p, uint32_t id, struct limit_class *class)
{
	struct limit_rates *idle;

	get(p, "limit_class", &id, class);
	assert_true(id < PLANE_CLASSES);
	class->row_bits = PLANE_ROW_BITS;
	class->row_first = id * 2 << PLANE_ROW_BITS;
	idle = &class->rates[!class->active];
	*idle = class->rates[class->active];
	class->active = !class->active;
	return idle;
}

void plane_limit(struct plane *p, uint32_t id, enum limit_unit unit, uint64_t per_s, uint64_t burst,
		 bool dry_run)
{
	struct limit_class class;
	struct limit_rates *rates = change_class(p, id, &class);

	assert_int_equal(gcra_rate_set(&rates->unit[unit], per_s, PLANE_SECOND, burst), 0);
	rates->flags &= ~(__u32)LIMIT_DRY_RUN;
	rates->flags |= dry_run ? LIMIT_DRY_RUN : 0;
	set(p, "limit_class", &id, &class);
}

void plane_limit_total(struct plane *p, uint32_t id, enum limit_unit unit, uint64_t per_s,
		       uint64_t burst)
{
	struct limit_class class;
	struct limit_rates *rates = change_class(p, id, &class);

	assert_int_equal(gcra_rate_set(&rates->total[unit], per_s, PLANE_SECOND, burst), 0);
	rates->flags |= LIMIT_HAS_TOTAL;
	set(p, "limit_class", &id, &class);
}

void plane_limit_per_prefix(struct plane *p, uint32_t id)
{
	struct limit_class class;

	change_class(p, id, &class)->flags |= LIMIT_PER_PREFIX;
	set(p, "limit_class", &id, &class);
}

void plane_limit_kind(struct plane *p, enum limit_kind kind, uint32_t id)
{
	struct limit_state state;

	plane_limit_state(p, &state);
	state.kind_class[kind] = (uint8_t)id;
	plane_limit_state_set(p, &state);
}

void plane_limit_state(struct plane *p, struct limit_state *ret)
{
	get(p, "limit_state", &(uint32_t) { 0 }, ret);
}

void plane_limit_state_set(struct plane *p, const struct limit_state *state)
{
	set(p, "limit_state", &(uint32_t) { 0 }, state);
}

void plane_prove(struct plane *p, const char *source, uint32_t id)
{
	struct client_key key = { .source = packet_addr(source), .limit_class = id };
	struct client c = { .proof = CLIENT_PROVEN_AGENT };

	if (strchr(source, ':'))
		key.source.w[2] = key.source.w[3] = 0;
	set(p, "clients", &key, &c);
}

bool plane_is_proven(const struct plane *p, const char *source, uint32_t id)
{
	struct client_key key = { .source = packet_addr(source), .limit_class = id };
	struct client c;

	if (strchr(source, ':'))
		key.source.w[2] = key.source.w[3] = 0;
	return bpf_map_lookup_elem(plane_map(p, "clients"), &key, &c) == 0;
}

static uint64_t cell(const struct plane *p, const struct limit_state *state, uint32_t id,
		     uint32_t row, const struct addr *a, enum limit_unit unit)
{
	bool v4 = a->w[2] == __builtin_bswap32(0xffff);
	struct limit_meters m;
	uint32_t at = limit_row_hash(&state->key[state->active_key & 1], row,
				     v4 ? a->w[2] : a->w[0], v4 ? a->w[3] : a->w[1]);

	at = (id * 2 << PLANE_ROW_BITS) + (row << PLANE_ROW_BITS) + (at >> (32 - PLANE_ROW_BITS));
	get(p, "limit_rows", &at, &m);
	return m.tat[unit];
}

uint64_t plane_meter(const struct plane *p, const char *source, uint32_t id, enum limit_unit unit)
{
	struct client_key key = { .source = packet_addr(source), .limit_class = id };
	struct limit_state state;
	uint64_t a, b;
	struct client c;

	if (strchr(source, ':'))
		key.source.w[2] = key.source.w[3] = 0;
	if (bpf_map_lookup_elem(plane_map(p, "clients"), &key, &c) == 0)
		return c.meters.tat[unit];
	get(p, "limit_state", &(uint32_t) { 0 }, &state);
	a = cell(p, &state, id, 0, &key.source, unit);
	b = cell(p, &state, id, 1, &key.source, unit);
	return gcra_before(a, b) ? a : b;
}

static void mark_filter(struct plane *p, const struct addr *a, uint8_t bit)
{
	static struct verdict_filter filter;
	uint32_t zero = 0;

	get(p, "verdict_filter", &zero, &filter);
	filter.bucket[verdict_filter_bucket(a)] |= bit;
	set(p, "verdict_filter", &zero, &filter);
}

void plane_verdict(struct plane *p, const char *address, uint32_t len_bits, uint8_t action,
		   uint64_t until_ns)
{
	struct prefix key = prefix_of(address, len_bits);
	struct verdict v = { .until_ns = until_ns, .action = action };

	mark_filter(p, &key.addr, VERDICT_FILTER_SOURCE);
	set(p, "verdict_source", &key, &v);
}

void plane_verdict_remove(struct plane *p, const char *address, uint32_t len_bits)
{
	struct prefix key = prefix_of(address, len_bits);

	assert_int_equal(bpf_map_delete_elem(plane_map(p, "verdict_source"), &key), 0);
	plane_changed(p);
}

void plane_verdict_flow(struct plane *p, const struct flow_key *flow, uint8_t action,
			uint64_t until_ns)
{
	struct verdict v = { .until_ns = until_ns, .action = action };

	mark_filter(p, &flow->src, VERDICT_FILTER_FLOW);
	set(p, "verdict_flow", flow, &v);
}

uint64_t plane_verdict_drops(const struct plane *p, const char *address, uint32_t len_bits)
{
	struct prefix key = prefix_of(address, len_bits);
	struct verdict v;

	get(p, "verdict_source", &key, &v);
	return v.dropped_packets + plane_verdict_hits(p, &key);
}

void plane_vip(struct plane *p, uint32_t id, const char *address, uint16_t port, uint8_t proto,
	       uint32_t limit_class)
{
	struct vip_key key = { .addr = packet_addr(address),
			       .port = __builtin_bswap16(port),
			       .proto = proto };
	struct vip vip = { .id = id,
			   .ring_size = PLANE_RING,
			   .service = (uint16_t)(limit_class ? id : 0),
			   .hash_seed = { 0x0123456789abcdef, 0xfedcba9876543210 } };

	if (limit_class) {
		p->vip_class[id] = (uint8_t)limit_class;
		write_sets(p);
	}
	set(p, "vip_state", &(uint32_t) { 0 }, &(struct vip_state) { 0 });
	set(p, "vips", &key, &vip);
}

/* The key of a wide vip's record: any will do that no packet has. */
static struct vip_key wide_key(uint32_t id, uint8_t proto)
{
	return (struct vip_key) { .addr.w[3] = id, .proto = proto, .wide = 1 };
}

void plane_vip_record(struct plane *p, uint32_t id, uint8_t proto)
{
	const struct vip_key key = wide_key(id, proto);
	const struct vip vip = { .id = id, .ring_size = PLANE_RING, .hash_seed = { id, 1 } };

	set(p, "vips", &key, &vip);
}

void plane_vip_wide(struct plane *p, const char *address, uint32_t len_bits, uint8_t proto,
		    const struct plane_span *spans, uint32_t n, uint32_t fragments)
{
	const struct vip_wide_key key = { VIP_WIDE_PROTO_BITS + len_bits, proto,
					  packet_addr(address) };
	struct vip_wide wide = { .n = n };
	uint32_t i;

	for (i = 0; i < n; i++) {
		wide.span[i].first = spans[i].first;
		wide.span[i].last = spans[i].last;
		if (spans[i].id)
			wide.span[i].key = wide_key(spans[i].id, proto);
	}
	if (fragments)
		wide.fragments = wide_key(fragments, proto);
	set(p, "vip_state", &(uint32_t) { 0 }, &(struct vip_state) { .has_wide = 1 });
	set(p, "vip_wide", &key, &wide);
}

void plane_vip_fragments(struct plane *p, const char *address, uint16_t port, uint8_t proto)
{
	const struct vip_wide_key key = { VIP_WIDE_PROTO_BITS + 128, proto, packet_addr(address) };
	const struct vip_wide wide = { .fragments = { .addr = packet_addr(address),
						      .port = __builtin_bswap16(port),
						      .proto = proto } };

	set(p, "vip_wide", &key, &wide);
}

void plane_backend(struct plane *p, uint32_t id, uint32_t ifindex, uint16_t mtu)
{
	struct backend b = { .ifindex = ifindex,
			     .mtu = mtu,
			     .flags = BACKEND_READY,
			     .dst_mac = { 0x02, 0xbb, 0, 0, 0, (uint8_t)id },
			     .src_mac = { 0x02, 0xee, 0, 0, 0, (uint8_t)ifindex } };

	set(p, "backends", &id, &b);
}

void plane_ring(struct plane *p, uint32_t vip, uint32_t first, uint32_t n)
{
	static const __u64 key[2] = { 1, 2 };
	static uint32_t ring[PLANE_RING];
	static struct vip_slot slots[PLANE_RING];
	static uint32_t at[PLANE_RING];
	struct maglev_endpoint *endpoints = calloc(n ? n : 1, sizeof(*endpoints));
	uint32_t i, count = PLANE_RING;

	assert_non_null(endpoints);
	for (i = 0; i < n; i++) {
		endpoints[i].id = first + i;
		endpoints[i].weight = 1;
		endpoints[i].hash = siphash24(&endpoints[i].id, 4, key);
	}
	assert_int_equal(maglev_fill(ring, PLANE_RING, endpoints, n), 0);
	free(endpoints);
	for (i = 0; i < PLANE_RING; i++) {
		at[i] = vip * 2 * PLANE_RING + i;
		slots[i].backend = ring[i];
	}
	assert_int_equal(bpf_map_update_batch(plane_map(p, "vip_ring"), at, slots, &count, NULL),
			 0);
}
