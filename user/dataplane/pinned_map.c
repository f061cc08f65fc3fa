/* SPDX-License-Identifier: BSD-2-Clause */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "dataplane_state.h"
#include "map_walk.h"
#include "pinned_map.h"

#define BATCH_FIRST	1024
#define KERNEL_ENOTSUPP 524 /* include/linux/errno.h: batch operations that a map type lacks */

struct pinned_map *pinned_map_find(struct dataplane *dp, const char *name)
{
	size_t i;

	for (i = 0; i < dp->n_maps; i++) {
		if (strcmp(dp->maps[i].name, name) == 0)
			return &dp->maps[i];
	}
	return NULL;
}

int pinned_map_fd(struct dataplane *dp, const char *name)
{
	const struct pinned_map *m = pinned_map_find(dp, name);

	return m ? m->fd : -ENOENT;
}

int pinned_map_shape(int fd, struct map_shape *ret)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	*ret = (struct map_shape) { info.type, info.key_size, info.value_size, info.max_entries,
				    info.map_flags };
	return 0;
}

bool pinned_map_is_percpu(const struct map_shape *s)
{
	return s->type == BPF_MAP_TYPE_PERCPU_ARRAY || s->type == BPF_MAP_TYPE_PERCPU_HASH ||
	       s->type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

size_t pinned_map_mem_bytes(const struct map_shape *shape)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t bytes = pinned_map_stride(shape->value_bytes) * shape->max_entries;

	return (bytes + page - 1) / page * page;
}

void *pinned_map_mem(struct dataplane *dp, const char *name)
{
	struct pinned_map *m = pinned_map_find(dp, name);
	void *mem;

	if (!m || !(m->shape.flags & BPF_F_MMAPABLE))
		return NULL;
	if (m->mem)
		return m->mem;
	m->mem_bytes = pinned_map_mem_bytes(&m->shape);
	mem = mmap(NULL, m->mem_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
	if (mem == MAP_FAILED)
		return NULL;
	m->mem = mem;
	return mem;
}

void pinned_map_close(struct pinned_map *m)
{
	if (m->mem)
		munmap(m->mem, m->mem_bytes);
	if (m->fd >= 0)
		close(m->fd);
	if (m->old_fd >= 0)
		close(m->old_fd);
	free(m->moves);
	m->mem = NULL;
	m->moves = NULL;
	m->fd = m->old_fd = -1;
}

/* Growing arrays of keys and values. */
struct rows {
	char *keys;
	char *values;
	size_t key_bytes;
	size_t value_bytes;
	size_t n;
	size_t room;
};

static int rows_reserve(struct rows *r, size_t more)
{
	size_t room = r->room ? r->room : BATCH_FIRST;
	void *p;

	while (room < r->n + more)
		room *= 2;
	if (room == r->room)
		return 0;
	p = realloc(r->keys, room * r->key_bytes);
	if (!p)
		return -ENOMEM;
	r->keys = p;
	p = realloc(r->values, room * r->value_bytes);
	if (!p)
		return -ENOMEM;
	r->values = p;
	r->room = room;
	return 0;
}

static void rows_clear(struct rows *r)
{
	free(r->keys);
	free(r->values);
}

/* Key by key: for what has no batch operations. A trie may restart when an entry goes away. */
static int read_walk(int fd, struct rows *r, uint32_t max)
{
	uint64_t tries =
		2ULL * max + 1; /* entries that come and go may be met without being read */
	int err;

	while (r->n < max && tries--) {
		char *key, *value, *last;

		err = rows_reserve(r, 1);
		if (err)
			return err;
		last = r->n ? r->keys + (r->n - 1) * r->key_bytes : NULL;
		key = r->keys + r->n * r->key_bytes;
		value = r->values + r->n * r->value_bytes;
		if (bpf_map_get_next_key(fd, last, key))
			return errno == ENOENT ? 0 : -errno;
		if (bpf_map_lookup_elem(fd, key, value) == 0)
			r->n++;
		else if (errno != ENOENT)
			return -errno;
	}
	return 0;
}

static int read_batches(int fd, struct rows *r)
{
	CLEANUP(map_walk_clear) struct map_walk w = { 0 };
	int more = map_walk_open(&w, fd);

	more = more ? more : 1;
	while (more > 0) {
		more = map_walk_next(&w);
		if (w.n && rows_reserve(r, w.n))
			return -ENOMEM;
		memcpy(r->keys + r->n * r->key_bytes, w.keys, (size_t)w.n * w.key_bytes);
		memcpy(r->values + r->n * r->value_bytes, w.values, (size_t)w.n * w.value_bytes);
		r->n += w.n;
	}
	return more;
}

static bool shape_is_hash(const struct map_shape *s)
{
	return s->type == BPF_MAP_TYPE_HASH || s->type == BPF_MAP_TYPE_LRU_HASH;
}

static int rows_read(int fd, const struct map_shape *shape, struct rows *r)
{
	int err;

	r->key_bytes = shape->key_bytes;
	r->value_bytes = shape->value_bytes;
	if (rows_reserve(r, 1))
		return -ENOMEM;
	if (shape_is_hash(shape)) {
		err = read_batches(fd, r);
		if (err != -KERNEL_ENOTSUPP && err != -EINVAL)
			return err;
		r->n = 0;
	}
	return read_walk(fd, r, shape->max_entries);
}

int pinned_map_read(int fd, void **ret_keys, void **ret_values, size_t *ret_n)
{
	CLEANUP(rows_clear) struct rows r = { 0 };
	struct map_shape shape;
	int err = pinned_map_shape(fd, &shape);

	if (!err)
		err = rows_read(fd, &shape, &r);
	if (err)
		return err;
	*ret_keys = take_ptr(&r.keys);
	*ret_values = take_ptr(&r.values);
	*ret_n = r.n;
	return 0;
}

/* Of a hash: up to sample_max, and from then on what the part that was read lets expect. */
static int count_walk(int fd, uint32_t sample_max, uint64_t *ret)
{
	CLEANUP(map_walk_clear) struct map_walk w = { 0 };
	int more = map_walk_open(&w, fd);
	uint64_t n = 0;

	more = more ? more : 1;
	while (more > 0) {
		more = map_walk_next(&w);
		n += w.n;
		if (more > 0 && sample_max && n >= sample_max && w.cursor) {
			*ret = n * w.buckets / w.cursor;
			return 0;
		}
	}
	*ret = n;
	return more;
}

/* Without reading values, which are not needed. A trie may restart when an entry goes away. */
static int count_keys(int fd, const struct map_shape *shape, uint64_t *ret)
{
	const size_t bytes = shape->key_bytes;
	CLEANUP_FREE char *keys = calloc(2, bytes); /* the last one and the next, by turns */
	uint64_t n = 0;

	if (!keys)
		return -ENOMEM;
	while (n < shape->max_entries && !bpf_map_get_next_key(fd, n ? keys + n % 2 * bytes : NULL,
							       keys + (n + 1) % 2 * bytes))
		n++;
	*ret = n;
	return 0;
}

int pinned_map_count(int fd, uint32_t sample_max, uint32_t *ret)
{
	struct map_shape shape;
	uint64_t n = 0;
	int err = pinned_map_shape(fd, &shape);

	if (!err && shape_is_hash(&shape)) {
		err = count_walk(fd, sample_max, &n);
		if (err == -KERNEL_ENOTSUPP || err == -EINVAL)
			err = count_keys(fd, &shape, &n);
	} else if (!err) {
		err = count_keys(fd, &shape, &n);
	}
	if (err)
		return err;
	*ret = (uint32_t)(n < shape.max_entries ? n : shape.max_entries);
	return 0;
}

int pinned_map_sum(int fd, const void *key, uint32_t value_bytes, uint64_t *ret)
{
	size_t words = pinned_map_stride(value_bytes) / 8, i;
	int cpus = libbpf_num_possible_cpus(), cpu;
	CLEANUP_FREE uint64_t *values = NULL;

	if (cpus < 0)
		return cpus;
	values = calloc((size_t)cpus * words, 8);
	if (!values)
		return -ENOMEM;
	if (bpf_map_lookup_elem(fd, key, values))
		return -errno;
	memset(ret, 0, words * 8);
	for (cpu = 0; cpu < cpus; cpu++) {
		for (i = 0; i < words; i++)
			ret[i] += values[(size_t)cpu * words + i];
	}
	return 0;
}

int pinned_map_zero(int fd, const void *key, uint32_t value_bytes)
{
	int cpus = libbpf_num_possible_cpus();
	CLEANUP_FREE void *zero = NULL;

	if (cpus < 0)
		return cpus;
	zero = calloc((size_t)cpus, pinned_map_stride(value_bytes));
	if (!zero)
		return -ENOMEM;
	return bpf_map_update_elem(fd, key, zero, BPF_ANY) ? -errno : 0;
}

static void close_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

uint64_t pinned_map_memory(int fd)
{
	CLEANUP(close_file) FILE *f = NULL;
	char text[64];
	uint64_t bytes;

	snprintf(text, sizeof(text), "/proc/self/fdinfo/%d", fd);
	f = fopen(text, "re");
	while (f && fgets(text, sizeof(text), f)) {
		if (sscanf(text, "memlock: %" SCNu64, &bytes) == 1)
			return bytes;
	}
	return 0;
}
