/* SPDX-License-Identifier: BSD-2-Clause */
/* The pump between an honest ring and one whose writer wants it to turn for ever. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/log_pump.h"

#define DATA_BYTES  (1U << 20)
#define RECORD	    20000U /* longer than a line of the pump may be */
#define HEAD_OFFSET 64	   /* ring.c: a cache line behind the header */
#define TAIL_OFFSET 128
#define PATIENCE_MS 10000

static void *mem_new(void)
{
	void *mem = aligned_alloc(64, ring_bytes(DATA_BYTES));

	assert_non_null(mem);
	return mem;
}

static struct hostile {
	char *mem;
	atomic_bool stop;
} hostile;

/* Always full of records that are too long: each can be skipped, and the next is there at once. */
static void *keep_full(void *arg)
{
	_Atomic uint64_t *head = (_Atomic uint64_t *)(void *)(hostile.mem + HEAD_OFFSET);
	_Atomic uint64_t *tail = (_Atomic uint64_t *)(void *)(hostile.mem + TAIL_OFFSET);

	(void)arg;
	while (!atomic_load(&hostile.stop))
		atomic_store(head, atomic_load(tail) + DATA_BYTES);
	return NULL;
}

static void read_until(int fd, const char *text)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char got[65536];
	size_t n = 0;

	got[0] = '\0';
	while (!strstr(got, text)) {
		ssize_t k;

		assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
		if (n > sizeof(got) / 2)
			n = 0;
		k = read(fd, got + n, sizeof(got) / 2 - 1);
		assert_true(k > 0);
		n += (size_t)k;
		got[n] = '\0';
	}
}

static void a_ring_of_nonsense_holds_up_nobody(void **state)
{
	char *good = mem_new();
	struct log_pump_source sources[2] = { { NULL, "worker-0" }, { NULL, "worker-1" } };
	struct counters counters = { 0 };
	struct ring *bad, *writer;
	struct log_pump *pump;
	pthread_t thread;
	int fds[2];

	(void)state;
	hostile.mem = mem_new();
	bad = ring_init(hostile.mem, DATA_BYTES);
	for (size_t i = ring_bytes(0); i + 4 <= ring_bytes(DATA_BYTES); i += 4)
		memcpy(hostile.mem + i, &(uint32_t) { RECORD }, 4);
	sources[0].ring = bad;
	sources[1].ring = ring_init(good, DATA_BYTES);
	assert_int_equal(ring_attach(good, ring_bytes(DATA_BYTES), &writer), 0);
	assert_int_equal(pthread_create(&thread, NULL, keep_full, NULL), 0);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(log_pump_start(sources, 2, fds[1], &counters, &pump), 0);
	while (!counters_get(&counters, COUNTER_LOG_CORRUPT)) /* it has met the nonsense */
		usleep(1000);
	assert_int_equal(ring_write(writer, "{\"event\":\"honest\"}\n", 19), 0);
	read_until(fds[0], "{\"role\":\"worker-1\",\"event\":\"honest\"}\n");
	log_pump_stop(pump); /* while the writer goes on: it comes to an end */
	atomic_store(&hostile.stop, true);
	pthread_join(thread, NULL);
	ring_free(bad);
	ring_free(sources[1].ring);
	ring_free(writer);
	free(hostile.mem);
	free(good);
	close(fds[0]);
	close(fds[1]);
}

/* One a turn, and not all that there are while their writer makes more. */
static void records_too_long_are_skipped_one_a_turn(void **state)
{
	enum { RECORDS = 40 };
	char *mem = mem_new(), *record = calloc(1, RECORD);
	struct log_pump_source source = { ring_init(mem, DATA_BYTES), "worker-7" };
	struct counters counters = { 0 };
	struct log_pump *pump;
	struct ring *writer;
	int fds[2];

	(void)state;
	assert_int_equal(ring_attach(mem, ring_bytes(DATA_BYTES), &writer), 0);
	for (int i = 0; i < RECORDS; i++)
		assert_int_equal(ring_write(writer, record, RECORD), 0);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(log_pump_start(&source, 1, fds[1], &counters, &pump), 0);
	log_pump_stop(pump); /* after a turn or two: the pump waits 20 ms between them */
	assert_in_range(counters_get(&counters, COUNTER_LOG_CORRUPT), 1, RECORDS - 1);
	ring_free(source.ring);
	ring_free(writer);
	free(record);
	free(mem);
	close(fds[0]);
	close(fds[1]);
}

static void a_forged_role_is_not_passed_on(void **state)
{
	static const char lie[] = "{\"role\":\"supervisor\",\"event\":\"verdict.set\"}\n";
	char *mem = mem_new(), got[4096] = "";
	struct log_pump_source source = { ring_init(mem, DATA_BYTES), "worker-7" };
	struct counters counters = { 0 };
	struct log_pump *pump;
	struct ring *writer;
	int fds[2];

	(void)state;
	assert_int_equal(ring_attach(mem, ring_bytes(DATA_BYTES), &writer), 0);
	assert_int_equal(ring_write(writer, lie, sizeof(lie) - 1), 0);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(log_pump_start(&source, 1, fds[1], &counters, &pump), 0);
	log_pump_stop(pump);
	assert_true(read(fds[0], got, sizeof(got) - 1) > 0);
	assert_non_null(strstr(got, "\"role\":\"worker-7\",\"event\":\"log.forged\""));
	assert_null(strstr(got, "\"role\":\"supervisor\""));
	assert_int_equal(counters_get(&counters, COUNTER_LOG_FORGED), 1);
	ring_free(source.ring);
	ring_free(writer);
	free(mem);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ring_of_nonsense_holds_up_nobody),
		cmocka_unit_test(records_too_long_are_skipped_one_a_turn),
		cmocka_unit_test(a_forged_role_is_not_passed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
