/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/str.h"
#include "proxy_header.h"

#define V1_MAX	       107 /* the longest line with its CRLF: s2.1 */
#define V1_WORDS       6
#define V2_FIXED       16
#define V2_SIGNATURE   12
#define V2_INET_BYTES  12
#define V2_INET6_BYTES 36
#define V2_UNIX_BYTES  216
#define TLV_HEAD       3
#define TLV_CRC32C     0x03

enum v2_command { V2_LOCAL = 0x20, V2_PROXY = 0x21 };
enum v2_family { V2_UNSPEC = 0x00, V2_TCP4 = 0x11, V2_TCP6 = 0x21, V2_UNIX_STREAM = 0x31 };

static const char v1_begin[] = "PROXY ";
static const uint8_t v2_begin[V2_SIGNATURE] = "\r\n\r\n\0\r\nQUIT\n";

static int refuse(const char **ret_why, const char *why)
{
	*ret_why = why;
	return -EPROTO;
}

/* Reflected, polynomial 0x1EDC6F41 (RFC 9260 appendix A): a header is short, four bits at a time do. */
static uint32_t crc32c(uint32_t crc, const uint8_t *data, size_t n)
{
	static const uint32_t table[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
		0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
		0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};

	for (size_t i = 0; i < n; i++) {
		crc ^= data[i];
		crc = (crc >> 4) ^ table[crc & 15];
		crc = (crc >> 4) ^ table[crc & 15];
	}
	return crc;
}

/* The checksum counts as zero while it is computed (s2.2.3). */
static bool checksum_fits(const uint8_t *header, size_t n, size_t at)
{
	static const uint8_t zero[4];
	uint32_t crc = UINT32_MAX, said;

	crc = crc32c(crc, header, at);
	crc = crc32c(crc, zero, sizeof(zero));
	crc = ~crc32c(crc, header + at + sizeof(zero), n - at - sizeof(zero));
	memcpy(&said, header + at, sizeof(said));
	return ntohl(said) == crc;
}

/* Of what TLVs say only the checksum matters to us; that they are whole matters of all. */
static int check_tlvs(const uint8_t *header, size_t n, size_t at, const char **ret_why)
{
	bool checked = false;

	while (at < n) {
		size_t len;

		if (n - at < TLV_HEAD)
			return refuse(ret_why, "a TLV is cut short");
		len = (size_t)header[at + 1] << 8 | header[at + 2];
		if (len > n - at - TLV_HEAD)
			return refuse(ret_why, "a TLV is longer than the header");
		if (header[at] == TLV_CRC32C) {
			if (len != 4 || checked)
				return refuse(ret_why, "not one checksum of four bytes");
			if (!checksum_fits(header, n, at + TLV_HEAD))
				return refuse(ret_why, "the checksum is wrong");
			checked = true;
		}
		at += TLV_HEAD + len;
	}
	return 0;
}

static uint16_t port_at(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static struct addr v4_at(const uint8_t *at)
{
	struct addr a = { .b = { [10] = 0xff, 0xff, at[0], at[1], at[2], at[3] } };

	return a;
}

static int decode_addresses(const uint8_t *header, size_t n, struct proxy_header *ret,
			    const char **ret_why)
{
	const uint8_t *at = header + V2_FIXED;
	size_t have = n - V2_FIXED, need;

	switch (header[13]) {
	case V2_UNSPEC: /* whatever follows is to be ignored: s2.2 */
		return 0;
	case V2_UNIX_STREAM:
		need = V2_UNIX_BYTES;
		break;
	case V2_TCP4:
		need = V2_INET_BYTES;
		break;
	case V2_TCP6:
		need = V2_INET6_BYTES;
		break;
	default:
		return refuse(ret_why, "its family or transport is none of a TCP connection");
	}
	if (have < need)
		return refuse(ret_why, "shorter than its addresses");
	if (header[13] == V2_TCP4) {
		ret->source = v4_at(at);
		ret->destination = v4_at(at + 4);
	} else if (header[13] == V2_TCP6) {
		memcpy(ret->source.b, at, sizeof(ret->source.b));
		memcpy(ret->destination.b, at + 16, sizeof(ret->destination.b));
	}
	if (header[13] != V2_UNIX_STREAM) {
		ret->source_port = port_at(at + need - 4);
		ret->destination_port = port_at(at + need - 2);
		ret->announced = true;
	}
	return check_tlvs(header, n, V2_FIXED + need, ret_why);
}

static int decode_v2(const uint8_t *data, size_t have, struct proxy_header *ret,
		     const char **ret_why)
{
	struct proxy_header h = { .version = 2 };
	size_t n;
	int err;

	if (have > V2_SIGNATURE && data[12] != V2_LOCAL && data[12] != V2_PROXY)
		return refuse(ret_why, "its version or command is not known");
	if (have < V2_FIXED)
		return -EAGAIN;
	n = V2_FIXED + ((size_t)data[14] << 8 | data[15]);
	if (n > PROXY_HEADER_MAX) {
		*ret_why = "longer than 4096 bytes";
		return -EMSGSIZE;
	}
	if (have < n)
		return -EAGAIN;
	err = data[12] == V2_PROXY ? decode_addresses(data, n, &h, ret_why) : 0;
	if (err)
		return err;
	*ret = h;
	return (int)n;
}

/* Decimal without leading zeros. */
static bool parse_port(struct str s, uint16_t *ret)
{
	uint32_t value = 0;

	if (!s.len || s.len > 5 || (s.len > 1 && s.ptr[0] == '0'))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
		value = value * 10 + (uint32_t)(s.ptr[i] - '0');
	}
	if (value > UINT16_MAX)
		return false;
	*ret = (uint16_t)value;
	return true;
}

static bool parse_address(struct str s, bool v6, struct addr *ret)
{
	char text[ADDR_TEXT_MAX];

	if (s.len >= sizeof(text) || (memchr(s.ptr, ':', s.len) != NULL) != v6 ||
	    memchr(s.ptr, '\0', s.len))
		return false;
	memcpy(text, s.ptr, s.len);
	text[s.len] = '\0';
	return addr_parse(text, ret) == 0;
}

/* The words of a line, each behind one space; false: not as many. */
static bool split(struct str line, struct str word[V1_WORDS])
{
	for (int i = 0; i < V1_WORDS; i++) {
		const char *end = memchr(line.ptr, ' ', line.len);
		size_t len = end ? (size_t)(end - line.ptr) : line.len;

		if (!len || (i + 1 < V1_WORDS) != (end != NULL))
			return false;
		word[i] = (struct str) { line.ptr, len };
		if (end)
			line = (struct str) { end + 1, line.len - len - 1 };
	}
	return true;
}

static int parse_line(struct str line, struct proxy_header *ret, const char **ret_why)
{
	struct str word[V1_WORDS];
	struct str family = { line.ptr + sizeof(v1_begin) - 1, line.len - sizeof(v1_begin) + 1 };
	bool v6;

	/* the rest of that line is to be ignored: s2.1 */
	if (family.len >= 7 && memcmp(family.ptr, "UNKNOWN", 7) == 0 &&
	    (family.len == 7 || family.ptr[7] == ' '))
		return 0;
	if (!split(line, word))
		return refuse(ret_why, "the line is not of six words");
	v6 = str_eq(word[1], STR_LIT("TCP6"));
	if (!v6 && !str_eq(word[1], STR_LIT("TCP4")))
		return refuse(ret_why, "its family is not known");
	if (!parse_address(word[2], v6, &ret->source) ||
	    !parse_address(word[3], v6, &ret->destination))
		return refuse(ret_why, "not an address of its family");
	if (!parse_port(word[4], &ret->source_port) || !parse_port(word[5], &ret->destination_port))
		return refuse(ret_why, "not a port");
	ret->announced = true;
	return 0;
}

static int decode_v1(const char *data, size_t have, struct proxy_header *ret, const char **ret_why)
{
	size_t within = have < V1_MAX ? have : V1_MAX;
	const char *end = memchr(data, '\n', within);
	struct proxy_header h = { .version = 1 };
	size_t n;
	int err;

	if (!end)
		return have < V1_MAX ? -EAGAIN : refuse(ret_why, "the line is too long");
	n = (size_t)(end - data);
	if (data[n - 1] != '\r')
		return refuse(ret_why, "the line does not end with CRLF");
	err = parse_line((struct str) { data, n - 1 }, &h, ret_why);
	if (err)
		return err;
	*ret = h;
	return (int)n + 1;
}

static bool may_begin(const void *data, size_t n, const void *with, size_t len)
{
	return memcmp(data, with, n < len ? n : len) == 0;
}

int proxy_header_decode(const void *data, size_t n, struct proxy_header *ret, const char **ret_why)
{
	if (!n)
		return -EAGAIN;
	if (may_begin(data, n, v1_begin, sizeof(v1_begin) - 1))
		return n < sizeof(v1_begin) - 1 ? -EAGAIN : decode_v1(data, n, ret, ret_why);
	if (may_begin(data, n, v2_begin, sizeof(v2_begin)))
		return n < sizeof(v2_begin) ? -EAGAIN : decode_v2(data, n, ret, ret_why);
	return -ENOENT;
}

static bool is_v4(const struct proxy_header *h)
{
	return addr_is_v4(&h->source) && addr_is_v4(&h->destination);
}

static const char *text_of(const struct addr *a, char text[INET6_ADDRSTRLEN])
{
	/* addr_format would write a mapped address as IPv4 */
	return inet_ntop(AF_INET6, a->b, text, INET6_ADDRSTRLEN);
}

static size_t encode_v1(const struct proxy_header *h, uint8_t *ret)
{
	char source[ADDR_TEXT_MAX], destination[ADDR_TEXT_MAX];
	bool v4 = is_v4(h);
	int n;

	if (!h->announced)
		n = snprintf((char *)ret, PROXY_HEADER_OUT_MAX, "PROXY UNKNOWN\r\n");
	else
		n = snprintf((char *)ret, PROXY_HEADER_OUT_MAX, "PROXY %s %s %s %u %u\r\n",
			     v4 ? "TCP4" : "TCP6",
			     v4 ? addr_format(&h->source, source) : text_of(&h->source, source),
			     v4 ? addr_format(&h->destination, destination)
				: text_of(&h->destination, destination),
			     h->source_port, h->destination_port);
	return (size_t)n;
}

static size_t put(uint8_t *to, size_t at, const void *data, size_t n)
{
	memcpy(to + at, data, n);
	return at + n;
}

static size_t encode_v2(const struct proxy_header *h, uint8_t *ret)
{
	uint16_t ports[2] = { htons(h->source_port), htons(h->destination_port) };
	bool v4 = is_v4(h);
	size_t skip = v4 ? 12 : 0, at = V2_FIXED;

	memcpy(ret, v2_begin, sizeof(v2_begin));
	ret[12] = h->announced ? V2_PROXY : V2_LOCAL;
	ret[13] = !h->announced ? V2_UNSPEC : v4 ? V2_TCP4 : V2_TCP6;
	ret[14] = 0;
	ret[15] = !h->announced ? 0 : v4 ? V2_INET_BYTES : V2_INET6_BYTES;
	if (!h->announced)
		return at;
	at = put(ret, at, h->source.b + skip, sizeof(h->source.b) - skip);
	at = put(ret, at, h->destination.b + skip, sizeof(h->destination.b) - skip);
	return put(ret, at, ports, sizeof(ports));
}

size_t proxy_header_encode(const struct proxy_header *h, uint8_t ret[PROXY_HEADER_OUT_MAX])
{
	return h->version == 1 ? encode_v1(h, ret) : encode_v2(h, ret);
}
