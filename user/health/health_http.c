/* SPDX-License-Identifier: BSD-2-Clause */
#include "health_http.h"

#include <errno.h>
#include <string.h>

void health_http_init(struct health_http *h, const struct health_http_rules *rules)
{
	*h = (struct health_http) { .rules = rules };
	buf_init(&h->seen, HEALTH_HTTP_BODY_BYTES);
}

void health_http_clear(struct health_http *h)
{
	buf_clear(&h->seen);
}

static bool is_wanted(const struct health_http_rules *rules, unsigned int status)
{
	for (size_t i = 0; i < rules->n_status; i++)
		if (status >= rules->status[i].first && status <= rules->status[i].last)
			return true;
	return false;
}

static int take_head(struct health_http *h, const char *data, size_t len, size_t *used,
		     struct errmsg *why)
{
	static const struct h1_limits limits = { HEALTH_HTTP_HEAD_BYTES, 0, HTTP_FIELDS_MAX };
	struct h1_error refused = { 0 };
	struct http_head head;
	int n = h1_parse_response(data, len, &h->scanned, &limits, HTTP_GET, &head, &refused);

	if (n == -EAGAIN)
		return 0;
	if (n < 0)
		return errmsg_set(why, -EPROTO, "not an HTTP answer: %s", refused.why);
	*used = (size_t)n;
	h->scanned = 0;
	if (head.status < 200 && head.status != 101 && h->interim++ < HEALTH_HTTP_INTERIM)
		return 0;
	if (!is_wanted(h->rules, head.status))
		return errmsg_set(why, -EPROTO, "status %u", head.status);
	h->in_body = true;
	h1_body_init(&h->body, &head);
	return h->rules->match_len ? 0 : 1;
}

static int no_match(const struct health_http *h, struct errmsg *why)
{
	return errmsg_set(why, -EPROTO, "the first %zu bytes of the body do not match",
			  buf_len(&h->seen));
}

/* What came before may be the beginning of a match: search from there. */
static int search(struct health_http *h, struct str data, struct errmsg *why)
{
	const struct health_http_rules *rules = h->rules;
	size_t before = buf_len(&h->seen), room = buf_room(&h->seen), from;

	if (data.len > room)
		data.len = room;
	if (data.len && buf_add(&h->seen, data.ptr, data.len))
		return errmsg_set(why, -EPROTO, "no memory for its body");
	from = before < rules->match_len ? 0 : before - rules->match_len + 1;
	if (buf_len(&h->seen) && memmem(buf_head(&h->seen) + from, buf_len(&h->seen) - from,
					rules->match, rules->match_len))
		return 1;
	return h->body.done || !buf_room(&h->seen) ? no_match(h, why) : 0;
}

int health_http_feed(struct health_http *h, const char *data, size_t len, size_t *used,
		     struct errmsg *why)
{
	struct h1_error refused = { 0 };
	struct str run = { 0 };
	ssize_t n;

	*used = 0;
	if (!h->in_body) {
		int ret = len ? take_head(h, data, len, used, why) : 0;

		if (ret || !h->in_body)
			return ret;
		data += *used;
		len -= *used;
	}
	for (;;) {
		int ret;

		n = h1_body_read(&h->body, data, len, &run, &refused);
		if (n < 0)
			return errmsg_set(why, -EPROTO, "not an HTTP answer: %s", refused.why);
		*used += (size_t)n;
		data += n;
		len -= (size_t)n;
		ret = search(h, run, why);
		if (ret || (!n && !run.len))
			return ret;
	}
}

int health_http_end(struct health_http *h, struct errmsg *why)
{
	if (h->in_body)
		return no_match(h, why);
	return errmsg_set(why, -EPROTO, "closed without an answer");
}
