/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A worker, and a supervisor that takes over, decode what came as a blob: on any bytes the decoder
 * stays within them, and what it takes has the shape that its configuration asks for and is written
 * back to the same number of routes, consumers and certificates.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/revision.h"

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy on the heap, exactly as long: a read behind it is seen. */
static int decode(const void *data, size_t size, struct revision **ret)
{
	struct errmsg err = { "" };
	char *copy = malloc(size ? size : 1);
	int code;

	CHECK(copy);
	if (size)
		memcpy(copy, data, size);
	code = revision_decode(copy, size, ret, &err);
	if (code) {
		CHECK(code == -EPROTO && err.text[0]);
		free(copy);
	}
	return code;
}

/* Every text is read through, so that one that points outside is seen. */
static uint64_t sum_of(const struct revision *r)
{
	uint64_t sum = r->number;

	for (size_t i = 0; i < r->n_pairs; i++) {
		const struct tls_pair *p = &r->flat_pairs[i];

		sum += strlen(p->name);
		for (size_t j = 0; j < p->certificate_len; j++)
			sum += (unsigned char)p->certificate[j];
		for (size_t j = 0; j < p->key_len; j++)
			sum += (unsigned char)p->key[j];
	}
	for (size_t i = 0; i < r->conf->n_consumers; i++)
		sum += r->consumer_ids[i] + r->meter_slots[i * CONF_PLAN_LIMITS_MAX];
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct revision *r, *again;
	struct buf out;

	if (decode(data, size, &r))
		return 0;
	buf_init(&out, REVISION_MAX_BYTES);
	CHECK(revision_encode(r, &out) == 0);
	CHECK(decode(buf_head(&out), buf_len(&out), &again) == 0);
	CHECK(conf_diff(r->conf, again->conf, NULL) == 0);
	CHECK(again->n_pairs == r->n_pairs && sum_of(again) == sum_of(r));
	CHECK(memcmp(&again->tickets, &r->tickets, sizeof(r->tickets)) == 0);
	revision_free(r);
	revision_free(again);
	buf_clear(&out);
	return 0;
}
