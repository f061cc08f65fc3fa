/* SPDX-License-Identifier: BSD-2-Clause */
#include "health_dns.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define HEADER_BYTES 12
#define FLAG_QR	     0x80 /* of byte 2: it is an answer */
#define OPCODE	     0x78
#define FLAG_RD	     0x01
#define CLASS_IN     1

/* RFC 1035 s3.1: labels with their lengths in front, the root's is 0. A dot at the end is allowed. */
static int encode_name(const char *name, uint8_t *at)
{
	uint8_t *begin = at;
	size_t total = strlen(name);

	if (total > 253)
		return -EINVAL;
	while (*name) {
		size_t n = strcspn(name, ".");

		if (n == 0 || n > 63)
			return -EINVAL;
		*at++ = (uint8_t)n;
		memcpy(at, name, n);
		at += n;
		name += n + (name[n] == '.');
	}
	*at++ = 0;
	return (int)(at - begin);
}

int health_dns_encode(uint16_t id, const char *name, uint16_t record,
		      uint8_t ret[HEALTH_DNS_MAX_BYTES])
{
	const uint8_t header[HEADER_BYTES] = {
		(uint8_t)(id >> 8), (uint8_t)id, FLAG_RD, [5] = 1 /* one question */
	};
	uint8_t *at;
	int n;

	memcpy(ret, header, sizeof(header));
	n = encode_name(name, ret + HEADER_BYTES);
	if (n < 0)
		return n;
	at = ret + HEADER_BYTES + n;
	at[0] = (uint8_t)(record >> 8);
	at[1] = (uint8_t)record;
	at[2] = 0;
	at[3] = CLASS_IN;
	return HEADER_BYTES + n + 4;
}

/* The question comes back as it was sent; a name's letters may have another case. */
static bool is_same_question(const uint8_t *a, const uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (tolower(a[i]) != tolower(b[i]))
			return false;
	return true;
}

int health_dns_check(const uint8_t *query, size_t query_len, const uint8_t *data, size_t len,
		     uint8_t rcode, struct errmsg *why)
{
	uint8_t code;
	bool asked = false;

	if (len < HEADER_BYTES || memcmp(data, query, 2) != 0 || !(data[2] & FLAG_QR) ||
	    (data[2] & OPCODE) != 0)
		return 0;
	/* A server that does not even parse the question (FORMERR) need not repeat it. */
	if (data[4] != 0 || data[5] != 0) {
		if (data[4] != 0 || data[5] != 1 || len < query_len ||
		    !is_same_question(data + HEADER_BYTES, query + HEADER_BYTES,
				      query_len - HEADER_BYTES))
			return 0;
		asked = true;
	}
	code = data[3] & 0x0f;
	if (code == rcode && (asked || code))
		return 1;
	if (!asked && !code)
		return errmsg_set(why, -EPROTO, "an answer without the question");
	return errmsg_set(why, -EPROTO, "response code %u", code);
}
