/* SPDX-License-Identifier: BSD-2-Clause */
#include "uri.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>

#include "chars.h"

/*
 * Take the next character of a path, decoded where RFC 3986 s6.2.2.2 says that it makes no
 * difference. Writes one byte, or an escape of three; returns how many, or -EINVAL.
 */
static int next_char(const char **p, const char *end, char *out)
{
	char c = *(*p)++;

	if (c == '%') {
		if (end - *p < 2 || !http_char_is((*p)[0], HTTP_CHAR_HEX) ||
		    !http_char_is((*p)[1], HTTP_CHAR_HEX))
			return -EINVAL;
		int value = http_char_hex((*p)[0]) << 4 | http_char_hex((*p)[1]);

		*p += 2;
		/* What would end, split or fold a path for somebody behind us. */
		if (value < 0x20 || value == 0x7f || value == '/' || value == '\\')
			return -EINVAL;
		if (http_char_is((char)value, HTTP_CHAR_UNRESERVED)) {
			*out = (char)value;
			return 1;
		}
		out[0] = '%';
		out[1] = "0123456789ABCDEF"[value >> 4];
		out[2] = "0123456789ABCDEF"[value & 15];
		return 3;
	}
	if (!http_char_is(c, HTTP_CHAR_TARGET) || c == '?' || c == '\\')
		return -EINVAL;
	*out = c;
	return 1;
}

/*
 * A segment out[*seg..n) came to its end: drop "." and "..", the latter with the segment before it
 * (above the root there is none, RFC 3986 s5.2.4). Returns the new n; *seg follows.
 */
static size_t close_segment(const char *out, size_t *seg, size_t n)
{
	size_t len = n - *seg;

	if (len == 1 && out[*seg] == '.')
		return *seg;
	if (len == 2 && out[*seg] == '.' && out[*seg + 1] == '.') {
		if (*seg > 1) {
			(*seg)--;
			while (out[*seg - 1] != '/')
				(*seg)--;
		}
		return *seg;
	}
	return n;
}

int uri_normalize(struct str path, char *out)
{
	if (path.len == 0 || path.len > INT_MAX - 1 || path.ptr[0] != '/')
		return -EINVAL;

	const char *p = path.ptr + 1;
	const char *end = path.ptr + path.len;
	size_t n = 1;
	size_t seg = 1; /* where the current segment starts in out */

	out[0] = '/';
	while (p < end) {
		if (*p == '/') {
			p++;
			n = close_segment(out, &seg, n);
			/* n == seg: empty, or dropped just now; the '/' before it stands already. */
			if (n > seg) {
				out[n++] = '/';
				seg = n;
			}
			continue;
		}
		int took = next_char(&p, end, out + n);

		if (took < 0)
			return took;
		n += (size_t)took;
	}
	n = close_segment(out, &seg, n);
	out[n] = '\0';
	return (int)n;
}

/* [":" port] at p: *DIGIT in RFC 3986, but not above what a port can be. */
static bool port_valid(const char *p, const char *end, bool need_port)
{
	if (p == end)
		return !need_port;
	if (*p++ != ':')
		return false;
	if (p == end)
		return !need_port;

	unsigned int port = 0;

	for (; p < end; p++) {
		if (!http_char_is(*p, HTTP_CHAR_DIGIT))
			return false;
		port = port * 10 + (unsigned int)(*p - '0');
		if (port > 65535)
			return false;
	}
	return true;
}

bool uri_authority_valid(struct str text, bool need_port)
{
	const char *p = text.ptr;
	const char *end = p + text.len;

	if (text.len == 0 || text.len > URI_AUTHORITY_MAX)
		return false;
	if (*p == '[') {
		const char *close = memchr(p, ']', text.len);
		char literal[INET6_ADDRSTRLEN];
		struct in6_addr ignored;
		size_t n = close ? (size_t)(close - p - 1) : 0;

		if (n == 0 || n >= sizeof(literal))
			return false;
		memcpy(literal, p + 1, n);
		literal[n] = '\0';
		if (strlen(literal) != n || inet_pton(AF_INET6, literal, &ignored) != 1)
			return false;
		return port_valid(close + 1, end, need_port);
	}
	while (p < end && http_char_is(*p, HTTP_CHAR_HOST))
		p++;
	if (p == text.ptr)
		return false;
	return port_valid(p, end, need_port);
}
