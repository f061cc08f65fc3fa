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
#include "tc_ingress.skel.h"
#include "xdp_ingress.skel.h"

const char *const plane_hook_name[PLANE_HOOKS] = { "xdp", "tc" };

static void settle_maps(struct bpf_object *object, const struct plane_settings *s)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object)
	{
		assert_int_equal(bpf_map__set_pin_path(map, NULL), 0);
		if (strcmp(bpf_map__name(map), "vip_ring") == 0)
			bpf_map__set_max_entries(map, PLANE_VIPS * 2 * PLANE_RING);
		if (strcmp(bpf_map__name(map), "clients") == 0)
			bpf_map__set_max_entries(map, s->max_clients ? s->max_clients : 4096);
	}
}

/* The two skeletons have the same settings in structs of different names. */
#define SETTLE(skeleton, s)                                                 \
	do {                                                                \
		(skeleton)->rodata->clock_injected = !(s)->real_clock;      \
		(skeleton)->rodata->unknown_l4_drop = (s)->unknown_l4_drop; \
		(skeleton)->rodata->events_per_s = (s)->events_per_s;       \
		(skeleton)->rodata->ring_stride = PLANE_RING;               \
		settle_maps((skeleton)->obj, (s));                          \
	} while (0)

void plane_open(struct plane *p, enum plane_hook hook, const struct plane_settings *settings)
{
	static const struct plane_settings defaults;
	const struct plane_settings *s = settings ? settings : &defaults;

	p->hook = hook;
	if (hook == PLANE_XDP) {
		struct xdp_ingress *xdp = xdp_ingress__open();

		assert_non_null(xdp);
		SETTLE(xdp, s);
		assert_int_equal(xdp_ingress__load(xdp), 0);
		p->skeleton = xdp;
		p->object = xdp->obj;
		p->prog_fd = bpf_program__fd(xdp->progs.xdp_ingress);
		p->now_ns = &xdp->bss->test_now_ns;
	} else {
		struct tc_ingress *tc = tc_ingress__open();

		assert_non_null(tc);
		SETTLE(tc, s);
		assert_int_equal(tc_ingress__load(tc), 0);
		p->skeleton = tc;
		p->object = tc->obj;
		p->prog_fd = bpf_program__fd(tc->progs.tc_ingress);
		p->now_ns = &tc->bss->test_now_ns;
	}
	*p->now_ns = 1000 * PLANE_SECOND;
}

void plane_close(struct plane *p)
{
	if (p->hook == PLANE_XDP)
		xdp_ingress__destroy(p->skeleton);
	else
		tc_ingress__destroy(p->skeleton);
}

static enum plane_action action_of(enum plane_hook hook, uint32_t returned)
{
	/* XDP_DROP.. XDP_REDIRECT; TC_ACT_UNSPEC, TC_ACT_SHOT, TC_ACT_REDIRECT. */
	static const struct {
		uint32_t returned;
		enum plane_action action;
	} known[PLANE_HOOKS][4] = {
		{ { 1, PLANE_DROP }, { 2, PLANE_PASS }, { 3, PLANE_TX }, { 4, PLANE_REDIRECT } },
		{ { 2, PLANE_DROP }, { (uint32_t)-1, PLANE_PASS }, { 7, PLANE_REDIRECT } },
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

void plane_epoch_all(struct plane *p)
{
	static struct epochs epochs;
	uint32_t zero = 0;

	get(p, "epochs", &zero, &epochs);
	epochs.all++;
	set(p, "epochs", &zero, &epochs);
}

void plane_epoch_source(struct plane *p, const char *address)
{
	static struct epochs epochs;
	struct addr a = packet_addr(address);
	uint32_t zero = 0;

	get(p, "epochs", &zero, &epochs);
	epochs.source[client_epoch_bucket(&a)]++;
	set(p, "epochs", &zero, &epochs);
}

void plane_acl(struct plane *p, const char *list, const char *address, uint32_t len_bits)
{
	struct prefix key = prefix_of(address, len_bits);

	set(p, list, &key, &(uint32_t) { 0 });
	plane_epoch_all(p);
}

void plane_acl_remove(struct plane *p, const char *list, const char *address, uint32_t len_bits)
{
	struct prefix key = prefix_of(address, len_bits);

	assert_int_equal(bpf_map_delete_elem(plane_map(p, list), &key), 0);
	plane_epoch_all(p);
}

void plane_limit_prefix(struct plane *p, const char *address, uint32_t len_bits, uint32_t id)
{
	struct prefix key = prefix_of(address, len_bits);

	set(p, "limit_prefix", &key, &id);
	plane_epoch_all(p);
}

void plane_limit(struct plane *p, uint32_t id, enum limit_unit unit, uint64_t per_s, uint64_t burst,
		 bool dry_run)
{
	struct limit_class class;
	struct limit_rates *idle;

	get(p, "limit_class", &id, &class);
	idle = &class.rates[!class.active];
	*idle = class.rates[class.active];
	assert_int_equal(gcra_rate_set(&idle->unit[unit], per_s, PLANE_SECOND, burst), 0);
	idle->dry_run = dry_run;
	class.active = !class.active;
	set(p, "limit_class", &id, &class);
}

void plane_verdict(struct plane *p, const char *address, uint32_t len_bits, uint8_t action,
		   uint64_t until_ns, uint16_t flows)
{
	struct prefix key = prefix_of(address, len_bits);
	struct verdict v = { .until_ns = until_ns, .action = action, .flows = flows };

	set(p, "verdict_source", &key, &v);
	plane_epoch_source(p, address);
}

void plane_verdict_remove(struct plane *p, const char *address, uint32_t len_bits)
{
	struct prefix key = prefix_of(address, len_bits);

	assert_int_equal(bpf_map_delete_elem(plane_map(p, "verdict_source"), &key), 0);
	plane_epoch_source(p, address);
}

void plane_vip(struct plane *p, uint32_t id, const char *address, uint16_t port, uint8_t proto,
	       uint32_t limit_class)
{
	struct vip_key key = { .addr = packet_addr(address),
			       .port = __builtin_bswap16(port),
			       .proto = proto };
	struct vip vip = { .id = id,
			   .ring_size = PLANE_RING,
			   .limit_class = (uint16_t)limit_class,
			   .hash_seed = { 0x0123456789abcdef, 0xfedcba9876543210 } };

	set(p, "vips", &key, &vip);
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
	for (i = 0; i < PLANE_RING; i++)
		at[i] = vip * 2 * PLANE_RING + i;
	assert_int_equal(bpf_map_update_batch(plane_map(p, "vip_ring"), at, ring, &count, NULL), 0);
}

bool plane_client(const struct plane *p, const char *source, uint32_t scope, struct client *ret)
{
	struct client_key key = { .source = packet_addr(source), .scope = scope };

	return bpf_map_lookup_elem(plane_map(p, "clients"), &key, ret) == 0;
}
