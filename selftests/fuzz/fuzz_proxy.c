/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The header of the PROXY protocol. Beside crashes this finds: a result that depends on how the bytes
 * arrived, a header longer than what came, and one that does not survive being written and read again.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/proxy_header.h"

#define CHECK(cond)                                                                \
	do {                                                                       \
		if (!(cond)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __func__, __LINE__, #cond); \
			abort();                                                   \
		}                                                                  \
	} while (0)

static bool same(const struct proxy_header *a, const struct proxy_header *b)
{
	return a->announced == b->announced && a->source_port == b->source_port &&
	       a->destination_port == b->destination_port &&
	       memcmp(&a->source, &b->source, sizeof(a->source)) == 0 &&
	       memcmp(&a->destination, &b->destination, sizeof(a->destination)) == 0;
}

static void check_round_trip(struct proxy_header h)
{
	uint8_t out[PROXY_HEADER_OUT_MAX];
	struct proxy_header again = { 0 };
	const char *why;

	for (h.version = 1; h.version <= 2; h.version++) {
		size_t n = proxy_header_encode(&h, out);

		CHECK(n <= sizeof(out));
		CHECK(proxy_header_decode(out, n, &again, &why) == (int)n);
		CHECK(same(&h, &again) && again.version == h.version);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	uint8_t *data = malloc(size ? size : 1); /* ends where the input does, for ASan */
	struct proxy_header h = { 0 }, part = { 0 };
	const char *why = NULL;
	int whole, n = -EAGAIN;

	CHECK(data);
	if (size)
		memcpy(data, input, size);
	whole = proxy_header_decode(data, size, &h, &why);
	CHECK(whole == -EAGAIN || whole == -ENOENT || whole == -EPROTO || whole == -EMSGSIZE ||
	      (whole > 0 && (size_t)whole <= size && whole <= PROXY_HEADER_MAX));
	CHECK(whole != -EAGAIN || size < PROXY_HEADER_MAX);
	CHECK((whole != -EPROTO && whole != -EMSGSIZE) || why);
	for (size_t have = 0; have <= size && n == -EAGAIN; have++)
		n = proxy_header_decode(data, have, &part, &why);
	CHECK(n == whole);
	if (whole > 0) {
		CHECK(same(&h, &part) && h.version == part.version);
		check_round_trip(h);
	}
	free(data);
	return 0;
}
