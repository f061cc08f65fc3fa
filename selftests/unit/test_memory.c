/* SPDX-License-Identifier: BSD-2-Clause */
/* What a worker is given of the shared memory, and what outlives it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/memory.h"
#include "net/ipc.h"

/* The monitor, as far as descriptors go. */
static struct {
	char name[32];
	int fd;
} store[64];
static size_t n_store;

static int kept(const char *name, void *ctx)
{
	(void)ctx;
	for (size_t i = 0; i < n_store; i++) {
		if (strcmp(store[i].name, name) == 0)
			return dup(store[i].fd);
	}
	return -1;
}

static int keep(const char *name, int fd, void *ctx)
{
	(void)ctx;
	assert_true(n_store < 64);
	snprintf(store[n_store].name, sizeof(store[0].name), "%s", name);
	store[n_store++].fd = dup(fd);
	return 0;
}

static const struct memory_keeper keeper = { kept, keep, NULL };

static void open_generation(struct memory *m, uint32_t base, uint32_t slots)
{
	struct errmsg err;

	memset(m, 0, sizeof(*m));
	assert_int_equal(memory_open(m, base, slots, &keeper, &err), 0);
	assert_int_equal(memory_open_shared(m, NULL, 16, &keeper, &err), 0);
}

static void open_memory(struct memory *m, uint32_t slots)
{
	open_generation(m, 0, slots);
}

static void close_memory(struct memory *m)
{
	for (uint32_t i = 0; i < MEMORY_PAGES_MAX; i++) {
		if (!m->slot[i].page)
			continue;
		ring_free(m->slot[i].ring);
		close(m->slot[i].page_fd);
		close(m->slot[i].ring_fd);
		if (i != MEMORY_OWN)
			close(m->slot[i].presence_fd);
	}
	close(m->meters_fd);
}

static void forget(void)
{
	while (n_store)
		close(store[--n_store].fd);
}

/* As a worker does it: everything that a descriptor lets it see. */
static void *map_whole(int fd, size_t *ret_bytes)
{
	struct stat st;
	void *mem;

	assert_int_equal(fstat(fd, &st), 0);
	*ret_bytes = (size_t)st.st_size;
	mem = mmap(NULL, *ret_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(mem, MAP_FAILED);
	return mem;
}

static void a_worker_gets_its_own_and_nothing_of_another(void **state)
{
	struct worker_memory sizes;
	struct memory m;
	int fds[3][4];

	(void)state;
	open_memory(&m, 3);
	for (uint32_t slot = 0; slot < 3; slot++)
		memory_of_worker(&m, slot, fds[slot], &sizes);
	assert_int_equal(sizes.presence_bytes, sizeof(struct presence_region));
	for (size_t what = 1; what < 4; what++) { /* 0: the meters are everybody's */
		struct stat a, b;

		assert_int_equal(fstat(fds[0][what], &a), 0);
		assert_int_equal(fstat(fds[1][what], &b), 0);
		assert_true(a.st_ino != b.st_ino);
	}
	for (uint32_t slot = 0; slot < 3; slot++) {
		size_t bytes;
		void *mem = map_whole(fds[slot][1], &bytes);

		assert_int_equal(bytes, sizeof(struct presence_region));
		memset(mem, 0x40 + (int)slot, bytes);
		munmap(mem, bytes);
		assert_true(ftruncate(fds[slot][1], 1 << 20));
	}
	for (uint32_t slot = 0; slot < 3; slot++)
		assert_int_equal(m.presence[slot]->entry[1][1].seen_s & 0xff, 0x40 + slot);
	close_memory(&m);
	forget();
}

static void a_region_outlives_worker_and_supervisor(void **state)
{
	struct memory first, second;

	(void)state;
	open_memory(&first, 2);
	first.slot[1].presence->entry[3][4] =
		(struct presence_entry) { .consumer = 5, .seen_s = 9 };
	counters_add(first.counters, COUNTER_RESTARTS_WORKER, 3);
	close_memory(&first);
	open_memory(&second, 2);
	assert_int_equal(second.presence[1]->entry[3][4].consumer, 5);
	assert_int_equal(second.presence[0]->entry[3][4].consumer, 0);
	assert_int_equal(counters_get(second.counters, COUNTER_RESTARTS_WORKER), 3);
	close_memory(&second);
	forget();
}

static void stamps_are_saved_to_the_map_by_slot(void **state)
{
	struct presence_region *pinned = calloc(PRESENCE_WORKERS_MAX, sizeof(*pinned));
	struct presence_entry *e;
	struct memory m;

	(void)state;
	assert_non_null(pinned);
	open_memory(&m, 2);
	m.pinned = pinned;
	e = &m.slot[1].presence->entry[3][4];
	*e = (struct presence_entry) { .consumer = 5, .seen_s = 9 };
	m.slot[1].presence->evicted_s = 77;
	memory_save_presence(&m);
	assert_int_equal(pinned[1].entry[3][4].consumer, 5);
	assert_int_equal(pinned[1].evicted_s, 77);
	assert_int_equal(pinned[0].entry[3][4].consumer, 0);
	/* another source in the same second is another entry */
	e->source.b[15] = 7;
	memory_save_presence(&m);
	assert_int_equal(pinned[1].entry[3][4].source.b[15], 7);
	/* one that is being written stays as it was */
	*e = (struct presence_entry) { .consumer = 6, .seen_s = 0 };
	memory_save_presence(&m);
	assert_int_equal(pinned[1].entry[3][4].consumer, 5);
	close_memory(&m);
	free(pinned);
	forget();
}

/* After an upgrade: the old workers go on writing where they wrote, and all of it counts. */
static void a_generation_has_its_own_beside_that_before(void **state)
{
	const uint32_t other = MESSAGE_WORKERS_MAX;
	struct memory first, second, third;

	(void)state;
	open_memory(&first, 2);
	atomic_store(&first.slot[1].page->counter[0], 7);
	assert_int_equal(first.n_pages, 3);
	close_memory(&first);
	open_generation(&second, other, 3);
	assert_int_equal(second.n_pages, 6); /* 3, the 2 before, and the supervisor's */
	assert_int_equal(second.n_live, 5);
	assert_int_equal(atomic_load(&second.slot[1].page->counter[0]), 7);
	assert_true(second.slot[other].page != second.slot[0].page);
	second.slot[1].presence->entry[3][4] =
		(struct presence_entry) { .consumer = 5, .seen_s = 9 };
	assert_ptr_equal(second.presence[0], second.slot[other].presence);
	assert_int_equal(second.presence[4]->entry[3][4].consumer, 5);
	close_memory(&second);
	open_generation(&third, 0, 1);
	assert_int_equal(third.n_pages, 6);
	assert_int_equal(third.n_live, 5);
	assert_ptr_equal(third.presence[0], third.slot[0].presence);
	close_memory(&third);
	forget();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_worker_gets_its_own_and_nothing_of_another),
		cmocka_unit_test(a_region_outlives_worker_and_supervisor),
		cmocka_unit_test(stamps_are_saved_to_the_map_by_slot),
		cmocka_unit_test(a_generation_has_its_own_beside_that_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
