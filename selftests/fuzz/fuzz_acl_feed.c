/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A list of prefixes from somebody else: the first byte picks the format. What is accepted is prefixes
 * that the kernel can hold, and reads the same once it is written one per line.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "conf/acl_feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct prefix *p)
{
	const struct addr net = addr_mask(&p->addr, p->len_bits);

	if (p->len_bits > 128 || !addr_eq(&net, &p->addr) ||
	    (p->len_bits > 64 && !(addr_is_v4(&p->addr) && p->len_bits >= ADDR_V4_BITS)))
		abort();
}

static void check_again(const struct acl_feed *feed)
{
	struct acl_feed again = { 0 };
	char text[ADDR_TEXT_MAX];
	struct buf out;

	buf_init(&out, 64U << 20);
	for (size_t i = 0; i < feed->n; i++) {
		check(&feed->v[i]);
		if (buf_printf(&out, "%s\n", prefix_format(&feed->v[i], text)))
			abort();
	}
	if (acl_feed_parse(&again, buf_len(&out) ? buf_head(&out) : "", buf_len(&out),
			   ACL_FEED_LINES, NULL) ||
	    again.n != feed->n || (feed->n && memcmp(again.v, feed->v, feed->n * sizeof(*feed->v))))
		abort();
	acl_feed_clear(&again);
	buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct acl_feed feed = { 0 };
	struct buf lines;
	char *text;
	int err;

	if (!size)
		return 0;
	text = malloc(size - 1 ? size - 1 : 1);
	memcpy(text, data + 1, size - 1); /* so that one byte too far is noticed */
	err = acl_feed_parse(&feed, text, size - 1, (enum acl_feed_format)(data[0] % 4),
			     data[0] & 4   ? "ip"
			     : data[0] & 8 ? "2"
					   : NULL);
	if (!err)
		check_again(&feed);
	else if (!feed.n_errors)
		abort();
	buf_init(&lines, 1U << 16);
	if (acl_feed_errors(&feed, "feed", &lines))
		abort();
	buf_clear(&lines);
	acl_feed_clear(&feed);
	free(text);
	return 0;
}
