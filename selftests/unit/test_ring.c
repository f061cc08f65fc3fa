/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/ring.h"

#define DATA_BYTES 256U

struct fixture {
	void *mem;
	struct ring *writer, *reader;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->mem = mmap(NULL, ring_bytes(DATA_BYTES), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	f->writer = ring_init(f->mem, DATA_BYTES);
	*state = f;
	return ring_attach(f->mem, ring_bytes(DATA_BYTES), &f->reader);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	ring_free(f->writer);
	ring_free(f->reader);
	munmap(f->mem, ring_bytes(DATA_BYTES));
	free(f);
	return 0;
}

static void test_records_come_out_as_they_went_in(void **state)
{
	struct fixture *f = *state;
	char in[100], out[100];

	for (int i = 0; i < 5000; i++) {
		size_t n = 1 + (size_t)i % sizeof(in);

		memset(in, i, n);
		assert_int_equal(ring_write(f->writer, in, n), 0);
		if (i % 2) /* two records at a time, over the end and round again */
			continue;
		assert_int_equal(ring_read(f->reader, out, sizeof(out)), n);
		assert_memory_equal(in, out, n);
		assert_int_equal(ring_read(f->reader, out, sizeof(out)), 0);
		i++;
	}
}

static void test_a_full_ring_drops_and_counts(void **state)
{
	struct fixture *f = *state;
	char bytes[DATA_BYTES] = { 0 };
	int written = 0;

	assert_int_equal(ring_write(f->writer, bytes, sizeof(bytes)), -ENOSPC);
	assert_int_equal(ring_write(f->writer, bytes, 0), -EINVAL);
	while (ring_write(f->writer, bytes, 12) == 0)
		written++;
	assert_int_equal(written, DATA_BYTES / 16);
	assert_int_equal(ring_dropped(f->reader), 2);
	assert_int_equal(ring_read(f->reader, bytes, sizeof(bytes)), 12);
	assert_int_equal(ring_write(f->writer, bytes, 12), 0);
}

static void test_a_record_too_long_for_the_reader_is_skipped(void **state)
{
	struct fixture *f = *state;
	char out[4];

	ring_write(f->writer, "too long", 8);
	ring_write(f->writer, "fits", 4);
	assert_int_equal(ring_read(f->reader, out, sizeof(out)), -EMSGSIZE);
	assert_int_equal(ring_read(f->reader, out, sizeof(out)), 4);
	assert_memory_equal(out, "fits", 4);
}

static void test_a_writer_that_lies_is_found_out(void **state)
{
	struct fixture *f = *state;
	unsigned char *bytes = f->mem;
	char out[DATA_BYTES];
	size_t data_at = ring_bytes(0);
	uint32_t len = 0x7fffffff;

	/* a length beyond the ring */
	ring_write(f->writer, "abc", 3);
	memcpy(bytes + data_at, &len, sizeof(len));
	assert_int_equal(ring_read(f->reader, out, sizeof(out)), -EPROTO);
	assert_int_equal(ring_read(f->reader, out, sizeof(out)), 0);
	/* a size of the ring that was changed after attaching: the reader has its own */
	memset(bytes + 8, 0x7f, 8);
	ring_write(f->writer, "abc", 3);
	assert_int_equal(ring_read(f->reader, out, sizeof(out)), 3);
	assert_memory_equal(out, "abc", 3);
	/* a head from nowhere */
	memset(bytes + 64, 0xff, 8);
	assert_int_equal(ring_read(f->reader, out, sizeof(out)), -EPROTO);
	assert_int_equal(ring_read(f->reader, out, sizeof(out)), 0);
}

static void test_attaching_to_nonsense_fails(void **state)
{
	struct fixture *f = *state;
	unsigned char *bytes = f->mem;
	struct ring *r;

	assert_int_equal(ring_attach(f->mem, 16, &r), -EPROTO);
	assert_int_equal(ring_attach(f->mem, ring_bytes(DATA_BYTES) - 1, &r), -EPROTO);
	bytes[8] = 1; /* 257 bytes: no power of two */
	assert_int_equal(ring_attach(f->mem, ring_bytes(DATA_BYTES), &r), -EPROTO);
	bytes[8] = 0;
	bytes[0] ^= 1;
	assert_int_equal(ring_attach(f->mem, ring_bytes(DATA_BYTES), &r), -EPROTO);
	assert_null(ring_init(f->mem, 100));
}

static void test_a_new_reader_goes_on_where_the_old_one_stopped(void **state)
{
	struct fixture *f = *state;
	char out[8];

	ring_write(f->writer, "one", 3);
	ring_write(f->writer, "two", 3);
	ring_read(f->reader, out, sizeof(out));
	ring_free(f->reader);
	assert_int_equal(ring_attach(f->mem, ring_bytes(DATA_BYTES), &f->reader), 0);
	assert_int_equal(ring_read(f->reader, out, sizeof(out)), 3);
	assert_memory_equal(out, "two", 3);
}

static void write_numbers(struct ring *r, uint32_t count)
{
	uint32_t bytes[16];

	for (uint32_t i = 0; i < count;) {
		for (size_t k = 0; k < 16; k++)
			bytes[k] = i;
		if (ring_write(r, bytes, 4 + i % 60) == 0)
			i++;
	}
}

static void test_two_processes_lose_and_mix_nothing(void **state)
{
	struct fixture *f = *state;
	const uint32_t count = 200000;
	uint32_t out[16], expected = 0;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		write_numbers(f->writer, count);
		_exit(0);
	}
	while (expected < count) {
		int n = ring_read(f->reader, out, sizeof(out));

		if (n == 0)
			continue;
		assert_int_equal(n, 4 + expected % 60);
		for (size_t k = 0; k < (size_t)n / 4; k++)
			assert_int_equal(out[k], expected);
		expected++;
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_records_come_out_as_they_went_in, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_a_full_ring_drops_and_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_record_too_long_for_the_reader_is_skipped,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_writer_that_lies_is_found_out, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_attaching_to_nonsense_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_new_reader_goes_on_where_the_old_one_stopped,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_processes_lose_and_mix_nothing, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
