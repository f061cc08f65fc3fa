/* SPDX-License-Identifier: BSD-2-Clause */
#include "plane_pool.h"

#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "sluice/abi/response.h"

#define POOL_MAX 16
#define BATCH	 4096

struct pooled {
	struct plane plane; /* as it was loaded */
	struct plane_settings settings;
	const void *in; /* the skeleton whose maps it shares */
	bool in_use;
};

static struct pooled pool[POOL_MAX];
static size_t n_pooled;
static bool started;

static const struct plane_settings defaults;

static bool is_alike(const struct plane_settings *a, const struct plane_settings *b)
{
	return a->unknown_l4_drop == b->unknown_l4_drop && a->events_per_s == b->events_per_s &&
	       a->real_clock == b->real_clock && a->no_top == b->no_top &&
	       a->planted == b->planted && a->too_big_per_s == b->too_big_per_s &&
	       a->echo_per_s == b->echo_per_s && a->nat_cpus == b->nat_cpus &&
	       a->no_cookies == b->no_cookies;
}

/* Where an LRU map puts what is new depends on what was in it: those that are small begin anew. */
static bool can_be_shared(const struct plane_settings *s)
{
	return started && s->max_clients == 0;
}

bool plane_pool_may_outlive(const struct plane_settings *s)
{
	return can_be_shared(s) && is_alike(s, &defaults);
}

void plane_pool_start(void)
{
	started = true;
}

static void empty_memory(int fd, size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *mem;

	bytes = (bytes + page - 1) / page * page;
	mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(mem, MAP_FAILED);
	memset(mem, 0, bytes);
	munmap(mem, bytes);
}

/* Many at a time where the kernel can (per-CPU arrays: 5.13). */
static void empty_array(const struct bpf_map *map, size_t value_bytes)
{
	uint32_t max = bpf_map__max_entries(map), i, j, n;
	uint32_t *keys = calloc(BATCH, sizeof(*keys));
	void *zero = calloc(BATCH, value_bytes);

	assert_non_null(keys);
	assert_non_null(zero);
	for (i = 0; i < max; i += n) {
		uint32_t done = n = max - i < BATCH ? max - i : BATCH;

		for (j = 0; j < n; j++)
			keys[j] = i + j;
		if (bpf_map_update_batch(bpf_map__fd(map), keys, zero, &done, NULL) == 0)
			continue;
		for (j = 0; j < n; j++)
			assert_int_equal(
				bpf_map_update_elem(bpf_map__fd(map), &keys[j], zero, BPF_ANY), 0);
	}
	free(keys);
	free(zero);
}

static void empty_hash(const struct bpf_map *map)
{
	uint8_t key[64];

	assert_true(bpf_map__key_size(map) <= sizeof(key));
	while (bpf_map_get_next_key(bpf_map__fd(map), NULL, key) == 0)
		bpf_map_delete_elem(bpf_map__fd(map), key);
}

/* What nobody read yet: the reader's position, in the first page, becomes the writer's. */
static void empty_ring(const struct bpf_map *map)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int fd = bpf_map__fd(map);
	uint64_t *reader = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	const uint64_t *writer = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, (off_t)page);

	assert_ptr_not_equal(reader, MAP_FAILED);
	assert_ptr_not_equal(writer, MAP_FAILED);
	*reader = *writer;
	munmap(reader, page);
	munmap((void *)(uintptr_t)writer, page);
}

/* The program's own variables; constants stay. */
static void empty_internal(const struct bpf_map *map)
{
	size_t bytes;
	void *mem =
		(void *)(uintptr_t)bpf_map__initial_value((struct bpf_map *)(uintptr_t)map, &bytes);

	if (strstr(bpf_map__name(map), ".bss"))
		memset(mem, 0, bytes);
	else
		assert_non_null(strstr(bpf_map__name(map), ".rodata"));
}

static void empty_map(const struct bpf_map *map)
{
	size_t value_bytes = ((size_t)bpf_map__value_size(map) + 7) / 8 * 8;
	int cpus = libbpf_num_possible_cpus();

	switch (bpf_map__type(map)) {
	case BPF_MAP_TYPE_ARRAY:
		if (bpf_map__map_flags(map) & BPF_F_MMAPABLE)
			empty_memory(bpf_map__fd(map), value_bytes * bpf_map__max_entries(map));
		else
			empty_array(map, value_bytes);
		return;
	case BPF_MAP_TYPE_PERCPU_ARRAY:
		assert_true(cpus > 0);
		empty_array(map, value_bytes * (size_t)cpus);
		return;
	case BPF_MAP_TYPE_RINGBUF:
		empty_ring(map);
		return;
	case BPF_MAP_TYPE_HASH:
	case BPF_MAP_TYPE_LRU_HASH:
	case BPF_MAP_TYPE_LPM_TRIE:
		empty_hash(map);
		return;
	case BPF_MAP_TYPE_ARRAY_OF_MAPS: /* by vip */
		for (uint32_t vip = 0; vip < PLANE_VIPS; vip++)
			bpf_map_delete_elem(bpf_map__fd(map), &vip);
		return;
	default:
		fail_msg("%s: nobody knows how to empty it", bpf_map__name(map));
	}
}

/* Only written to while there are responses, and the largest that is no memory of ours. */
#define CREDIT "response_credit"

static bool answers_are_counted(const struct plane *p)
{
	struct response_state state;
	uint32_t zero = 0;

	assert_int_equal(bpf_map_lookup_elem(plane_map(p, "response_state"), &zero, &state), 0);
	return state.enabled;
}

static void empty_maps(const struct plane *p, const struct plane *in)
{
	struct bpf_map *map, *credit = NULL;

	bpf_object__for_each_map(map, p->object)
	{
		const char *name = bpf_map__name(map);

		if (bpf_map__is_internal(map))
			empty_internal(map);
		else if (in && bpf_object__find_map_by_name(in->object, name))
			continue;
		else if (strcmp(name, CREDIT) == 0)
			credit = map;
		else if (strcmp(name, "response_state") != 0)
			empty_map(map);
	}
	if (!credit)
		return;
	if (answers_are_counted(p))
		empty_map(credit);
	empty_map(bpf_object__find_map_by_name(p->object, "response_state"));
}

bool plane_pool_take(struct plane *p, enum plane_hook hook, const struct plane_settings *s,
		     const struct plane *in)
{
	size_t i;

	for (i = 0; i < n_pooled && can_be_shared(s); i++) {
		struct pooled *one = &pool[i];

		if (one->in_use || one->plane.hook != hook || !is_alike(&one->settings, s) ||
		    one->in != (in ? in->skeleton : NULL))
			continue;
		one->in_use = true;
		*p = one->plane;
		empty_maps(p, in);
		return true;
	}
	return false;
}

void plane_pool_put(const struct plane *p, const struct plane_settings *s, const struct plane *in)
{
	if (n_pooled == POOL_MAX || !can_be_shared(s))
		return;
	pool[n_pooled++] =
		(struct pooled) { *p, *s, .in = in ? in->skeleton : NULL, .in_use = true };
}

bool plane_pool_has(const struct plane *p)
{
	size_t i;

	for (i = 0; i < n_pooled; i++) {
		if (pool[i].plane.skeleton == p->skeleton)
			return true;
	}
	return false;
}

void plane_pool_empty(const struct plane *p)
{
	empty_maps(p, NULL);
	empty_map(bpf_object__find_map_by_name(p->object, CREDIT));
}

bool plane_pool_give_back(const struct plane *p)
{
	size_t i;

	for (i = 0; i < n_pooled; i++) {
		if (pool[i].plane.skeleton != p->skeleton)
			continue;
		pool[i].in_use = false;
		return true;
	}
	return false;
}
