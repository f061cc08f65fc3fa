/* SPDX-License-Identifier: BSD-2-Clause */
/* The counting of connections as the agent attaches, goes on with, and gives up. */
#include "dataplane_lab.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "dataplane/dataplane_state.h"
#include "dataplane/limit_concurrent.h"
#include "dataplane/limit_map.h"
#include "dataplane/pin.h"
#include "dataplane/nat_map.h"
#include "dataplane/nat_resize.h"
#include "own_cgroup.h"

#define CLIENT "127.0.0.1"

struct pair {
	int client, server;
};

/* One for all tests, since loading takes most of their time; NULL: none. */
static struct dataplane *dp;
static uint32_t dp_max;

static int apply(struct lab *l, uint32_t max, uint32_t concurrent, char *cgroup, struct errmsg *err)
{
	struct conf_dataplane c = lab_conf(NULL);
	struct prefix all = lab_prefix("0.0.0.0/0");
	struct conf_limit limit = { .name = "web",
				    .sources = &all,
				    .n_sources = 1,
				    .rows = 256,
				    .concurrent = concurrent };
	struct conf conf = { .limits = &limit, .n_limits = 1 };

	c.max_concurrent = max;
	c.cgroup = cgroup;
	if (dp && max != dp_max) {
		dataplane_close(dp);
		dp = NULL;
	}
	if (!dp)
		dp = lab_dataplane(l, &c);
	dp_max = max;
	conf.dataplane = c;
	assert_int_equal(limit_map_apply(dp, &conf, err), 0);
	return limit_concurrent_attach(dp, &conf, err);
}

static void begin(struct lab *l, uint32_t max, uint32_t concurrent)
{
	struct errmsg err = { "" };

	if (apply(l, max, concurrent, own_cgroup_path, &err))
		fail_msg("limit_concurrent_attach: %s", err.text);
}

static uint64_t connections(void)
{
	struct addr source = lab_addr(CLIENT);
	uint64_t n = UINT64_MAX;

	assert_int_equal(limit_concurrent_count(dp, &source, limit_map_class(dp, "web"), &n), 0);
	return n;
}

/* A socket is closed a moment after the last packet of the other side. */
static uint64_t settled(uint64_t want)
{
	const struct timespec step = { .tv_nsec = 1000000 };

	for (int i = 0; i < 5000 && connections() != want; i++)
		nanosleep(&step, NULL);
	return connections();
}

static uint32_t generation(void)
{
	return ((struct limit_state *)pinned_map_mem(dp, "limit_state"))->concurrent_generation;
}

static void pair_open(struct pair *t)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(a);

	assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(listener, 8), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &len), 0);
	t->client = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(t->client, (struct sockaddr *)&a, sizeof(a)), 0);
	t->server = accept(listener, NULL, NULL);
	assert_true(t->server >= 0);
	close(listener);
}

static void pair_close(struct pair *t)
{
	close(t->client);
	close(t->server);
}

static void end(void)
{
	dataplane_close(dp);
	dp = NULL;
}

static void counts_survive_an_agent(void **state)
{
	struct limit_concurrent_sum sums[LIMIT_CLASSES];
	struct lab *l = *state;
	struct pair before, without, after;
	uint32_t link, was;

	begin(l, 1024, 5);
	was = generation();
	link = lab_link_id(l, PIN_CONCURRENT);
	pair_open(&before);
	pair_open(&without);
	assert_int_equal(connections(), 2);
	end();
	pair_close(&without);
	begin(l, 1024, 5);
	assert_int_equal(settled(1), 1);
	assert_int_equal(generation(), was);
	assert_int_equal(lab_link_id(l, PIN_CONCURRENT), link);
	pair_open(&after);
	assert_int_equal(limit_concurrent_sums(dp, sums), 0);
	assert_int_equal(sums[limit_map_class(dp, "web")].connections, 2);
	assert_int_equal(sums[limit_map_class(dp, "web")].sources, 1);
	pair_close(&before);
	pair_close(&after);
	assert_int_equal(settled(0), 0);
	assert_int_equal(limit_concurrent_uncounted(dp), 0);
}

static void another_size_counts_from_0(void **state)
{
	struct lab *l = *state;
	struct pair before, after;
	uint32_t was;

	begin(l, 1024, 5);
	was = generation();
	pair_open(&before);
	assert_int_equal(connections(), 1);
	begin(l, 4096, 5);
	assert_int_not_equal(generation(), was);
	assert_int_equal(connections(), 0);
	pair_open(&after);
	assert_int_equal(connections(), 1);
	/* Were it counted out, a place in the other table would be. */
	pair_close(&before);
	pair_close(&after);
	assert_int_equal(settled(0), 0);
}

static void what_no_limit_wants_is_not_attached(void **state)
{
	struct lab *l = *state;
	struct pair before;

	begin(l, 1024, 0);
	assert_false(lab_has_pin(l, PIN_CONCURRENT));
	begin(l, 1024, 5);
	assert_true(lab_has_pin(l, PIN_CONCURRENT));
	pair_open(&before);
	assert_int_equal(connections(), 1);
	begin(l, 1024, 0);
	assert_false(lab_has_pin(l, PIN_CONCURRENT));
	assert_int_equal(connections(), 0);
	pair_close(&before);
	/* Nobody saw that it ended: it counts no more. */
	begin(l, 1024, 5);
	assert_int_equal(connections(), 0);
}

static void want_of_a_control_group_is_told(void **state)
{
	const char *warnings[DATAPLANE_WARNINGS_MAX + 1] = { NULL };
	struct errmsg err = { "" };
	struct lab *l = *state;
	size_t n;

	assert_int_equal(apply(l, 1024, 5, (char *)"/proc", &err), -ENOTSUP);
	assert_non_null(
		strstr(err.text, "dataplane.cgroup /proc: is not a directory of cgroup v2"));
	n = dataplane_warnings(dp, warnings, DATAPLANE_WARNINGS_MAX);
	assert_true(n > 0);
	assert_string_equal(warnings[n - 1], err.text);
	begin(l, 1024, 5);
	assert_int_equal(dataplane_warnings(dp, warnings, DATAPLANE_WARNINGS_MAX), n - 1);
}

static void give(struct dataplane *to, const char *name, enum bpf_map_type type, uint32_t key_bytes,
		 uint32_t value_bytes, uint32_t n)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts,
		    .map_flags = type == BPF_MAP_TYPE_ARRAY ? BPF_F_MMAPABLE : 0);
	struct pinned_map *m = &to->maps[to->n_maps++];

	strcpy(m->name, name);
	m->fd = bpf_map_create(type, name, key_bytes, value_bytes, n, &opts);
	m->old_fd = -1;
	assert_true(m->fd >= 0);
	assert_int_equal(pinned_map_shape(m->fd, &m->shape), 0);
}

#define ROOM 2 /* of four flows */

/* Each of a client that has one more elsewhere. */
static void put_flows(struct dataplane *to, struct limit_concurrent_set *table)
{
	struct nat_flow *f = pinned_map_mem(to, "nat_flow");

	for (uint32_t i = 0; i < 4; i++) {
		table->word[i] = (0xabcULL + i) << LIMIT_CONCURRENT_TAG_SHIFT | 2;
		f[i] = (struct nat_flow) { .phase = NAT_ESTABLISHED,
					   .client.sport = (uint16_t)(1 + i),
					   .answer.dport = (uint16_t)(1 + i),
					   .place = { .generation = 7, .word = { 1 + i } } };
	}
	f[3].place.generation = 6; /* counted in a table that is no more */
}

/* Maps of its own: no program is asked. */
static void flows_without_room_are_no_connections(void **state)
{
	const struct map_shape old = { BPF_MAP_TYPE_ARRAY, 4, sizeof(struct nat_flow), 4,
				       BPF_F_MMAPABLE };
	static struct dataplane own;
	struct limit_concurrent_set *table;
	struct pinned_map *flows;

	(void)state;
	give(&own, "limit_state", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct limit_state), 1);
	give(&own, "limit_concurrent", BPF_MAP_TYPE_ARRAY, 4, sizeof(*table), 1);
	give(&own, "nat_tuple", BPF_MAP_TYPE_HASH, sizeof(struct flow_key), sizeof(struct nat_ref),
	     8);
	give(&own, "nat_flow", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct nat_flow), 4);
	((struct limit_state *)pinned_map_mem(&own, "limit_state"))->concurrent_generation = 7;
	table = pinned_map_mem(&own, "limit_concurrent");
	put_flows(&own, table);
	give(&own, "nat_flow", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct nat_flow), ROOM);
	flows = &own.maps[own.n_maps - 1];
	flows->old_fd = own.maps[own.n_maps - 2].fd;
	assert_int_equal(nat_resize_copy(&own, flows, &old), 0);
	assert_int_equal(table->word[0] & LIMIT_CONCURRENT_COUNT, 2);
	assert_int_equal(table->word[1] & LIMIT_CONCURRENT_COUNT, 2);
	assert_int_equal(table->word[2] & LIMIT_CONCURRENT_COUNT, 1);
	assert_int_equal(table->word[3] & LIMIT_CONCURRENT_COUNT, 2);
	/* Once more, for the last that there is: its word is free, and stays so. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(nat_resize_copy(&own, flows, &old), 0);
		assert_int_equal(table->word[2], 0);
	}
	flows->old_fd = -1;
	for (size_t i = 0; i < own.n_maps; i++)
		pinned_map_close(&own.maps[i]);
}

static void nothing_is_left_of_it(void **state)
{
	struct errmsg err = { "" };
	struct lab *l = *state;

	assert_true(lab_has_pin(l, PIN_CONCURRENT));
	end();
	assert_int_equal(dataplane_detach_all(l->dir_fd, &err), 0);
	assert_int_equal(lab_pins(l), 0);
}

int main(void)
{
	/* In this order: each goes on from the one before. */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_survive_an_agent),
		cmocka_unit_test(what_no_limit_wants_is_not_attached),
		cmocka_unit_test(want_of_a_control_group_is_told),
		cmocka_unit_test(another_size_counts_from_0),
		cmocka_unit_test(flows_without_room_are_no_connections),
		cmocka_unit_test(nothing_is_left_of_it),
	};
	int failed;

	if (own_cgroup_open())
		return 1;
	failed = cmocka_run_group_tests(tests, lab_open, lab_close);
	own_cgroup_close();
	return failed;
}
