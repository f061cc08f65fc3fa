/* SPDX-License-Identifier: BSD-2-Clause */
/* The writer of audit records: order, a full queue, a disk that does not answer, the end. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "storage/storage_db.h"
#include "storage/storage_writer.h"

#define WAIT_MS 20000 /* far over what is needed */

struct fixture {
	char dir[64];
	struct storage *storage;
	struct storage_writer *writer;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/sluice-writer-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	*state = f;
	return storage_open(f->dir, &f->storage, NULL);
}

static int teardown(void **state)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	struct fixture *f = *state;
	char path[128];

	storage_close(f->storage);
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/sluice.db%s", f->dir, ends[i]);
		unlink(path);
	}
	rmdir(f->dir);
	free(f);
	return 0;
}

static int put(struct fixture *f, unsigned int i)
{
	char text[32];

	snprintf(text, sizeof(text), "%u", i);
	return storage_writer_audit(f->writer, i, "who", text);
}

/* What is stored is 0 to n-1 in this order. */
static void expect_stored(struct fixture *f, unsigned int n)
{
	struct buf is, should;

	buf_init(&is, 1 << 22);
	buf_init(&should, 1 << 22);
	assert_int_equal(storage_audit_load(f->storage, 100000, &is), 0);
	buf_add(&should, "[", 1);
	for (unsigned int i = 0; i < n; i++)
		buf_printf(&should, "%s{\"wall_ns\":%u,\"who\":\"who\",\"what\":%u}",
			   i ? ",\n" : "", i, i);
	buf_add(&should, "]", 1);
	assert_int_equal(buf_len(&is), buf_len(&should));
	assert_memory_equal(buf_head(&is), buf_head(&should), buf_len(&should));
	buf_clear(&is);
	buf_clear(&should);
}

static void exec(struct fixture *f, const char *sql)
{
	assert_int_equal(sqlite3_exec(f->storage->db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static void start(struct fixture *f, size_t max)
{
	assert_int_equal(storage_writer_start(f->storage, max, &f->writer), 0);
}

static void what_is_queued_is_stored_in_order_before_the_end(void **state)
{
	struct fixture *f = *state;

	start(f, STORAGE_WRITER_RECORDS);
	for (unsigned int i = 0; i < 1000; i++)
		assert_int_equal(put(f, i), 0);
	assert_int_equal(storage_writer_lost(f->writer, NULL), 0);
	assert_int_equal(storage_writer_stop(f->writer, WAIT_MS), 0);
	expect_stored(f, 1000);
}

static void a_full_queue_drops_and_counts_and_waits_for_nothing(void **state)
{
	struct fixture *f = *state;
	int error = 0;

	start(f, 3);
	exec(f, "BEGIN IMMEDIATE"); /* the disk does not answer: the thread cannot commit */
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(put(f, i), 0);
	assert_int_equal(put(f, 3), -ENOBUFS);
	assert_int_equal(put(f, 4), -ENOBUFS);
	assert_int_equal(storage_writer_lost(f->writer, &error), 2);
	assert_int_equal(error, -ENOBUFS);
	exec(f, "ROLLBACK");
	assert_int_equal(storage_writer_stop(f->writer, WAIT_MS), 0);
	expect_stored(f, 3);
}

static void the_end_is_bounded_and_says_what_was_not_written(void **state)
{
	struct fixture *f = *state;

	start(f, 10);
	exec(f, "BEGIN IMMEDIATE");
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(put(f, i), 0);
	assert_int_equal(storage_writer_stop(f->writer, 10), 5);
	exec(f, "ROLLBACK");
	assert_int_equal(storage_writer_stop(f->writer, WAIT_MS), 0);
	expect_stored(f, 5);
}

static void edits_are_stored_while_the_thread_writes(void **state)
{
	struct fixture *f = *state;

	start(f, STORAGE_WRITER_RECORDS);
	for (unsigned int i = 0; i < 200; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%u", i % 10);
		assert_int_equal(put(f, i), 0);
		assert_int_equal(storage_edit_add(f->storage, "limit", name, "set", "{}"), 0);
	}
	assert_int_equal(storage_writer_stop(f->writer, WAIT_MS), 0);
	expect_stored(f, 200);
}

static void what_cannot_be_written_is_counted(void **state)
{
	const struct timespec step = { .tv_nsec = 1000000 };
	struct fixture *f = *state;
	int error = 0;

	start(f, 10);
	exec(f, "DROP TABLE audit");
	assert_int_equal(put(f, 0), 0);
	for (int i = 0; i < WAIT_MS && !storage_writer_lost(f->writer, &error); i++)
		nanosleep(&step, NULL);
	assert_int_equal(storage_writer_lost(f->writer, &error), 1);
	assert_int_equal(error, -EIO);
	assert_int_equal(storage_writer_stop(f->writer, WAIT_MS), 0);
}

static void what_is_no_record_is_refused_and_counted(void **state)
{
	struct fixture *f = *state;
	char *longer = malloc(STORAGE_WRITER_RECORD_BYTES + 2);

	memset(longer, '1', STORAGE_WRITER_RECORD_BYTES + 1);
	longer[STORAGE_WRITER_RECORD_BYTES + 1] = '\0';
	start(f, 10);
	assert_int_equal(storage_writer_audit(f->writer, 1, "who", "{"), -EINVAL);
	assert_int_equal(storage_writer_audit(f->writer, 1, "who", longer), -EMSGSIZE);
	assert_int_equal(put(f, 0), 0);
	assert_int_equal(storage_writer_lost(f->writer, NULL), 2);
	assert_int_equal(storage_writer_stop(f->writer, WAIT_MS), 0);
	expect_stored(f, 1);
	free(longer);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_is_queued_is_stored_in_order_before_the_end),
		TEST(a_full_queue_drops_and_counts_and_waits_for_nothing),
		TEST(the_end_is_bounded_and_says_what_was_not_written),
		TEST(edits_are_stored_while_the_thread_writes),
		TEST(what_cannot_be_written_is_counted),
		TEST(what_is_no_record_is_refused_and_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
