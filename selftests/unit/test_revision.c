/* SPDX-License-Identifier: BSD-2-Clause */
/* Revisions on their way: encode, decode, refuse what was damaged; and the numbers that they carry. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/ids.h"
#include "agent/revision.h"
#include "agent/slots.h"
#include "agent/tickets.h"
#include "sluice/abi/meter.h"

static const char text[] =
	"listeners:\n"
	"  - {name: clear, address: 127.0.0.1, port: 8080}\n"
	"  - name: tls\n"
	"    address: 127.0.0.1\n"
	"    port: 8443\n"
	"    certificates:\n"
	"      - {certificate: /etc/a.crt, key: /etc/a.key}\n"
	"      - {certificate: /etc/b.crt, key: /etc/b.key}\n"
	"clusters:\n"
	"  - {name: one, endpoints: ['127.0.0.1:1']}\n"
	"  - {name: two, endpoints: ['127.0.0.1:2']}\n"
	"routes:\n"
	"  - {name: all, cluster: one, policies: {api_key: {required: true}, limit: enforce}}\n"
	"plans:\n"
	"  - name: free\n"
	"    limits: [{name: second, rate: 1/s}, {name: hour, rate: 100/h}]\n"
	"consumers:\n"
	"  - {name: alice, plan: free, keys: [alice-0123456789abcdef]}\n"
	"  - {name: bob, plan: free, keys: [bob-0123456789abcdef]}\n";

static struct conf *parse(const char *yaml)
{
	struct conf_errors errors;
	struct conf *conf;
	int ret = conf_parse(yaml, strlen(yaml), &conf, &errors);

	if (ret)
		fail_msg("%u: %s", errors.error[0].line, errors.error[0].text);
	return conf;
}

static struct revision *sample(void)
{
	struct revision *r = revision_new(parse(text));

	assert_non_null(r);
	r->number = 7;
	assert_int_equal(tickets_rotate(&r->tickets), 0);
	assert_int_equal(ids_consumers(r->conf, r->consumer_ids), 0);
	r->route_stat_ids[0] = 5;
	r->cluster_stat_ids[1] = 9;
	r->meter_slots[CONF_PLAN_LIMITS_MAX] = 42; /* bob's first */
	r->blob = strdup("CERTAKEYACERTBKEYBAUTHOCRLS");
	r->blob_bytes = strlen(r->blob);
	for (size_t i = 0; i < 3; i++) /* the last: authorities of the first listener */
		r->flat_pairs[i] = (struct tls_pair) {
			.name = i == 2 ? "/etc/ca.pem"
				: i    ? "/etc/b.crt"
				       : "/etc/a.crt",
			.certificate = r->blob + 9 * i,
			.certificate_len = 5,
			.key = r->blob + 9 * i + 5,
			.key_len = 4,
		};
	return r;
}

static char *encode(const struct revision *r, size_t *ret_len)
{
	struct buf out;
	char *copy;

	buf_init(&out, REVISION_MAX_BYTES);
	assert_int_equal(revision_encode(r, &out), 0);
	*ret_len = buf_len(&out);
	copy = malloc(*ret_len); /* exactly as long, so that a sanitizer sees a read behind it */
	assert_non_null(copy);
	memcpy(copy, buf_head(&out), *ret_len);
	buf_clear(&out);
	return copy;
}

static void what_goes_in_comes_out(void **state)
{
	struct revision *in = sample(), *out;
	struct errmsg err;
	size_t len;
	char *data = encode(in, &len);

	(void)state;
	assert_int_equal(revision_decode(data, len, &out, &err), 0);
	assert_int_equal(out->number, 7);
	assert_int_equal(out->tickets.n, 1);
	assert_memory_equal(out->tickets.key[0], in->tickets.key[0], TLS_TICKET_KEY_BYTES);
	assert_int_equal(out->conf->n_listeners, 2);
	assert_int_equal(conf_diff(in->conf, out->conf, NULL), 0);
	assert_int_equal(out->n_pairs, 4);
	assert_string_equal(out->authorities[0].name, "/etc/ca.pem");
	assert_memory_equal(out->authorities[0].certificate, "AUTHO", 5);
	assert_memory_equal(out->authorities[0].key, "CRLS", 4);
	assert_int_equal(out->authorities[1].certificate_len, 0);
	assert_ptr_equal(out->pairs[1], out->flat_pairs);
	assert_string_equal(out->pairs[1][1].name, "/etc/b.crt");
	assert_int_equal(out->pairs[1][1].key_len, 4);
	assert_memory_equal(out->pairs[1][1].key, "KEYB", 4);
	assert_int_equal(out->route_stat_ids[0], 5);
	assert_int_equal(out->cluster_stat_ids[1], 9);
	assert_int_equal(out->consumer_ids[0], in->consumer_ids[0]);
	assert_int_equal(out->meter_slots[CONF_PLAN_LIMITS_MAX], 42);
	revision_free(out);
	revision_free(in);
}

/* Files of clusters travel behind those of listeners: each authority once, however many name it. */
static void files_of_clusters_come_out_by_cluster(void **state)
{
	static const char yaml[] =
		"clusters:\n"
		"  - {name: a, endpoints: ['127.0.0.1:1'], tls: {ca: /one}}\n"
		"  - {name: b, endpoints: ['127.0.0.1:1']}\n"
		"  - {name: c, endpoints: ['127.0.0.1:1'], tls: {ca: /two, certificate: /c, key: /k}}\n"
		"  - {name: d, endpoints: ['127.0.0.1:1'], tls: {ca: /one}}\n"
		"  - {name: e, endpoints: ['127.0.0.1:1'], tls: {verify: false, ca: /three}}\n";
	struct revision *in = revision_new(parse(yaml)), *out;
	struct errmsg err;
	size_t len;
	char *data;

	(void)state;
	assert_non_null(in);
	assert_int_equal(in->n_pairs, 3);
	assert_ptr_equal(in->cluster_pairs[2], &in->flat_pairs[0]);
	*in->cluster_pairs[2] = (struct tls_pair) { "/c", "CHAIN", 5, "KEY", 3 };
	*in->cluster_authorities[0] = (struct tls_pair) { "/one", "ONE", 3, "", 0 };
	*in->cluster_authorities[2] = (struct tls_pair) { "/two", "SECOND", 6, "", 0 };
	data = encode(in, &len);
	assert_int_equal(revision_decode(data, len, &out, &err), 0);
	assert_memory_equal(out->cluster_pairs[2]->key, "KEY", 3);
	assert_memory_equal(out->cluster_authorities[3]->certificate, "ONE", 3);
	assert_ptr_equal(out->cluster_authorities[3], out->cluster_authorities[0]);
	assert_int_equal(out->cluster_authorities[2]->certificate_len, 6);
	assert_null(out->cluster_authorities[1]);
	assert_null(out->cluster_authorities[4]);
	assert_null(out->cluster_pairs[0]);
	assert_int_equal(out->conf->clusters[0].tls.min_version, CONF_TLS_1_2);
	assert_int_equal(out->conf->clusters[1].tls.min_version, 0);
	revision_free(out);
	revision_free(in);
}

static void a_cut_revision_is_refused_at_every_length(void **state)
{
	struct revision *in = sample(), *out;
	struct errmsg err;
	size_t len;
	char *data = encode(in, &len);

	(void)state;
	for (size_t n = 0; n < len; n++) {
		char *cut = malloc(n ? n : 1);

		assert_non_null(cut);
		memcpy(cut, data, n);
		assert_int_equal(revision_decode(cut, n, &out, &err), -EPROTO);
		free(cut);
	}
	free(data);
	revision_free(in);
}

static void trailing_bytes_are_refused(void **state)
{
	struct revision *in = sample(), *out;
	struct errmsg err;
	size_t len;
	char *data = encode(in, &len), *longer = calloc(1, len + 1);

	(void)state;
	assert_non_null(longer);
	memcpy(longer, data, len);
	assert_int_equal(revision_decode(longer, len + 1, &out, &err), -EPROTO);
	free(longer);
	free(data);
	revision_free(in);
}

/* Refused or decoded to something consistent: never a read beyond the data (run with sanitizers). */
static void damage_is_survived_anywhere(void **state)
{
	struct revision *in = sample(), *out;
	struct errmsg err;
	size_t len, refused = 0;
	char *data = encode(in, &len);

	(void)state;
	srand(1);
	for (int i = 0; i < 3000; i++) {
		char *copy = malloc(len);

		assert_non_null(copy);
		memcpy(copy, data, len);
		for (int k = rand() % 4; k >= 0; k--)
			copy[(size_t)rand() % len] = (char)rand();
		if (revision_decode(copy, len, &out, &err)) {
			refused++;
			free(copy);
			continue;
		}
		for (size_t k = 0; k < out->conf->n_consumers; k++)
			assert_int_not_equal(out->consumer_ids[k], 0);
		revision_free(out);
	}
	assert_true(refused > 0);
	free(data);
	revision_free(in);
}

static void a_consumer_id_of_zero_is_refused(void **state)
{
	struct revision *in = sample(), *out;
	struct errmsg err;
	size_t len;
	char *data;

	(void)state;
	in->consumer_ids[1] = 0;
	data = encode(in, &len);
	assert_int_equal(revision_decode(data, len, &out, &err), -EPROTO);
	free(data);
	revision_free(in);
}

static void consumer_ids_do_not_depend_on_order(void **state)
{
	static const char swapped[] =
		"plans:\n  - {name: free, limits: [{name: second, rate: 1/s}]}\n"
		"consumers:\n"
		"  - {name: bob, plan: free, keys: [bob-0123456789abcdef]}\n"
		"  - {name: carol, plan: free, keys: [carol-0123456789abcdef]}\n"
		"  - {name: alice, plan: free, keys: [alice-0123456789abcdef]}\n";
	struct conf *a = parse(text), *b = parse(swapped);
	uint32_t ids_a[2], ids_b[3];

	(void)state;
	assert_int_equal(ids_consumers(a, ids_a), 0);
	assert_int_equal(ids_consumers(b, ids_b), 0);
	assert_int_equal(ids_a[0], ids_b[2]);
	assert_int_equal(ids_a[1], ids_b[0]);
	assert_int_not_equal(ids_b[1], ids_b[0]);
	conf_free(a);
	conf_free(b);
}

static int compare(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* 200,000 names: about five pairs have the same 32-bit hash. */
static void consumer_ids_are_unique(void **state)
{
	const size_t n = 200000;
	struct conf conf = { .n_consumers = n };
	uint32_t *ids = calloc(n, sizeof(*ids));
	char *names = calloc(n, 16);

	(void)state;
	conf.consumers = calloc(n, sizeof(*conf.consumers));
	assert_true(conf.consumers && ids && names);
	for (size_t i = 0; i < n; i++) {
		snprintf(names + 16 * i, 16, "c%zu", i);
		conf.consumers[i].name = names + 16 * i;
	}
	assert_int_equal(ids_consumers(&conf, ids), 0);
	qsort(ids, n, sizeof(*ids), compare);
	assert_int_not_equal(ids[0], 0);
	for (size_t i = 1; i < n; i++)
		assert_int_not_equal(ids[i], ids[i - 1]);
	free(conf.consumers);
	free(names);
	free(ids);
}

static void stat_rows_survive_the_supervisor(void **state)
{
	struct ids_table routes = { .n = 0 }, clusters = { .n = 0 };
	struct ids_table routes_2 = { .n = 0 }, clusters_2 = { .n = 0 };
	struct buf out;

	(void)state;
	assert_int_equal(ids_table_get(&routes, "a"), 0);
	assert_int_equal(ids_table_get(&routes, "b"), 1);
	assert_int_equal(ids_table_get(&routes, "a"), 0);
	assert_int_equal(ids_table_get(&clusters, "x"), 0);
	buf_init(&out, 4096);
	assert_int_equal(ids_table_encode(&routes, &clusters, &out), 0);
	assert_int_equal(ids_table_decode(buf_head(&out), buf_len(&out), &routes_2, &clusters_2),
			 0);
	assert_int_equal(ids_table_get(&routes_2, "c"), 2);
	assert_int_equal(ids_table_get(&routes_2, "b"), 1);
	assert_int_equal(clusters_2.n, 1);
	assert_int_equal(ids_table_decode("qx\n", 3, &routes_2, &clusters_2), -EPROTO);
	assert_int_equal(ids_table_decode("rx", 2, &routes_2, &clusters_2), -EPROTO);
	buf_clear(&out);
	ids_table_clear(&routes);
	ids_table_clear(&clusters);
	ids_table_clear(&routes_2);
	ids_table_clear(&clusters_2);
}

static void rows_past_the_end_share_the_last(void **state)
{
	struct ids_table t = { .n = 0 };
	char name[16];

	(void)state;
	for (uint32_t i = 0; i < METRIC_STAT_OTHER; i++) {
		snprintf(name, sizeof(name), "r%u", i);
		assert_int_equal(ids_table_get(&t, name), i);
	}
	assert_int_equal(ids_table_get(&t, "one more"), METRIC_STAT_OTHER);
	assert_int_equal(ids_table_get(&t, "and another"), METRIC_STAT_OTHER);
	assert_int_equal(ids_table_get(&t, "r3"), 3);
	ids_table_clear(&t);
}

static struct revision *with_consumers(const char *names)
{
	char yaml[1024] =
		"plans:\n  - name: free\n    limits: [{name: second, rate: 1/s}, {name: hour, "
		"rate: 100/h}]\nconsumers:\n";
	struct revision *r;

	for (; *names; names++)
		sprintf(yaml + strlen(yaml),
			"  - {name: consumer-%c, plan: free, keys: [%c-0123456789abcdef]}\n",
			*names, *names);
	r = revision_new(parse(yaml));
	assert_non_null(r);
	return r;
}

static void a_consumer_keeps_its_meters_through_changes(void **state)
{
	struct revision *one = with_consumers("abcd"), *two = with_consumers("acde");
	struct slots *t;
	struct errmsg err;

	(void)state;
	assert_int_equal(slots_new(64, &t), 0);
	assert_int_equal(slots_assign(t, NULL, NULL, one, &err), 0);
	assert_int_equal(slots_assign(t, NULL, one, two, &err), 0);
	/* a stays, b is gone, c and d moved up, e is new and gets what nobody ever had */
	assert_int_equal(two->meter_slots[0], one->meter_slots[0]);
	assert_int_equal(two->meter_slots[4], one->meter_slots[8]);
	assert_int_equal(two->meter_slots[9], one->meter_slots[13]);
	for (size_t i = 0; i < 16; i++)
		assert_true(!two->meter_slots[12] || two->meter_slots[12] != one->meter_slots[i]);
	assert_int_not_equal(two->meter_slots[12], METER_SLOT_NONE);
	revision_free(one);
	revision_free(two);
	slots_free(t);
}

static void a_meter_is_reused_only_after_a_sweep(void **state)
{
	struct revision *one = with_consumers("ab"), *two = with_consumers("c"),
			*three = with_consumers("cd");
	struct slots *t;
	struct errmsg err;

	(void)state;
	assert_int_equal(slots_new(7, &t), 0); /* words 1..6: three consumers of two limits */
	assert_int_equal(slots_assign(t, NULL, NULL, one, &err), 0);
	assert_int_equal(slots_assign(t, NULL, one, two, &err), 0);
	assert_int_equal(slots_assign(t, NULL, two, three, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "dataplane.max_meters"));
	assert_int_equal(slots_sweep(t, NULL, two), 4);
	assert_int_equal(slots_assign(t, NULL, two, three, &err), 0);
	assert_int_equal(three->meter_slots[0], two->meter_slots[0]);
	revision_free(one);
	revision_free(two);
	revision_free(three);
	slots_free(t);
}

static void an_adopted_revision_keeps_its_meters(void **state)
{
	struct revision *old = with_consumers("ab"), *next = with_consumers("ba");
	struct slots *before, *after;
	struct errmsg err;

	(void)state;
	assert_int_equal(slots_new(64, &before), 0);
	assert_int_equal(slots_assign(before, NULL, NULL, old, &err), 0);
	assert_int_equal(slots_new(64, &after), 0); /* another supervisor's */
	slots_adopt(after, old);
	assert_int_equal(slots_assign(after, NULL, NULL, next, &err), 0);
	assert_int_equal(next->meter_slots[4], old->meter_slots[0]);
	assert_int_equal(next->meter_slots[0], old->meter_slots[4]);
	revision_free(old);
	revision_free(next);
	slots_free(before);
	slots_free(after);
}

static void long_names_of_meters_stay_apart(void **state)
{
	char a[SLOTS_NAME_MAX], b[SLOTS_NAME_MAX], consumer[64];

	(void)state;
	slots_name("alice", "hour", a);
	assert_string_equal(a, "alice/hour");
	memset(consumer, 'x', 63);
	consumer[63] = '\0';
	slots_name(consumer, "hour", a);
	slots_name(consumer, "hous", b);
	assert_int_equal(strlen(a), 62);
	assert_string_not_equal(a, b);
}

static void tickets_rotate_through_three(void **state)
{
	struct tls_tickets t = { .n = 0 };
	uint8_t first[TLS_TICKET_KEY_BYTES];

	(void)state;
	assert_int_equal(tickets_rotate(&t), 0);
	assert_int_equal(t.n, 1);
	memcpy(first, t.key[0], sizeof(first));
	assert_int_equal(tickets_rotate(&t), 0);
	assert_int_equal(tickets_rotate(&t), 0);
	assert_int_equal(t.n, 3);
	assert_memory_equal(t.key[2], first, sizeof(first));
	assert_memory_not_equal(t.key[0], first, sizeof(first));
	assert_int_equal(tickets_rotate(&t), 0);
	assert_int_equal(t.n, 3);
	assert_memory_not_equal(t.key[2], first, sizeof(first));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_goes_in_comes_out),
		cmocka_unit_test(files_of_clusters_come_out_by_cluster),
		cmocka_unit_test(a_cut_revision_is_refused_at_every_length),
		cmocka_unit_test(trailing_bytes_are_refused),
		cmocka_unit_test(damage_is_survived_anywhere),
		cmocka_unit_test(a_consumer_id_of_zero_is_refused),
		cmocka_unit_test(consumer_ids_do_not_depend_on_order),
		cmocka_unit_test(consumer_ids_are_unique),
		cmocka_unit_test(stat_rows_survive_the_supervisor),
		cmocka_unit_test(rows_past_the_end_share_the_last),
		cmocka_unit_test(a_consumer_keeps_its_meters_through_changes),
		cmocka_unit_test(a_meter_is_reused_only_after_a_sweep),
		cmocka_unit_test(an_adopted_revision_keeps_its_meters),
		cmocka_unit_test(long_names_of_meters_stay_apart),
		cmocka_unit_test(tickets_rotate_through_three),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
