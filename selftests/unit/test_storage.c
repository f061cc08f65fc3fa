/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "storage/storage.h"
#include "storage/storage_db.h"

struct fixture {
	char dir[64], path[96];
	struct storage *storage;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/sluice-storage-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/sluice.db", f->dir);
	*state = f;
	return storage_open(f->dir, &f->storage, NULL);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char side[112];

	storage_close(f->storage);
	unlink(f->path);
	snprintf(side, sizeof(side), "%s-wal", f->path);
	unlink(side);
	snprintf(side, sizeof(side), "%s-shm", f->path);
	unlink(side);
	rmdir(f->dir);
	free(f);
	return 0;
}

static void reopen(struct fixture *f)
{
	storage_close(f->storage);
	f->storage = NULL;
	assert_int_equal(storage_open(f->dir, &f->storage, NULL), 0);
}

static void expect_edits(struct fixture *f, const char *json)
{
	struct buf out;

	buf_init(&out, 1 << 20);
	assert_int_equal(storage_edits_load(f->storage, &out), 0);
	buf_add(&out, "", 1);
	assert_string_equal(buf_head(&out), json);
	buf_clear(&out);
}

static void test_a_new_file_is_private_and_empty(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	expect_edits(f, "[]");
	/* and made private again when somebody opened it up */
	assert_int_equal(chmod(f->path, 0644), 0);
	reopen(f);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

/* Each row is a history of edits of one kind, and what is replayed after it. */
static const struct {
	struct {
		const char *kind, *name, *op, *edit;
	} step[6];
	const char *replayed;
} histories[] = {
	{ { { "limit", "a", "set", "{\"name\":\"a\",\"packets\":{\"rate\":\"1/s\"}}" } },
	  "[{\"name\":\"a\",\"packets\":{\"rate\":\"1/s\"},\"kind\":\"limit\",\"op\":\"set\"}]" },
	/* sets are merged as conf_edit merges them */
	{ { { "limit", "a", "set", "{\"name\":\"a\",\"packets\":{\"rate\":\"1/s\"}}" },
	    { "limit", "a", "set", "{\"name\":\"a\",\"packets\":{\"burst\":5}}" },
	    { "limit", "a", "set",
	      "{\"name\":\"a\",\"packets\":{\"rate\":\"2/s\"},\"dry_run\":true}" } },
	  "[{\"name\":\"a\",\"packets\":{\"rate\":\"2/s\",\"burst\":5},\"kind\":\"limit\",\"op\":\"set\","
	  "\"dry_run\":true}]" },
	/* a map that was cleared starts from nothing: that cannot be merged */
	{ { { "limit", "a", "set", "{\"name\":\"a\",\"packets\":null}" },
	    { "limit", "a", "set", "{\"name\":\"a\",\"packets\":{\"rate\":\"2/s\"}}" } },
	  "[{\"name\":\"a\",\"packets\":null,\"kind\":\"limit\",\"op\":\"set\"},\n"
	  "{\"name\":\"a\",\"packets\":{\"rate\":\"2/s\"},\"kind\":\"limit\",\"op\":\"set\"}]" },
	{ { { "consumer", "b", "add", "{\"name\":\"b\",\"plan\":\"p\"}" },
	    { "consumer", "b", "set", "{\"name\":\"b\",\"plan\":\"q\"}" } },
	  "[{\"name\":\"b\",\"plan\":\"q\",\"kind\":\"consumer\",\"op\":\"add\"}]" },
	{ { { "consumer", "b", "add", "{\"name\":\"b\",\"plan\":\"p\"}" },
	    { "consumer", "b", "set", "{\"name\":\"b\",\"plan\":\"q\"}" },
	    { "consumer", "b", "del", "{\"name\":\"b\"}" } },
	  "[]" },
	{ { { "consumer", "b", "set", "{\"name\":\"b\",\"plan\":\"q\"}" },
	    { "consumer", "b", "del", "{\"name\":\"b\"}" } },
	  "[{\"name\":\"b\",\"kind\":\"consumer\",\"op\":\"del\"}]" },
	{ { { "consumer", "b", "del", "{\"name\":\"b\"}" },
	    { "consumer", "b", "add", "{\"name\":\"b\",\"plan\":\"p\"}" },
	    { "consumer", "b", "set", "{\"name\":\"b\",\"plan\":\"q\"}" } },
	  "[{\"name\":\"b\",\"kind\":\"consumer\",\"op\":\"del\"},\n"
	  "{\"name\":\"b\",\"plan\":\"q\",\"kind\":\"consumer\",\"op\":\"add\"}]" },
	/* it was in the file, whatever was added in between */
	{ { { "consumer", "b", "del", "{\"name\":\"b\"}" },
	    { "consumer", "b", "add", "{\"name\":\"b\",\"plan\":\"p\"}" },
	    { "consumer", "b", "del", "{\"name\":\"b\"}" } },
	  "[{\"name\":\"b\",\"kind\":\"consumer\",\"op\":\"del\"}]" },
	/* new keys replace both forms of old ones */
	{ { { "consumer", "b", "set", "{\"name\":\"b\",\"keys\":[\"k\"]}" },
	    { "consumer", "b", "set", "{\"name\":\"b\",\"keys_sha256\":[\"00\"]}" } },
	  "[{\"name\":\"b\",\"kind\":\"consumer\",\"op\":\"set\",\"keys_sha256\":[\"00\"]}]" },
	/* one prefix in two spellings; the lists are apart */
	{ { { "acl", NULL, "add", "{\"list\":\"deny\",\"prefix\":\"2001:db8::/32\"}" },
	    { "acl", NULL, "add", "{\"list\":\"allow\",\"prefix\":\"2001:db8::/32\"}" },
	    { "acl", NULL, "del", "{\"list\":\"deny\",\"prefix\":\"2001:DB8:0::/32\"}" } },
	  "[{\"list\":\"allow\",\"prefix\":\"2001:db8::/32\",\"kind\":\"acl\",\"op\":\"add\"}]" },
	/* backends of the same name in two vips are two */
	{ { { "backend", "b", "set", "{\"vip\":\"v\",\"name\":\"b\",\"weight\":1}" },
	    { "backend", "b", "set", "{\"vip\":\"w\",\"name\":\"b\",\"weight\":2}" },
	    { "backend", "b", "set", "{\"vip\":\"v\",\"name\":\"b\",\"weight\":0}" } },
	  "[{\"vip\":\"v\",\"name\":\"b\",\"weight\":0,\"kind\":\"backend\",\"op\":\"set\"},\n"
	  "{\"vip\":\"w\",\"name\":\"b\",\"weight\":2,\"kind\":\"backend\",\"op\":\"set\"}]" },
	/* a vip that goes, or gets another list, takes edits of its backends along */
	{ { { "backend", "b", "set", "{\"vip\":\"v\",\"name\":\"b\",\"weight\":1}" },
	    { "backend", "c", "add", "{\"vip\":\"v\",\"name\":\"c\"}" },
	    { "backend", "b", "set", "{\"vip\":\"w\",\"name\":\"b\",\"weight\":2}" },
	    { "vip", "v", "del", "{\"name\":\"v\"}" },
	    { "vip", "w", "set", "{\"name\":\"w\",\"backends\":[]}" } },
	  "[{\"name\":\"v\",\"kind\":\"vip\",\"op\":\"del\"},\n"
	  "{\"name\":\"w\",\"backends\":[],\"kind\":\"vip\",\"op\":\"set\"}]" },
};

static void test_edits_are_folded_by_their_item(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(histories) / sizeof(histories[0]); i++) {
		assert_int_equal(storage_edits_clear(f->storage), 0);
		for (size_t j = 0; j < 6 && histories[i].step[j].kind; j++)
			assert_int_equal(storage_edit_add(f->storage, histories[i].step[j].kind,
							  histories[i].step[j].name,
							  histories[i].step[j].op,
							  histories[i].step[j].edit),
					 0);
		expect_edits(f, histories[i].replayed);
		reopen(f);
		expect_edits(f, histories[i].replayed);
	}
}

static void test_what_is_no_edit_is_refused_and_changes_nothing(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(storage_edit_add(f->storage, "limit", "a", "set", "{"), -EINVAL);
	assert_int_equal(storage_edit_add(f->storage, "limit", "a", "set", "[]"), -EINVAL);
	assert_int_equal(storage_edit_add(f->storage, "limit", "a", "put", "{}"), -EINVAL);
	expect_edits(f, "[]");
}

static void test_edits_that_do_not_fit_leave_nothing_in_the_buffer(void **state)
{
	struct fixture *f = *state;
	struct buf out;

	for (int i = 0; i < 20; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%d", i);
		assert_int_equal(storage_edit_add(f->storage, "limit", name, "set", "{}"), 0);
	}
	buf_init(&out, 100);
	buf_add(&out, "x", 1);
	assert_int_equal(storage_edits_load(f->storage, &out), -ENOSPC);
	assert_int_equal(buf_len(&out), 1);
	buf_clear(&out);
	/* and the statement is usable again */
	assert_int_equal(storage_edits_clear(f->storage), 0);
	expect_edits(f, "[]");
}

static void test_the_audit_trail_is_kept_and_read_oldest_first(void **state)
{
	struct fixture *f = *state;
	struct buf out;

	buf_init(&out, 4096);
	assert_int_equal(storage_audit_add(f->storage, 1, "uid 0 pid 1", "{\"a\":1}"), 0);
	assert_int_equal(storage_audit_add(f->storage, 2, "uid \"0\"\n", "{\"b\":2}"), 0);
	assert_int_equal(storage_audit_add(f->storage, 18446744073ULL * 1000000000, "c", "3"), 0);
	assert_int_equal(storage_audit_add(f->storage, 4, "x", "not json"), -EINVAL);
	reopen(f);
	assert_int_equal(storage_audit_load(f->storage, 2, &out), 0);
	buf_add(&out, "", 1);
	assert_string_equal(buf_head(&out),
			    "[{\"wall_ns\":2,\"who\":\"uid \\\"0\\\"\\n\",\"what\":{\"b\":2}},\n"
			    "{\"wall_ns\":18446744073000000000,\"who\":\"c\",\"what\":3}]");
	buf_clear(&out);
}

static void sql(struct fixture *f, const char *text)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static sqlite3_int64 count(struct storage *s, const char *text)
{
	sqlite3_stmt *stmt;
	sqlite3_int64 n;

	assert_int_equal(sqlite3_prepare_v2(s->db, text, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return n;
}

static void test_the_audit_trail_is_cut_at_its_old_end(void **state)
{
	struct fixture *f = *state;

	storage_close(f->storage);
	f->storage = NULL;
	sql(f, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100005) "
	       "INSERT INTO audit (wall_ns, who, what) SELECT i, 'x', '1' FROM n");
	reopen(f);
	assert_int_equal(storage_audit_add(f->storage, 7, "last", "1"), 0);
	assert_int_equal(count(f->storage, "SELECT count(*) FROM audit"), STORAGE_AUDIT_MAX);
	assert_int_equal(count(f->storage, "SELECT min(wall_ns) FROM audit WHERE who = 'x'"), 7);
}

static char *read_file(const char *path, size_t *ret_n)
{
	char *bytes = calloc(1, 1 << 20);
	FILE *file = fopen(path, "re");

	assert_non_null(file);
	*ret_n = fread(bytes, 1, 1 << 20, file);
	fclose(file);
	return bytes;
}

/* The file is refused with the code and the words, and stays as it was to the byte. */
static void expect_refusal(struct fixture *f, int code, const char *says)
{
	size_t n_before, n_after;
	char *before = read_file(f->path, &n_before), *after;
	struct errmsg err = { "" };
	struct storage *s = NULL;

	assert_int_equal(storage_open(f->dir, &s, &err), code);
	assert_null(s);
	assert_non_null(strstr(err.text, says));
	assert_non_null(strstr(err.text, f->path));
	after = read_file(f->path, &n_after);
	assert_int_equal(n_before, n_after);
	assert_memory_equal(before, after, n_before);
	free(before);
	free(after);
}

static void test_a_file_of_a_newer_version_is_left_alone(void **state)
{
	struct fixture *f = *state;

	storage_close(f->storage);
	f->storage = NULL;
	sql(f, "PRAGMA user_version = 3");
	expect_refusal(f, -EPROTO, "has version 3, this program knows up to 2");
}

static void test_the_number_of_the_revision_survives_a_restart(void **state)
{
	struct fixture *f = *state;
	uint64_t number = 7;

	assert_int_equal(storage_revision_get(f->storage, &number), 0);
	assert_int_equal(number, 0);
	assert_int_equal(storage_revision_set(f->storage, 41), 0);
	assert_int_equal(storage_revision_set(f->storage, 42), 0);
	reopen(f);
	assert_int_equal(storage_revision_get(f->storage, &number), 0);
	assert_int_equal(number, 42);
}

static void test_a_file_of_version_1_is_brought_up_and_keeps_what_it_has(void **state)
{
	struct fixture *f = *state;
	uint64_t number = 7;

	assert_int_equal(storage_edit_add(f->storage, "limit", "a", "set",
					  "{\"name\":\"a\",\"dry_run\":true}"),
			 0);
	storage_close(f->storage);
	f->storage = NULL;
	sql(f, "DROP TABLE revision; PRAGMA user_version = 1");
	reopen(f);
	assert_int_equal(storage_revision_get(f->storage, &number), 0);
	assert_int_equal(number, 0);
	assert_int_equal(storage_revision_set(f->storage, 1), 0);
	expect_edits(f, "[{\"name\":\"a\",\"dry_run\":true,\"kind\":\"limit\",\"op\":\"set\"}]");
}

static void test_another_programs_database_is_left_alone(void **state)
{
	struct fixture *f = *state;

	storage_close(f->storage);
	f->storage = NULL;
	sql(f, "PRAGMA application_id = 1");
	expect_refusal(f, -EUCLEAN, "is no database of Sluice");
}

static void overwrite(const char *path, long offset, const void *bytes, size_t n)
{
	FILE *file = fopen(path, "r+e");

	assert_non_null(file);
	assert_int_equal(fseek(file, offset, SEEK_SET), 0);
	assert_int_equal(fwrite(bytes, 1, n, file), n);
	assert_int_equal(fclose(file), 0);
}

static void test_a_damaged_file_is_left_alone(void **state)
{
	struct fixture *f = *state;
	char garbage[4096];

	memset(garbage, 0xa5, sizeof(garbage));
	for (int i = 0; i < 50; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%d", i);
		assert_int_equal(storage_edit_add(f->storage, "limit", name, "set", "{}"), 0);
	}
	storage_close(f->storage);
	f->storage = NULL;
	/* a page in the middle: the header is fine, the tree is not */
	overwrite(f->path, 4096, garbage, sizeof(garbage));
	expect_refusal(f, -EUCLEAN, "damaged");
	/* no database at all */
	overwrite(f->path, 0, garbage, sizeof(garbage));
	expect_refusal(f, -EUCLEAN, "damaged");
}

static void test_a_truncated_file_is_left_alone(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(storage_audit_add(f->storage, 1, "x", "1"), 0);
	storage_close(f->storage);
	f->storage = NULL;
	assert_int_equal(truncate(f->path, 5000), 0);
	expect_refusal(f, -EUCLEAN, "damaged");
}

static void test_a_directory_that_is_not_there_is_named(void **state)
{
	struct errmsg err = { "" };
	struct storage *s = NULL;

	(void)state;
	assert_int_equal(storage_open("/nonexistent/dir", &s, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/dir/sluice.db"));
	assert_null(s);
}

static void test_two_processes_may_have_it_open(void **state)
{
	struct fixture *f = *state;
	struct storage *other = NULL;

	assert_int_equal(storage_open(f->dir, &other, NULL), 0);
	assert_int_equal(storage_edit_add(other, "limit", "a", "set", "{}"), 0);
	assert_int_equal(storage_edit_add(f->storage, "limit", "b", "set", "{}"), 0);
	storage_close(other);
	expect_edits(f, "[{\"kind\":\"limit\",\"op\":\"set\",\"name\":\"a\"},\n"
			"{\"kind\":\"limit\",\"op\":\"set\",\"name\":\"b\"}]");
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_a_new_file_is_private_and_empty),
		TEST(test_edits_are_folded_by_their_item),
		TEST(test_what_is_no_edit_is_refused_and_changes_nothing),
		TEST(test_edits_that_do_not_fit_leave_nothing_in_the_buffer),
		TEST(test_the_audit_trail_is_kept_and_read_oldest_first),
		TEST(test_the_audit_trail_is_cut_at_its_old_end),
		TEST(test_a_file_of_a_newer_version_is_left_alone),
		TEST(test_the_number_of_the_revision_survives_a_restart),
		TEST(test_a_file_of_version_1_is_brought_up_and_keeps_what_it_has),
		TEST(test_another_programs_database_is_left_alone),
		TEST(test_a_damaged_file_is_left_alone),
		TEST(test_a_truncated_file_is_left_alone),
		TEST(test_a_directory_that_is_not_there_is_named),
		TEST(test_two_processes_may_have_it_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
