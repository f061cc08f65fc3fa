/* SPDX-License-Identifier: BSD-2-Clause */
/* Files with keys of connection ids: what is one, and what an error says of what is none. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/quic_secret.h"

#define BEGIN "-----BEGIN QUIC-LB KEY-----\n"
#define END   "-----END QUIC-LB KEY-----\n"
#define KEY   "AAECAwQFBgcICQoLDA0ODw==" /* 00 01 .. 0f */

static int open_text(const char *path, struct errmsg *err, void *ctx)
{
	const char *text = ctx;
	int fd;

	if (!text)
		return errmsg_set(err, -EACCES, "%s: no", path);
	fd = memfd_create("key", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

struct world {
	struct conf_quic quic[2];
	struct conf_vip vip;
	struct conf conf;
};

static void world_init(struct world *w, const char *path)
{
	*w = (struct world) { .vip = { .name = (char *)(uintptr_t) "h3", .n_quic = 2 } };
	w->quic[1].key = (char *)(uintptr_t)path;
	w->quic[1].key_place.line = 7;
	w->vip.quic = w->quic;
	w->conf = (struct conf) { .vips = &w->vip, .n_vips = 1 };
}

static int load(struct world *w, const struct conf *was, const char *text,
		struct conf_errors *errors)
{
	const struct pem_source source = { open_text, (void *)(uintptr_t)text };

	errors->n = errors->suppressed = 0;
	return quic_secret_load(&w->conf, was, &source, errors);
}

static void a_key_is_read_and_kept_by_its_path(void **state)
{
	struct world w, next, other;
	struct conf_errors errors;

	(void)state;
	world_init(&w, "/k");
	assert_int_equal(load(&w, NULL, BEGIN KEY "\n" END, &errors), 0);
	assert_false(w.quic[0].has_secret);
	assert_true(w.quic[1].has_secret);
	for (uint8_t i = 0; i < QUIC_KEY_BYTES; i++)
		assert_int_equal(w.quic[1].secret[i], i);
	world_init(&next, "/k"); /* nothing is opened for what is known */
	assert_int_equal(load(&next, &w.conf, NULL, &errors), 0);
	assert_false(quic_secret_differ(&w.conf, &next.conf));
	next.quic[1].secret[15]++;
	assert_true(quic_secret_differ(&w.conf, &next.conf));
	world_init(&other, "/l");
	assert_int_equal(load(&other, &w.conf, NULL, &errors), -EINVAL);
	assert_false(other.quic[1].has_secret);
}

static void what_is_no_key_is_said_at_its_place(void **state)
{
	static char long_text[8192];
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ NULL, "/k: no" },
		{ "", "/k: is not PEM" },
		{ KEY "\n", "/k: is not PEM" },
		{ BEGIN KEY "\n", "/k: is not PEM" },
		{ BEGIN "!!!!\n" END, "/k: is not PEM" },
		{ "-----BEGIN KEY-----\n" KEY "\n-----END KEY-----\n", "is not a QUIC-LB KEY" },
		{ BEGIN "AAECAwQFBgcICQoLDA0O\n" END, "has 15 bytes of key; AES-128 takes 16" },
		{ BEGIN "AAECAwQFBgcICQoLDA0ODxA=\n" END, "has 17 bytes of key" },
		{ long_text, "/k: is too long for a key" },
	};

	(void)state;
	memset(long_text, 'A', sizeof(long_text) - 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct pem_source source = { open_text, (void *)(uintptr_t)rows[i].text };
		struct conf_errors errors;
		struct world w;

		world_init(&w, "/k");
		assert_int_equal(load(&w, NULL, rows[i].text, &errors), -EINVAL);
		assert_int_equal(errors.n, 1);
		assert_int_equal(errors.error[0].line, 7);
		assert_non_null(strstr(errors.error[0].text, "vips[h3].quic[1].key: "));
		assert_non_null(strstr(errors.error[0].text, rows[i].says));
		assert_null(strstr(errors.error[0].text, "AAEC"));
		assert_false(w.quic[1].has_secret);
		errors.n = 0;
		quic_secret_check(&w.conf, &source, &errors);
		assert_int_equal(errors.n, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_read_and_kept_by_its_path),
		cmocka_unit_test(what_is_no_key_is_said_at_its_place),
	};

	return cmocka_run_group_tests_name("quic_secret", tests, NULL, NULL);
}
