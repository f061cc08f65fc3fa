/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * harness: own-kernel
 * Ten thousand backends: all in their rings, and a change touches what it changes.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "dataplane/dataplane_state.h"
#include "dataplane/vip_map.h"
#include "dataplane/vip_state.h"
#include "dataplane_lab.h"
#include "observe/prometheus.h"

#define VIPS 20
#define EACH 500
#define ALL  (VIPS * EACH)
#define RING 1021

struct world {
	struct lab *lab;
	struct dataplane *dp;
	struct conf_vip vips[VIPS];
	struct conf_backend backends[ALL];
	char names[ALL][8];
	uint32_t ids[ALL];
	uint64_t flipped_ms[VIPS];
	struct conf conf;
};

static struct addr host(uint32_t n)
{
	struct addr a = { 0 };

	a.w[2] = htonl(0xffff);
	a.w[3] = htonl(n);
	return a;
}

static void configure(struct world *w)
{
	static char device[] = "edge0";
	size_t i;

	for (i = 0; i < ALL; i++) {
		snprintf(w->names[i], sizeof(w->names[i]), "n%zu", i);
		w->backends[i] = (struct conf_backend) { .name = w->names[i],
							 .address = host(0x0a000001 + (uint32_t)i),
							 .weight = 1,
							 .has_mac = true,
							 .mac = { 2, 1, 2, 3, 4, 5 },
							 .device = device };
	}
	for (i = 0; i < VIPS; i++)
		w->vips[i] = (struct conf_vip) { .name = w->names[i],
						 .address = host(0xc6336401 + (uint32_t)i),
						 .port = 80,
						 .protocol = IPPROTO_TCP,
						 .backends = w->backends + i * EACH,
						 .n_backends = EACH };
	w->conf = (struct conf) { .vips = w->vips, .n_vips = VIPS };
}

static int world_open(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct conf_dataplane conf = lab_conf(NULL);

	assert_non_null(w);
	log_set_level(LOG_ERROR);
	lab_open((void **)&w->lab);
	conf.max_vips = 2 * VIPS + 1;
	conf.max_backends = 2 * ALL + 1;
	conf.ring_size = RING;
	w->dp = lab_dataplane(w->lab, &conf);
	configure(w);
	*state = w;
	return 0;
}

static int world_close(void **state)
{
	struct world *w = *state;

	dataplane_close(w->dp);
	lab_close((void **)&w->lab);
	free(w);
	return 0;
}

static void apply(struct world *w)
{
	struct errmsg err = { 0 };

	if (vip_map_apply(w->dp, w->lab->loop, &w->conf, &err))
		fail_msg("vip_map_apply: %s", err.text);
}

/* Every backend has slots, and nothing is left to bury: the ring in force is what it shall be. */
static bool is_settled(void *ctx)
{
	const struct vip_map *m = ((struct world *)ctx)->dp->vip;
	size_t i, j;

	for (i = 0; i < m->n_services; i++) {
		if (m->services[i].dirty)
			return false;
		for (j = 0; j < m->services[i].n_backends; j++)
			if (!m->services[i].backends[j].slots)
				return false;
	}
	return m->n_retired == 0;
}

static const struct vip_service *service(const struct world *w, size_t i)
{
	return &w->dp->vip->services[i];
}

static void remember(struct world *w)
{
	size_t i;

	for (i = 0; i < ALL; i++)
		w->ids[i] = service(w, i / EACH)->backends[i % EACH].id;
	for (i = 0; i < VIPS; i++)
		w->flipped_ms[i] = service(w, i)->flipped_ms;
}

static void ids_are_as_before_but(const struct world *w, size_t changed)
{
	size_t i;

	for (i = 0; i < ALL; i++) {
		uint32_t id = service(w, i / EACH)->backends[i % EACH].id;

		if (i == changed)
			assert_int_not_equal(id, w->ids[i]);
		else
			assert_int_equal(id, w->ids[i]);
	}
}

static void rings_are_as_before_but(const struct world *w, size_t changed)
{
	size_t i;

	for (i = 0; i < VIPS; i++)
		assert_int_equal(service(w, i)->flipped_ms == w->flipped_ms[i], i != changed);
}

/* What packets go by says of a backend what was configured. */
static void check_record(const struct world *w, size_t i)
{
	uint32_t id = service(w, i / EACH)->backends[i % EACH].id;
	int fd = pinned_map_fd(w->dp, "backends");
	struct backend b;

	assert_int_equal(bpf_map_lookup_elem(fd, &id, &b), 0);
	assert_memory_equal(&b.addr, &w->backends[i].address, sizeof(b.addr));
	assert_true(b.flags & BACKEND_READY);
	assert_memory_equal(b.dst_mac, w->backends[i].mac, 6);
}

static bool first_is_reached_anew(void *ctx)
{
	const struct world *w = ctx;

	return w->dp->vip->table[service(w, 0)->backends[0].id].dst_mac[5] == w->backends[0].mac[5];
}

static void a_change_of_one_fills_one_ring(void **state)
{
	struct world *w = *state;

	apply(w);
	lab_until(w->lab, is_settled, w);
	remember(w);
	check_record(w, 0);
	check_record(w, ALL - 1);
	/* The same again. */
	apply(w);
	assert_true(is_settled(w));
	ids_are_as_before_but(w, ALL);
	rings_are_as_before_but(w, VIPS);
	/* Another in its place, another weight, and another way to it. */
	w->backends[1234].address = host(0x0b000001);
	apply(w);
	lab_until(w->lab, is_settled, w);
	ids_are_as_before_but(w, 1234);
	rings_are_as_before_but(w, 1234 / EACH);
	check_record(w, 1234);
	remember(w);
	w->backends[ALL - 1].weight = 3;
	apply(w);
	lab_until(w->lab, is_settled, w);
	rings_are_as_before_but(w, VIPS - 1);
	remember(w);
	w->backends[0].mac[5]++;
	apply(w);
	lab_until(w->lab, first_is_reached_anew, w);
	rings_are_as_before_but(w, VIPS);
	ids_are_as_before_but(w, ALL);
	check_record(w, 0);
}

/* One vip goes and comes back: whether in less time than its packets may take, and its first id. */
static bool comes_back_at_once(struct world *w, uint32_t *was, uint32_t *is)
{
	struct vip_backend_state s[EACH];
	uint64_t since_ns;

	*was = service(w, 0)->backends[0].id;
	since_ns = clock_now_ns();
	w->conf.n_vips = 0;
	apply(w);
	assert_int_equal(vip_map_backends(w->dp, w->names[0], s, EACH), 0);
	w->conf.n_vips = 1;
	apply(w);
	*is = service(w, 0)->backends[0].id;
	since_ns = clock_now_ns() - since_ns;
	lab_until(w->lab, is_settled, w);
	assert_int_equal(vip_map_backends(w->dp, w->names[0], s, EACH), EACH);
	assert_true(s[0].ready && s[EACH - 1].ready);
	check_record(w, EACH / 2);
	return since_ns < VIP_GRACE_MS * NS_PER_MS;
}

/* While packets may still use what the vip of before had. */
static void a_vip_that_comes_back_at_once_has_other_ids(void **state)
{
	struct world *w = *state;
	uint32_t was, is;

	w->conf.n_vips = 1;
	apply(w);
	lab_until(w->lab, is_settled, w);
	/* A machine that has other work may take longer over it. */
	while (!comes_back_at_once(w, &was, &is))
		;
	assert_int_not_equal(is, was);
}

static const char *no_name(const void *ctx, uint32_t id)
{
	(void)ctx;
	(void)id;
	return NULL;
}

/* How often a word is in what /metrics would be, of that many bytes at most. */
static size_t metrics_with(struct world *w, size_t max_bytes, const char *word)
{
	const struct prometheus_source source = { .conf = &w->conf,
						  .dataplane = w->dp,
						  .route_name = no_name,
						  .cluster_name = no_name,
						  .version = "" };
	struct buf out;
	const char *at;
	size_t n = 0;

	buf_init(&out, max_bytes);
	assert_int_equal(prometheus_write(&source, &out), 0);
	assert_int_equal(buf_add(&out, "", 1), 0);
	for (at = buf_head(&out); (at = strstr(at, word)); at++)
		n++;
	buf_clear(&out);
	return n;
}

static void metrics_have_all_backends_or_say_that_there_are_too_many(void **state)
{
	struct world *w = *state;

	w->conf.n_vips = 1;
	w->vips[0].mode = BACKEND_NAT;
	w->vips[0].n_backends = ALL;
	apply(w);
	assert_int_equal(metrics_with(w, 64 << 20, "\nsluice_kernel_nat_exhausted_total{"), ALL);
	assert_int_equal(metrics_with(w, 64 << 20, "\nsluice_agent_metrics_cut 0\n"), 1);
	assert_int_equal(metrics_with(w, 1 << 20, "\nsluice_kernel_nat_exhausted_total{"), 0);
	assert_int_equal(metrics_with(w, 1 << 20, "\nsluice_agent_metrics_cut 1\n"), 1);
	assert_int_equal(metrics_with(w, 1 << 20, "\nsluice_kernel_nat_flows_max "), 1);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, world_open, world_close)
	const struct CMUnitTest tests[] = {
		TEST(a_change_of_one_fills_one_ring),
		TEST(a_vip_that_comes_back_at_once_has_other_ids),
		TEST(metrics_have_all_backends_or_say_that_there_are_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
