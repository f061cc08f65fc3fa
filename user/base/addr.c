/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"
#include "str.h"

#define V6_BITS	     128U
#define V6_UNIT_BITS 64U /* what one IPv6 customer is given at least (gateway.md s1.6) */

static void addr_set_v4(struct addr *a, const void *v4)
{
	memset(a->b, 0, 10);
	a->b[10] = 0xff;
	a->b[11] = 0xff;
	memcpy(a->b + 12, v4, 4);
}

int addr_parse(const char *text, struct addr *ret)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		addr_set_v4(ret, &v4);
		return 0;
	}
	if (inet_pton(AF_INET6, text, &v6) != 1)
		return -EINVAL;
	memcpy(ret->b, &v6, sizeof(ret->b));
	return 0;
}

/* Decimal digits only, no sign, no leading zero; max below 10^9. Returns 0 or -EINVAL. */
static int parse_number(const char *text, uint32_t max, uint32_t *ret)
{
	uint32_t value = 0;

	if (!*text || (text[0] == '0' && text[1]))
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		value = value * 10 + (uint32_t)(*text - '0');
		if (value > max)
			return -EINVAL;
	}
	*ret = value;
	return 0;
}

int prefix_parse(const char *text, struct prefix *ret)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	uint32_t bits = V6_BITS;
	char copy[ADDR_TEXT_MAX];
	struct addr addr, net;
	bool v4;

	if (len >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (addr_parse(copy, &addr))
		return -EINVAL;
	/* "::ffff:192.0.2.0/120" counts from the front of 128 bits, "192.0.2.0/24" from the 96th */
	v4 = !strchr(copy, ':');
	if (slash) {
		if (parse_number(slash + 1, v4 ? V6_BITS - ADDR_V4_BITS : V6_BITS, &bits))
			return -EINVAL;
		if (v4)
			bits += ADDR_V4_BITS;
	}
	net = addr_mask(&addr, bits);
	if (!addr_eq(&net, &addr))
		return -ERANGE;
	ret->len_bits = bits;
	ret->addr = addr;
	return 0;
}

int addr_parse_port(const char *text, struct addr *ret, uint16_t *ret_port)
{
	const char *host = text, *end = strrchr(text, ':');
	char copy[ADDR_TEXT_MAX];
	struct addr addr;
	uint32_t port;
	size_t len;
	bool v6 = *text == '[';

	if (!end || end == text)
		return -EINVAL;
	len = (size_t)(end - text);
	if (v6) {
		if (len < 2 || end[-1] != ']')
			return -EINVAL;
		host++;
		len -= 2;
	}
	if (len >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, host, len);
	copy[len] = '\0';
	/* without brackets "::1:80" would be ambiguous */
	if (v6 != !!strchr(copy, ':') || addr_parse(copy, &addr))
		return -EINVAL;
	if (parse_number(end + 1, UINT16_MAX, &port) || !port)
		return -EINVAL;
	*ret = addr;
	*ret_port = (uint16_t)port;
	return 0;
}

/* Behind it, at its NUL. IPv4 without inet_ntop, which prints: each request has one or two. */
static char *format_host(const struct addr *a, char *at)
{
	if (!addr_is_v4(a)) {
		inet_ntop(AF_INET6, a->b, at, INET6_ADDRSTRLEN);
		return at + strlen(at);
	}
	for (size_t i = 12; i < sizeof(a->b); i++) {
		at = str_put_u64(at, a->b[i]);
		*at++ = '.';
	}
	*--at = '\0';
	return at;
}

const char *addr_format(const struct addr *a, char buf[ADDR_TEXT_MAX])
{
	format_host(a, buf);
	return buf;
}

const char *addr_format_port(const struct addr *a, uint16_t port, char buf[ADDR_TEXT_MAX])
{
	bool v4 = addr_is_v4(a);
	char *at = buf;

	if (!v4)
		*at++ = '[';
	at = format_host(a, at);
	if (!v4)
		*at++ = ']';
	*at++ = ':';
	at = str_put_u64(at, port);
	*at = '\0';
	return buf;
}

const char *prefix_format(const struct prefix *p, char buf[ADDR_TEXT_MAX])
{
	char text[INET6_ADDRSTRLEN];
	uint32_t bits = p->len_bits;

	/* a mapped address under a prefix shorter than /96 covers more than IPv4 */
	if (addr_is_v4(&p->addr) && bits >= ADDR_V4_BITS) {
		inet_ntop(AF_INET, p->addr.b + 12, text, sizeof(text));
		bits -= ADDR_V4_BITS;
	} else {
		inet_ntop(AF_INET6, p->addr.b, text, sizeof(text));
	}
	snprintf(buf, ADDR_TEXT_MAX, "%s/%u", text, bits);
	return buf;
}

bool addr_is_v4(const struct addr *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(a->b, mapped, sizeof(mapped)) == 0;
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

struct addr addr_mask(const struct addr *a, uint32_t len_bits)
{
	struct addr out = { 0 };
	uint32_t bytes = len_bits / 8, rest = len_bits % 8;

	if (len_bits >= V6_BITS)
		return *a;
	memcpy(out.b, a->b, bytes);
	if (rest)
		out.b[bytes] = (uint8_t)(a->b[bytes] & (0xff00U >> rest));
	return out;
}

struct addr addr_unit(const struct addr *a)
{
	return addr_is_v4(a) ? *a : addr_mask(a, V6_UNIT_BITS);
}

bool prefix_contains(const struct prefix *p, const struct addr *a)
{
	struct addr net = addr_mask(a, p->len_bits);

	return addr_eq(&net, &p->addr);
}

int addr_from_sockaddr(const struct sockaddr *sa, struct addr *ret, uint16_t *ret_port)
{
	uint16_t port_be;

	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)sa;

		addr_set_v4(ret, &in->sin_addr);
		port_be = in->sin_port;
	} else if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)sa;

		memcpy(ret->b, &in6->sin6_addr, sizeof(ret->b));
		port_be = in6->sin6_port;
	} else {
		return -EAFNOSUPPORT;
	}
	if (ret_port)
		*ret_port = ntohs(port_be);
	return 0;
}

socklen_t addr_to_sockaddr(const struct addr *a, uint16_t port, struct sockaddr_storage *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (addr_is_v4(a)) {
		struct sockaddr_in *in = (void *)ret;

		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, a->b + 12, 4);
		return sizeof(*in);
	}

	struct sockaddr_in6 *in6 = (void *)ret;

	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, a->b, sizeof(a->b));
	return sizeof(*in6);
}
