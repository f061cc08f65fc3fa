/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What backends answer to probes: HTTP and DNS. The first byte chooses which, the second where the
 * input is cut in two. Beside crashes this finds answers that are judged by how they arrived, more of
 * a body kept than is looked at, and datagrams that pass without being an answer to the question.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "health/health_dns.h"
#include "health/health_http.h"

#define CHECK(cond)                                                                \
	do {                                                                       \
		if (!(cond)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __func__, __LINE__, #cond); \
			abort();                                                   \
		}                                                                  \
	} while (0)

static int feed(struct health_http *h, const char *data, size_t len, size_t *at, size_t end)
{
	struct errmsg why = { "" };
	size_t used;
	int ret;

	do {
		ret = health_http_feed(h, data + *at, end - *at, &used, &why);
		CHECK(used <= end - *at && end <= len);
		CHECK((ret < 0) == (why.text[0] != 0));
		CHECK(buf_len(&h->seen) <= HEALTH_HTTP_BODY_BYTES);
		*at += used;
	} while (!ret && used);
	return ret;
}

/*
 * In two pieces, cut at cut: does it pass? A head that is not all there may be refused at once or
 * waited for, by how it came; both fail in the end.
 */
static bool judge(const struct health_http_rules *rules, const char *data, size_t len, size_t cut)
{
	struct health_http h;
	struct errmsg why = { "" };
	size_t at = 0;
	int ret;

	health_http_init(&h, rules);
	ret = feed(&h, data, len, &at, cut);
	if (!ret)
		ret = feed(&h, data, len, &at, len);
	if (!ret) {
		CHECK(health_http_end(&h, &why) == -EPROTO && why.text[0]);
	}
	health_http_clear(&h);
	return ret == 1;
}

static void fuzz_http(const char *data, size_t len, size_t cut)
{
	struct health_http_rules rules = { .status = { { 200, 299 }, { 404, 404 } },
					   .n_status = 2,
					   .match = "ok",
					   .match_len = 2 };
	bool pass = judge(&rules, data, len, len);

	CHECK(judge(&rules, data, len, cut) == pass);
	if (pass)
		CHECK(memmem(data, len, "HTTP/1.", 7));
	rules.match_len = 0;
	CHECK(judge(&rules, data, len, cut) == judge(&rules, data, len, len));
}

static void fuzz_dns(const uint8_t *data, size_t len)
{
	uint8_t query[HEALTH_DNS_MAX_BYTES];
	struct errmsg why = { "" };
	int n = health_dns_encode(0x4142, "www.example.com", 1, query), ret;

	CHECK(n > 12 && n <= HEALTH_DNS_MAX_BYTES);
	ret = health_dns_check(query, (size_t)n, data, len, 0, &why);
	CHECK(ret == 1 || ret == 0 || ret == -EPROTO);
	if (ret == 1) {
		CHECK(len >= (size_t)n && memcmp(data, query, 2) == 0);
		CHECK((data[2] & 0x80) && (data[3] & 0x0f) == 0);
	}
}

/* The name is an operator's; what checks it is not this. */
static void fuzz_name(const char *data, size_t len)
{
	uint8_t query[HEALTH_DNS_MAX_BYTES];
	char name[300];
	int n;

	len = len < sizeof(name) - 1 ? len : sizeof(name) - 1;
	memcpy(name, data, len);
	name[len] = '\0';
	n = health_dns_encode(1, name, 255, query);
	CHECK(n == -EINVAL || (n > 12 + 4 && n <= HEALTH_DNS_MAX_BYTES));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t cut;

	if (size < 2)
		return 0;
	cut = data[1] % (size - 1);
	if (data[0] % 3 == 0)
		fuzz_dns(data + 2, size - 2);
	else if (data[0] % 3 == 1)
		fuzz_http((const char *)data + 2, size - 2, cut);
	else
		fuzz_name((const char *)data + 2, size - 2);
	return 0;
}
