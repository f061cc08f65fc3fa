/* SPDX-License-Identifier: BSD-2-Clause */
/* What a new context takes over from those that are there, and what it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tls_peer.h"
#include "tls_pems.h"

#define MANY 24

static struct tls_context *make(struct tls_cache *cache, const struct tls_pair *pairs, size_t n,
				const struct tls_tickets *tickets)
{
	struct tls_context *ctx = NULL;
	struct errmsg err = { "" };

	if (tls_context_new_from(cache, pairs, n, NULL, tickets, &ctx, &err))
		fail_msg("%s", err.text);
	return ctx;
}

static void assert_counts(const struct tls_cache *cache, uint64_t parsed, uint64_t built)
{
	assert_int_equal(tls_cache_counts(cache)->pairs_parsed, parsed);
	assert_int_equal(tls_cache_counts(cache)->groups_built, built);
}

static void one_of_many_that_changed_is_the_one_that_is_parsed(void **state)
{
	struct tls_pem pems[MANY], renewed;
	struct tls_pair pairs[MANY], before;
	struct tls_context *last, *next;
	struct tls_cache *cache;
	char names[64];

	(void)state;
	assert_int_equal(tls_cache_new(&cache), 0);
	for (int i = 0; i < MANY; i++) {
		snprintf(names, sizeof(names), "DNS:h%d.example", i);
		pems[i] = tls_pems_make(names, "H", false, -DAY_S, DAY_S);
		pairs[i] = tls_pems_pair("h", pems[i].cert, pems[i].key);
	}
	last = make(cache, pairs, MANY, NULL);
	assert_counts(cache, MANY, MANY);
	/* nothing changed, a path aside */
	pairs[3].name = "another path";
	next = make(cache, pairs, MANY, NULL);
	assert_counts(cache, MANY, MANY);
	tls_context_unref(last);
	/* one changed */
	renewed = tls_pems_make("DNS:h7.example", "H", false, -DAY_S, 2 * DAY_S);
	before = pairs[7];
	pairs[7] = tls_pems_pair("h", renewed.cert, renewed.key);
	last = next;
	next = make(cache, pairs, MANY, NULL);
	assert_counts(cache, MANY + 1, MANY + 1);
	/* nobody has the old one any more: it is not kept for ever */
	tls_context_unref(last);
	pairs[7] = before;
	last = next;
	next = make(cache, pairs, MANY, NULL);
	assert_counts(cache, MANY + 2, MANY + 2);
	tls_context_unref(last);
	/* another order, and another listener with a part of them */
	last = make(cache, pairs + 4, 4, NULL);
	assert_counts(cache, MANY + 2, MANY + 2);
	tls_cache_unref(cache); /* contexts keep it */
	tls_context_unref(last);
	tls_context_unref(next);
	for (int i = 0; i < MANY; i++)
		tls_pems_free(&pems[i]);
	tls_pems_free(&renewed);
}

static void a_group_is_made_anew_when_one_of_its_kinds_changes(void **state)
{
	struct tls_pair both[] = {
		tls_pems_pair("ec", tls_pems.ecdsa.cert, tls_pems.ecdsa.key),
		tls_pems_pair("rsa", tls_pems.rsa_same.cert, tls_pems.rsa_same.key),
	};
	struct tls_tickets tickets;
	struct tls_context *a, *b, *c;
	struct tls_cache *cache;

	(void)state;
	tls_peer_tickets(&tickets, 1, 'a');
	assert_int_equal(tls_cache_new(&cache), 0);
	a = make(cache, both, 2, &tickets);
	assert_counts(cache, 2, 1);
	b = make(cache, both, 1, &tickets); /* without the RSA one */
	assert_counts(cache, 2, 2);
	c = make(cache, both, 1, NULL); /* OpenSSL is told whether to make tickets */
	assert_counts(cache, 2, 3);
	tls_context_unref(a);
	tls_context_unref(b);
	tls_context_unref(c);
	tls_cache_unref(cache);
}

static void contexts_that_share_a_group_keep_their_own_names(void **state)
{
	struct tls_pair pairs[] = {
		tls_pems_pair("other", tls_pems.other.cert, tls_pems.other.key),
		tls_pems_pair("ec", tls_pems.ecdsa.cert, tls_pems.ecdsa.key),
		tls_pems_pair("wild", tls_pems.wild.cert, tls_pems.wild.key),
	};
	struct tls_peer *f = *state;
	struct tls_context *with_other, *with_wild;
	struct tls_cache *cache;

	assert_int_equal(tls_cache_new(&cache), 0);
	tls_context_unref(f->ctx);
	/* the group that serves a client before its name is known is "ec" in both */
	with_wild = make(cache, pairs + 1, 2, NULL);
	pairs[2] = pairs[0];
	with_other = make(cache, pairs + 1, 2, NULL);
	assert_counts(cache, 3, 3);
	f->ctx = with_other;
	tls_peer_expect(f, "other.example", "O");
	tls_peer_expect(f, "x.wild.example", "A ec");
	f->ctx = with_wild;
	tls_peer_expect(f, "x.wild.example", "W");
	tls_peer_expect(f, "other.example", "A ec");
	tls_context_unref(with_other);
	tls_peer_expect(f, "x.wild.example", "W");
	tls_cache_unref(cache);
}

static void a_pair_that_is_refused_leaves_nothing(void **state)
{
	struct tls_pair pairs[] = {
		tls_pems_pair("ec", tls_pems.ecdsa.cert, tls_pems.ecdsa.key),
		tls_pems_pair("mixed", tls_pems.other.cert, tls_pems.wild.key),
	};
	struct tls_context *ctx = NULL;
	struct tls_cache *cache;
	struct errmsg err;

	(void)state;
	assert_int_equal(tls_cache_new(&cache), 0);
	assert_true(tls_context_new_from(cache, pairs, 2, NULL, NULL, &ctx, &err) < 0);
	assert_null(ctx);
	assert_non_null(strstr(err.text, "mixed: the private key does not belong"));
	assert_counts(cache, 1, 0);
	/* the good one was parsed, and then belonged to nobody */
	ctx = make(cache, pairs, 1, NULL);
	assert_counts(cache, 2, 1);
	tls_context_unref(ctx);
	tls_cache_unref(cache);
}

static void what_serves_now_may_expire_and_serve_on(void **state)
{
	struct tls_pem pem = tls_pems_make("DNS:soon.example", "S", false, -DAY_S, 1);
	struct tls_pair pair = tls_pems_pair("soon", pem.cert, pem.key);
	struct tls_context *last, *next;
	struct tls_cache *cache;
	struct errmsg err;

	(void)state;
	assert_int_equal(tls_cache_new(&cache), 0);
	last = make(cache, &pair, 1, NULL);
	while (tls_context_new(&pair, 1, NULL, &next, &err) == 0) { /* until its second is over */
		tls_context_unref(next);
		usleep(50000);
	}
	assert_non_null(strstr(err.text, "expired"));
	next = make(cache, &pair, 1, NULL);
	assert_counts(cache, 1, 1);
	tls_context_unref(last);
	tls_context_unref(next);
	tls_cache_unref(cache);
	tls_pems_free(&pem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_of_many_that_changed_is_the_one_that_is_parsed),
		cmocka_unit_test(a_group_is_made_anew_when_one_of_its_kinds_changes),
		TLS_PEER_TEST(contexts_that_share_a_group_keep_their_own_names),
		cmocka_unit_test(a_pair_that_is_refused_leaves_nothing),
		cmocka_unit_test(what_serves_now_may_expire_and_serve_on),
	};

	return cmocka_run_group_tests(tests, tls_pems_setup, tls_pems_teardown);
}
