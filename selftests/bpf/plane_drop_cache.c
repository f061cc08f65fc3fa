/* SPDX-License-Identifier: BSD-2-Clause */
/* The drop cache of a plane: what makes it void, and what it has answered. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "dataplane/drop_cache_map.h"
#include "plane.h"

void plane_changed(const struct plane *p)
{
	struct drop_cache_state state;
	int fd = plane_map(p, "drop_cache_state");
	uint32_t zero = 0;

	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &state), 0);
	state.generation++;
	assert_int_equal(bpf_map_update_elem(fd, &zero, &state, BPF_ANY), 0);
}

void plane_no_verdicts(const struct plane *p, bool none)
{
	struct drop_cache_state state;
	int fd = plane_map(p, "drop_cache_state");
	uint32_t zero = 0;

	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &state), 0);
	state.no_verdicts = none;
	assert_int_equal(bpf_map_update_elem(fd, &zero, &state, BPF_ANY), 0);
}

/* NULL: of all. */
static uint64_t sum_hits(const struct plane *p, const struct verdict_key *key)
{
	static _Thread_local struct drop_cache_entry entries[DROP_CACHE_SLOTS * PLANE_CPUS_MAX];
	uint32_t keys[DROP_CACHE_SLOTS], n = DROP_CACHE_SLOTS, next, i;
	uint32_t cpus = (uint32_t)libbpf_num_possible_cpus();
	uint64_t hits = 0;

	assert_in_range(cpus, 1, PLANE_CPUS_MAX);
	if (bpf_map_lookup_batch(plane_map(p, "drop_cache"), NULL, &next, keys, entries, &n, NULL))
		assert_int_equal(errno, ENOENT);
	for (i = 0; i < n * cpus; i++) {
		if (!key || drop_cache_map_is_of(&entries[i], key))
			hits += entries[i].hits;
	}
	return hits;
}

uint64_t plane_verdict_hits(const struct plane *p, const void *verdict_key)
{
	return sum_hits(p, verdict_key);
}

uint64_t plane_cache_hits(const struct plane *p)
{
	return sum_hits(p, NULL);
}

void plane_cache_empty(const struct plane *p)
{
	static const struct drop_cache_entry none[DROP_CACHE_SLOTS * PLANE_CPUS_MAX];
	uint32_t keys[DROP_CACHE_SLOTS], n = DROP_CACHE_SLOTS, i;

	for (i = 0; i < n; i++)
		keys[i] = i;
	assert_int_equal(bpf_map_update_batch(plane_map(p, "drop_cache"), keys, none, &n, NULL), 0);
}
