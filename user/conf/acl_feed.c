/* SPDX-License-Identifier: BSD-2-Clause */
#include "acl_feed.h"

#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/addr.h"

#define ROOM_FIRST   256
#define CELL_MAX     256 /* of CSV, what is compared with a name or an address */
#define UNIT_BITS_V6 64	 /* the kernel knows an IPv6 source by its /64 */
#define SHOWN_MAX    48	 /* bytes of what is wrong in an error */

struct reader {
	struct acl_feed *feed;
	const char *at;
	const char *end;
	uint32_t line;
	int fatal; /* no memory, too many: nothing more is read */
	char why[96];
};

void acl_feed_clear(struct acl_feed *feed)
{
	free(feed->v);
	*feed = (struct acl_feed) { 0 };
}

int acl_feed_push(struct acl_feed *feed, const struct prefix *p)
{
	if (feed->n == feed->room) {
		size_t room = feed->room ? feed->room * 2 : ROOM_FIRST;
		void *v;

		if (feed->n >= ACL_FEED_MAX)
			return -E2BIG;
		v = realloc(feed->v, room * sizeof(*feed->v));
		if (!v)
			return -ENOMEM;
		feed->v = v;
		feed->room = room;
	}
	feed->v[feed->n++] = *p;
	return 0;
}

/* what: the text that is wrong, of any bytes; quoted as far as it can be shown. */
static void wrong(struct reader *r, uint32_t line, const char *what, size_t len, const char *why)
{
	struct acl_feed_error *e;
	char shown[SHOWN_MAX + 1];
	size_t n = 0;

	if (r->feed->n_errors++ >= ACL_FEED_ERRORS_MAX)
		return;
	e = &r->feed->error[r->feed->n_errors - 1];
	for (; n < len && n < SHOWN_MAX; n++)
		shown[n] = isprint((unsigned char)what[n]) ? what[n] : '?';
	shown[n] = '\0';
	e->line = line;
	snprintf(e->text, sizeof(e->text), "'%s'%s %s", shown, n < len ? "..." : "", why);
}

static void push(struct reader *r, const struct prefix *p)
{
	if (!r->fatal)
		r->fatal = acl_feed_push(r->feed, p);
}

/* Upper half of an IPv6 address, or an IPv4 address in the upper 32 bits. */
static uint64_t half_of(const struct addr *a, bool v4)
{
	uint64_t half;

	memcpy(&half, a->b + (v4 ? 8 : 0), sizeof(half));
	half = be64toh(half);
	return v4 ? half << 32 : half;
}

static void push_half(struct reader *r, uint64_t half, uint32_t len, bool v4)
{
	struct prefix p = { .len_bits = len };
	uint64_t be = htobe64(v4 ? half >> 32 | 0xffffULL << 32 : half);

	memcpy(p.addr.b + (v4 ? 8 : 0), &be, sizeof(be));
	if (v4)
		p.len_bits += ADDR_V4_BITS;
	push(r, &p);
}

/* The largest aligned block at `first` that does not reach past `last`, again and again. */
static void push_blocks(struct reader *r, uint64_t first, uint64_t last, uint32_t bits, bool v4)
{
	for (;;) {
		uint32_t len = bits;
		uint64_t block;

		while (len) {
			block = len == 1 ? UINT64_MAX : (1ULL << (65 - len)) - 1;
			if ((first & block) || last - first < block)
				break;
			len--;
		}
		block = len ? (1ULL << (64 - len)) - 1 : UINT64_MAX;
		push_half(r, first, len, v4);
		if (r->fatal || last - first <= block)
			return;
		first += block + 1;
	}
}

static const char *range_item(struct reader *r, char *text, char *dash)
{
	const char *second = dash + 1;
	struct addr first, last;
	bool v4;
	uint64_t from, to;

	for (*dash = '\0'; dash > text && isspace((unsigned char)dash[-1]); dash--)
		dash[-1] = '\0';
	while (isspace((unsigned char)*second))
		second++;
	if (addr_parse(text, &first) || addr_parse(second, &last))
		return "is not a range: write e.g. 192.0.2.10-192.0.2.20";
	v4 = addr_is_v4(&first);
	if (v4 != addr_is_v4(&last))
		return "begins and ends in different families";
	from = half_of(&first, v4);
	to = half_of(&last, v4) | (v4 ? 0xffffffffU : 0);
	if (memcmp(&first, &last, sizeof(first)) > 0)
		return "ends before it begins";
	if (!v4 && ((first.w[2] | first.w[3]) || (last.w[2] & last.w[3]) != ~0U))
		return "cuts through a /64: a range of IPv6 has whole /64s";
	push_blocks(r, from, to, v4 ? 32 : UNIT_BITS_V6, v4);
	return NULL;
}

/* To deny the /64 for it would deny others as well: that is for who has the list to say. */
static const char *too_long(struct reader *r, const struct prefix *p)
{
	struct prefix unit = { UNIT_BITS_V6, addr_mask(&p->addr, UNIT_BITS_V6) };
	char text[ADDR_TEXT_MAX];

	snprintf(r->why, sizeof(r->why), "is inside of one source: write %s, or leave it out",
		 prefix_format(&unit, text));
	return r->why;
}

/* An address, a prefix or a range; why it is none, or NULL. */
static const char *item(struct reader *r, const char *text, size_t len)
{
	char copy[2 * ADDR_TEXT_MAX];
	struct prefix p;
	char *dash;
	int err;

	if (len >= sizeof(copy) || memchr(text, '\0', len))
		return "is not an address, a prefix or a range";
	memcpy(copy, text, len);
	copy[len] = '\0';
	dash = strchr(copy, '-');
	if (dash)
		return range_item(r, copy, dash);
	err = prefix_parse(copy, &p);
	if (err)
		return err == -ERANGE ? "has bits set behind its length"
				      : "is not an address, a prefix or a range";
	if (p.len_bits > UNIT_BITS_V6 && !(p.len_bits >= ADDR_V4_BITS && addr_is_v4(&p.addr)))
		return too_long(r, &p);
	push(r, &p);
	return NULL;
}

static void take_item(struct reader *r, uint32_t line, const char *text, size_t len)
{
	const char *why = item(r, text, len);

	if (why)
		wrong(r, line, text, len, why);
}

static void trim(const char **text, size_t *len)
{
	while (*len && isspace((unsigned char)**text)) {
		++*text;
		--*len;
	}
	while (*len && isspace((unsigned char)(*text)[*len - 1]))
		--*len;
}

/* The next line without its end; false behind the last one. */
static bool next_line(struct reader *r, const char **ret, size_t *ret_len)
{
	const char *nl;

	if (r->at >= r->end || r->fatal)
		return false;
	nl = memchr(r->at, '\n', (size_t)(r->end - r->at));
	*ret = r->at;
	*ret_len = (size_t)((nl ? nl : r->end) - r->at);
	r->at = nl ? nl + 1 : r->end;
	r->line++;
	return true;
}

static void read_lines(struct reader *r)
{
	const char *line;
	size_t len;

	while (next_line(r, &line, &len)) {
		size_t n = 0;

		while (n < len && line[n] != '#' && line[n] != ';')
			n++;
		trim(&line, &n);
		if (n)
			take_item(r, r->line, line, n);
	}
}

/* One cell, without its quotes. Returns behind its comma, or NULL at the end of the line. */
static const char *next_cell(const char *at, const char *end, char cell[CELL_MAX], size_t *ret_len)
{
	bool quoted = at < end && *at == '"';
	size_t n = 0;

	for (at += quoted; at < end; at++) {
		if (quoted && *at == '"') {
			if (at + 1 == end || at[1] != '"') {
				quoted = false;
				continue;
			}
			at++;
		} else if (!quoted && *at == ',') {
			break;
		}
		if (n < CELL_MAX - 1) /* longer ones are no address, also when cut */
			cell[n++] = *at;
	}
	cell[n] = '\0';
	*ret_len = n;
	return at < end ? at + 1 : NULL;
}

/* The cell of a column from 0, trimmed. False: the line has fewer. */
static bool cell_of(const char *line, size_t len, size_t column, char cell[CELL_MAX],
		    const char **ret, size_t *ret_len)
{
	const char *at = line;
	size_t i;

	for (i = 0; at; i++) {
		at = next_cell(at, line + len, cell, ret_len);
		if (i == column) {
			*ret = cell;
			trim(ret, ret_len);
			return true;
		}
	}
	return false;
}

static bool column_named(const char *line, size_t len, const char *name, size_t *ret)
{
	char cell[CELL_MAX];
	const char *text;
	size_t n, i;

	for (i = 0; cell_of(line, len, i, cell, &text, &n); i++) {
		if (n == strlen(name) && !strncasecmp(text, name, n)) {
			*ret = i;
			return true;
		}
	}
	return false;
}

/* A first line with a word where the others have addresses. */
static bool is_header(const char *text, size_t len)
{
	return len && isalpha((unsigned char)*text) && !memchr(text, '.', len) &&
	       !memchr(text, ':', len);
}

static void read_csv(struct reader *r, const char *column)
{
	char *number_end = NULL, cell[CELL_MAX];
	size_t which = column ? (size_t)strtoul(column, &number_end, 10) : 1, len, n;
	bool named = column && (*number_end || !which), first = true;
	const char *line, *text;

	which -= !named;
	while (next_line(r, &line, &len)) {
		bool was_first = first;

		trim(&line, &len);
		if (!len || *line == '#')
			continue;
		first = false;
		if (was_first && named) {
			if (column_named(line, len, column, &which))
				continue;
			wrong(r, r->line, column, strlen(column), "is no column of the first line");
			return;
		}
		if (!cell_of(line, len, which, cell, &text, &n))
			wrong(r, r->line, line, len, "has too few columns");
		else if (!was_first || !is_header(text, n))
			take_item(r, r->line, text, n);
	}
}

static void skip_space(struct reader *r)
{
	for (; r->at < r->end && isspace((unsigned char)*r->at); r->at++)
		r->line += *r->at == '\n';
}

/* To just behind `elements = {`; false: there is no more of it. */
static bool find_elements(struct reader *r)
{
	static const char word[] = "elements";

	while ((size_t)(r->end - r->at) >= sizeof(word) - 1) {
		if (memcmp(r->at, word, sizeof(word) - 1) != 0) {
			r->line += *r->at++ == '\n';
			continue;
		}
		r->at += sizeof(word) - 1;
		skip_space(r);
		if (r->at == r->end || *r->at != '=')
			continue;
		r->at++;
		skip_space(r);
		if (r->at < r->end && *r->at == '{') {
			r->at++;
			return true;
		}
	}
	return false;
}

/* What follows an element in a listing: its time, counter or comment; quoted text may hold anything. */
static const char *skip_options(struct reader *r)
{
	const char *why = NULL;
	bool quoted = false;

	for (; r->at < r->end && (quoted || (*r->at != ',' && *r->at != '}')); r->at++) {
		quoted ^= *r->at == '"';
		r->line += *r->at == '\n';
		if (!quoted && (*r->at == '.' || *r->at == ':' || *r->at == '{'))
			why = "is of a set of several fields, or of a map: only addresses can be listed";
	}
	return quoted ? "has a comment without an end" : why;
}

static void read_element(struct reader *r)
{
	const char *from = r->at, *why;
	const uint32_t line = r->line;
	size_t len;

	while (r->at < r->end && !isspace((unsigned char)*r->at) && *r->at != ',' && *r->at != '}')
		r->at++;
	len = (size_t)(r->at - from);
	why = skip_options(r);
	if (why)
		wrong(r, line, from, len, why);
	else
		take_item(r, line, from, len);
}

static void read_nft(struct reader *r)
{
	const char *text = r->at;
	bool any = false;

	r->line = 1;
	while (!r->fatal && find_elements(r)) {
		any = true;
		for (skip_space(r); !r->fatal && r->at < r->end && *r->at != '}'; skip_space(r)) {
			if (*r->at == ',')
				r->at++;
			else
				read_element(r);
		}
		if (r->at == r->end)
			wrong(r, r->line, "{", 1, "has no end");
	}
	/* nft prints a set that is empty without `elements` */
	if (!any && !memmem(text, (size_t)(r->end - text), "set ", 4))
		wrong(r, 1, "elements = {", 12, "is not in it: this is no nftables set");
}

static enum acl_feed_format guess(const char *text, size_t len)
{
	struct acl_feed none = { 0 };
	struct reader r = { .feed = &none, .at = text, .end = text + len };
	const char *line;
	size_t n;

	if (find_elements(&r))
		return ACL_FEED_NFT;
	r.at = text;
	while (next_line(&r, &line, &n)) {
		trim(&line, &n);
		if (n && *line != '#' && *line != ';')
			return memchr(line, ',', n) ? ACL_FEED_CSV : ACL_FEED_LINES;
	}
	return ACL_FEED_LINES;
}

int acl_feed_parse(struct acl_feed *feed, const char *text, size_t len, enum acl_feed_format format,
		   const char *column)
{
	struct reader r = { .feed = feed, .at = text, .end = text + len };

	if (format == ACL_FEED_AUTO)
		format = guess(text, len);
	if (format == ACL_FEED_NFT)
		read_nft(&r);
	else if (format == ACL_FEED_CSV)
		read_csv(&r, column);
	else
		read_lines(&r);
	return r.fatal ? r.fatal : feed->n_errors ? -EINVAL : 0;
}

int acl_feed_format_parse(const char *word, enum acl_feed_format *ret)
{
	static const char *const words[] = { "auto", "lines", "nft", "csv" };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(word, words[i]) == 0) {
			*ret = (enum acl_feed_format)i;
			return 0;
		}
	}
	return -EINVAL;
}

int acl_feed_errors(const struct acl_feed *feed, const char *name, struct buf *out)
{
	size_t n = feed->n_errors < ACL_FEED_ERRORS_MAX ? feed->n_errors : ACL_FEED_ERRORS_MAX, i;
	int err = 0;

	for (i = 0; !err && i < n; i++)
		err = buf_printf(out, "%s:%u: %s\n", name, feed->error[i].line,
				 feed->error[i].text);
	if (!err && feed->n_errors > n)
		err = buf_printf(out, "%s: and %zu lines more that are wrong\n", name,
				 feed->n_errors - n);
	return err;
}
