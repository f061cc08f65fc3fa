/* SPDX-License-Identifier: BSD-2-Clause */
/* What the maps take, and the slots of consumers' meters. */
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/dataplane_state.h"
#include "dataplane/limit_memory.h"
#include "dataplane/meter_map.h"
#include "limit_lab.h"

/* Before 6.4 the kernel tells keys and values, those of arrays too, and nothing that it adds. */
static bool is_told_as_keys_and_values(const struct map_shape *s, uint64_t takes)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t bytes = (s->key_bytes + s->value_bytes + 7) / 8 * 8 * (uint64_t)s->max_entries;

	return takes == (bytes + page - 1) / page * page;
}

/* What is told before anything is loaded, against what the kernel charges. */
static void the_memory_that_is_told_is_what_the_maps_take(void **state)
{
	struct limit_memory told[LIMIT_MEMORY_ROWS];
	struct conf_dataplane c = lab_conf(NULL);
	struct limit_lab *w = *state;
	uint64_t sum, total = 0;
	size_t n;

	c.max_verdicts = 16;
	n = limit_memory(&c, (unsigned int)sysconf(_SC_NPROCESSORS_CONF), told, LIMIT_MEMORY_ROWS,
			 &sum);
	for (size_t i = 0; i < n; i++) {
		const struct pinned_map *m = pinned_map_find(w->dp, told[i].map);
		uint64_t takes;

		if (!m)
			fail_msg("there is no map %s", told[i].map);
		total += told[i].bytes;
		assert_int_equal(m->shape.max_entries, told[i].entries);
		takes = pinned_map_memory(m->fd);
		/* Empty, these take nothing yet. A few pages are nobody's. */
		if (strncmp(m->name, "source_", 7) == 0 && !(m->shape.flags & BPF_F_MMAPABLE))
			continue;
		if (is_told_as_keys_and_values(&m->shape, takes))
			continue;
		if (takes > told[i].bytes * 5 / 4 + 16384 || told[i].bytes > takes * 5 / 4 + 16384)
			fail_msg("%s: %llu bytes told, %llu taken", m->name,
				 (unsigned long long)told[i].bytes, (unsigned long long)takes);
	}
	assert_int_equal(sum, total);
}

static bool keep_bob(const char *name, void *ctx)
{
	(void)ctx;
	return strncmp(name, "bob", 3) == 0;
}

static void meter_slots_are_stable_bounded_and_swept(void **state)
{
	char longer[80];
	struct limit_lab *w = *state;
	uint64_t *words = pinned_map_mem(w->dp, "meters");
	int alice, bob, i;

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	memcpy(longer, "bob/", 4);
	alice = meter_map_slot(w->dp, "alice/requests");
	bob = meter_map_slot(w->dp, longer);
	assert_true(alice > 0 && bob > 0 && alice != bob);
	assert_int_equal(meter_map_slot(w->dp, "alice/requests"), alice);
	assert_int_equal(meter_map_slot(w->dp, longer), bob);
	longer[78] = 'y';
	assert_int_not_equal(meter_map_slot(w->dp, longer), bob);
	words[alice] = 99;
	for (i = 0; i < 4; i++) {
		char name[24];

		snprintf(name, sizeof(name), "carol%d", i);
		assert_true(meter_map_slot(w->dp, name) > 0);
	}
	assert_int_equal(meter_map_slot(w->dp, "dave"), -ENOSPC);
	assert_int_equal(meter_map_refused(w->dp), 1);
	assert_int_equal(meter_map_sweep(w->dp, keep_bob, NULL), 5);
	longer[78] = 'x';
	assert_int_equal(meter_map_slot(w->dp, longer), bob);
	/* A slot that is given out again is a full bucket. */
	for (i = 0; i < 5; i++) {
		char name[24];
		int slot;

		snprintf(name, sizeof(name), "erin%d", i);
		slot = meter_map_slot(w->dp, name);
		assert_true(slot > 0);
		assert_int_equal(words[slot], 0);
	}
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, limit_lab_open, limit_lab_close)
	const struct CMUnitTest tests[] = {
		TEST(the_memory_that_is_told_is_what_the_maps_take),
		TEST(meter_slots_are_stable_bounded_and_swept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
