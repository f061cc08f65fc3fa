/* SPDX-License-Identifier: BSD-2-Clause */
#include "upgrade_lab.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "dataplane/layout_table.h"
#include "dataplane/pin.h"
#include "dataplane/pinned_map.h"

#define MOVED_BYTES 8

static struct layout_name name_of(const char *map)
{
	struct layout_name name = { "" };

	memcpy(name.text, map, strlen(map));
	return name;
}

static int list_open(const struct lab *l)
{
	int fd = pin_get(l->dir_fd, "layout_maps");

	assert_true(fd >= 0);
	return fd;
}

static struct layout_map row_get(const struct lab *l, const char *map)
{
	const struct layout_name name = name_of(map);
	CLEANUP_FD int fd = list_open(l);
	struct layout_map row;

	assert_int_equal(bpf_map_lookup_elem(fd, &name, &row), 0);
	return row;
}

static void row_set(const struct lab *l, const char *map, const struct layout_map *row)
{
	const struct layout_name name = name_of(map);
	CLEANUP_FD int fd = list_open(l);

	assert_int_equal(bpf_map_update_elem(fd, &name, row, BPF_ANY), 0);
}

static bool can_move(const struct map_shape *s, const char *map)
{
	return layout_table_can_carry(map) &&
	       (s->type == BPF_MAP_TYPE_HASH || s->type == BPF_MAP_TYPE_LRU_HASH ||
		s->type == BPF_MAP_TYPE_LPM_TRIE || s->type == BPF_MAP_TYPE_ARRAY ||
		s->type == BPF_MAP_TYPE_PERCPU_ARRAY);
}

/* All entries of one map, each with MOVED_BYTES before it, into the other. */
static void copy_moved(int from_fd, int to_fd, const struct map_shape *s)
{
	size_t cpus = pinned_map_is_percpu(s) ? (size_t)libbpf_num_possible_cpus() : 1;
	size_t stride = pinned_map_stride(s->value_bytes),
	       moved = pinned_map_stride(s->value_bytes + MOVED_BYTES);
	CLEANUP_FREE char *keys = calloc(2, s->key_bytes);
	CLEANUP_FREE char *from = calloc(cpus, stride);
	CLEANUP_FREE char *to = calloc(cpus, moved);
	char *key = keys, *next = keys + s->key_bytes, *was;

	assert_true(keys && from && to);
	for (bool first = true; !bpf_map_get_next_key(from_fd, first ? NULL : key, next);) {
		assert_int_equal(bpf_map_lookup_elem(from_fd, next, from), 0);
		for (size_t cpu = 0; cpu < cpus; cpu++) {
			memset(to + cpu * moved, 0x5a, MOVED_BYTES);
			memcpy(to + cpu * moved + MOVED_BYTES, from + cpu * stride, s->value_bytes);
		}
		assert_int_equal(bpf_map_update_elem(to_fd, next, to, BPF_ANY), 0);
		was = key;
		key = next;
		next = was;
		first = false;
	}
}

static void move(const struct lab *l, const char *map, const struct map_shape *s, int from_fd)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = s->flags);
	CLEANUP_FD int fd = bpf_map_create((enum bpf_map_type)s->type, NULL, s->key_bytes,
					   s->value_bytes + MOVED_BYTES, s->max_entries, &opts);
	struct layout_map row = row_get(l, map);

	assert_true(fd >= 0);
	copy_moved(from_fd, fd, s);
	row.value++;
	for (uint32_t i = 0; i < row.n_fields; i++)
		row.field[i].offset += MOVED_BYTES;
	assert_int_equal(pin_replace(l->dir_fd, map, fd), 0);
	row_set(l, map, &row);
}

void upgrade_lab_move_members(struct lab *l, const char *map)
{
	CLEANUP_FD int fd = pin_get(l->dir_fd, map);
	struct map_shape s;

	assert_true(fd >= 0 && !pinned_map_shape(fd, &s) && can_move(&s, map));
	move(l, map, &s, fd);
}

static int move_one(const char *map, void *ctx)
{
	struct {
		struct lab *l;
		size_t n;
	} *all = ctx;
	CLEANUP_FD int fd = pin_get(all->l->dir_fd, map);
	struct layout_name name = name_of(map);
	CLEANUP_FD int list_fd = list_open(all->l);
	struct map_shape s;
	struct layout_map row;

	if (strncmp(map, "layout", 6) == 0 || bpf_map_lookup_elem(list_fd, &name, &row) ||
	    pinned_map_shape(fd, &s) || !can_move(&s, map))
		return 0;
	/* of many members, or parts of words: not known one by one */
	if (!row.n_fields)
		return 0;
	move(all->l, map, &s, fd);
	all->n++;
	return 0;
}

size_t upgrade_lab_move_all(struct lab *l)
{
	struct {
		struct lab *l;
		size_t n;
	} all = { l, 0 };

	assert_int_equal(pin_each(l->dir_fd, move_one, &all), 0);
	return all.n;
}

void upgrade_lab_change_meaning(struct lab *l, const char *map)
{
	struct layout_map row = row_get(l, map);

	row.version++;
	row_set(l, map, &row);
}

void upgrade_lab_add_map(struct lab *l, const char *map)
{
	CLEANUP_FD int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, NULL, 4, 8, 1, NULL);
	const struct layout_map row = { .version = 1 };

	assert_true(fd >= 0);
	assert_int_equal(pin_put(l->dir_fd, map, fd), 0);
	row_set(l, map, &row);
}

static int check_pin(const char *pin, void *ctx)
{
	if (strncmp(pin, "new_", 4) == 0 || strcmp(pin, PIN_COMMIT) == 0)
		fail_msg("%s is left", pin);
	(void)ctx;
	return 0;
}

void upgrade_lab_check_tidy(struct lab *l)
{
	CLEANUP_FD int list_fd = list_open(l);
	struct layout_name name, last;
	bool more = bpf_map_get_next_key(list_fd, NULL, &name) == 0;

	assert_int_equal(pin_each(l->dir_fd, check_pin, NULL), 0);
	assert_true(more);
	for (; more; more = bpf_map_get_next_key(list_fd, &last, &name) == 0) {
		if (!lab_has_pin(l, name.text))
			fail_msg("%s is listed and not pinned", name.text);
		last = name;
	}
}
