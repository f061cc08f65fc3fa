/* SPDX-License-Identifier: BSD-2-Clause */
/* Files of certificates that change are noticed once, when they have settled. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/pem_watch.h"

static char folder[] = "/tmp/pem-watch-XXXXXX";
static unsigned int opened;

/* The paths of the configuration lie below the folder. */
static int open_file(const char *path, struct errmsg *err, void *ctx)
{
	char text[256];
	int fd;

	(void)err, (void)ctx;
	opened++;
	snprintf(text, sizeof(text), "%s%s", folder, path);
	fd = open(text, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static const struct pem_source source = { open_file, NULL };

static void place(const char *path, const char *text)
{
	char to[256], fresh[264];
	FILE *f;

	snprintf(to, sizeof(to), "%s%s", folder, path);
	snprintf(fresh, sizeof(fresh), "%s.new", to);
	f = fopen(fresh, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(rename(fresh, to), 0);
}

static struct conf *parse(const char *yaml)
{
	static struct conf_errors errors;
	struct conf *conf;

	if (conf_parse(yaml, strlen(yaml), &conf, &errors))
		fail_msg("%s", errors.error[0].text);
	return conf;
}

#define ALL                                                                       \
	"listeners: [{name: l, address: 127.0.0.1, port: 443, certificates: "     \
	"[{certificate: /a, key: /b}], client_auth: {mode: optional, ca: /c}}]\n" \
	"clusters: [{name: k, endpoints: ['127.0.0.1:1'], tls: {ca: /d, "         \
	"server_name: h.example}}]\nroutes: [{name: r, cluster: k}]\n"

static void a_change_is_told_once_and_when_it_has_settled(void **state)
{
	static const char *const paths[] = { "/a", "/b", "/c", "/d" };
	struct conf *conf = parse(ALL);
	struct pem_watch w = { 0 };

	(void)state;
	for (int i = 0; i < 4; i++)
		place(paths[i], "x");
	assert_false(pem_watch_turn(&w, conf, &source));
	assert_true(
		pem_watch_turn(&w, conf, &source)); /* what was read at the start may be older */
	assert_false(pem_watch_turn(&w, conf, &source));
	for (int i = 0; i < 4; i++) {
		place(paths[i], "xy");
		assert_false(pem_watch_turn(&w, conf, &source));
		place(paths[i], "xyz"); /* still being written */
		assert_false(pem_watch_turn(&w, conf, &source));
		assert_true(pem_watch_turn(&w, conf, &source));
		assert_false(pem_watch_turn(&w, conf, &source));
	}
	conf_free(conf);
}

static void one_that_goes_is_a_change_too(void **state)
{
	struct conf *conf = parse(ALL);
	struct pem_watch w = { 0 };
	char path[256];

	(void)state;
	place("/a", "x");
	pem_watch_turn(&w, conf, &source);
	assert_true(pem_watch_turn(&w, conf, &source));
	snprintf(path, sizeof(path), "%s/a", folder);
	assert_int_equal(unlink(path), 0);
	assert_false(pem_watch_turn(&w, conf, &source));
	assert_true(pem_watch_turn(&w, conf, &source));
	place("/a", "x");
	assert_false(pem_watch_turn(&w, conf, &source));
	assert_true(pem_watch_turn(&w, conf, &source));
	conf_free(conf);
}

static void without_files_there_is_nothing_to_tell(void **state)
{
	struct conf *conf = parse("agent: {}\n");
	struct pem_watch w = { 0 };

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_false(pem_watch_turn(&w, conf, &source));
	conf_free(conf);
}

static void many_files_take_several_turns(void **state)
{
	enum { PAIRS = 100 };
	struct conf_certificate *pairs = calloc(PAIRS, sizeof(*pairs));
	struct conf_listener listener = { .certificates = pairs, .n_certificates = PAIRS };
	struct conf conf = { .listeners = &listener, .n_listeners = 1 };
	struct pem_watch w = { 0 };
	char path[] = "/a";
	int turns = 0;

	(void)state;
	place("/a", "x");
	for (int i = 0; i < PAIRS; i++)
		pairs[i] = (struct conf_certificate) { .certificate = path, .key = path };
	for (bool told = false; !told; turns++) {
		opened = 0;
		told = pem_watch_turn(&w, &conf, &source);
		assert_true(opened <= PEM_WATCH_FILES);
		assert_true(turns < 20);
	}
	assert_int_equal(turns, 8); /* two rounds of 200 files */
	free(pairs);
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
	static const char *const names[] = { "/a", "/b", "/c", "/d", "" };
	char path[256];

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		snprintf(path, sizeof(path), "%s%s", folder, names[i]);
		(void)remove(path);
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_change_is_told_once_and_when_it_has_settled),
		cmocka_unit_test(one_that_goes_is_a_change_too),
		cmocka_unit_test(without_files_there_is_nothing_to_tell),
		cmocka_unit_test(many_files_take_several_turns),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
