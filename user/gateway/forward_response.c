/* SPDX-License-Identifier: BSD-2-Clause */
#include "forward.h"
#include "http/h1/write.h"

#define F(s) STR_LIT(s)

static bool is_replaced(const struct http_field *f)
{
	return f->known == HTTP_NAME_CONTENT_LENGTH || f->known == HTTP_NAME_TRANSFER_ENCODING ||
	       f->known == HTTP_NAME_X_REQUEST_ID;
}

/* An endpoint's own limits beside ours would make one list of both, and nobody could tell which. */
static bool is_limit(struct str name)
{
	return str_ieq(name, F("RateLimit")) || str_ieq(name, F("RateLimit-Policy"));
}

static int pass_fields(const struct exchange *x, const struct http_head *h, struct buf *out)
{
	bool ours = x->nearest && (h->status >= 200 || h->status == 101);

	for (uint32_t i = 0; i < h->n_fields; i++) {
		const struct http_field *f = &h->fields[i];
		int err;

		if (f->hop || is_replaced(f) || (ours && is_limit(http_field_name(h, f))))
			continue;
		err = h1_write_field(out, http_field_name(h, f), http_field_value(h, f));
		if (err)
			return err;
	}
	return 0;
}

/* A response without a body: what Content-Length says is about another one (HEAD, 304). */
static int write_no_body(const struct exchange *x, const struct http_head *h, struct buf *out)
{
	const struct http_field *f = http_field_known(h, HTTP_NAME_CONTENT_LENGTH);

	if (h->status == 204)
		return 0; /* RFC 9110 s8.6: must not have one */
	if (x->method == HTTP_HEAD || h->status == 304)
		return f ? h1_write_field(out, F("Content-Length"), http_field_value(h, f)) : 0;
	return h1_write_field_u64(out, F("Content-Length"), 0);
}

static int write_framing(struct exchange *x, const struct http_head *h, struct buf *out)
{
	switch (h->body) {
	case HTTP_BODY_NONE:
		return write_no_body(x, h, out);
	case HTTP_BODY_LENGTH:
		return h1_write_field_u64(out, F("Content-Length"), h->content_length);
	default:
		break;
	}
	if (x->client.stream)
		return 0; /* DATA frames have their own end */
	if (x->minor) {
		x->chunk_response = true;
		return h1_write_field(out, F("Transfer-Encoding"), F("chunked"));
	}
	x->until_close = true;
	x->keep_alive = false;
	return 0;
}

/*
 * Can another request follow, also if the endpoint never takes the rest of this one's body? Only
 * where that is short, its end known, and surely on its way: not after an unanswered expectation
 * (RFC 9110 s10.1.1), and not in chunks, of which there may be any number.
 */
static bool can_keep(const struct exchange *x)
{
	if (!x->keep_alive || x->client.ops->closes_soon(x))
		return false;
	if (x->request_done)
		return true;
	return !x->expect && !x->request_broken && x->request_body.kind == HTTP_BODY_LENGTH &&
	       x->request_body.left <= CONN_DISCARD_MAX;
}

static int write_added(struct exchange *x, const struct http_head *h, struct buf *out)
{
	int err = h1_write_field(out, F("Via"),
				 h->minor ? F("1.1 " FORWARD_NAME) : F("1.0 " FORWARD_NAME));

	if (!err && !http_field_known(h, HTTP_NAME_DATE))
		err = h1_write_date(out); /* RFC 9110 s6.6.1 */
	return err ? err : forward_write_facts(x, out);
}

int forward_response(struct exchange *x, const struct http_head *h, struct buf *out)
{
	int err = h1_write_status_line(out, h->status);

	if (!err)
		err = pass_fields(x, h, out);
	if (!err)
		err = write_framing(x, h, out);
	if (!err)
		err = write_added(x, h, out);
	x->keep_alive = can_keep(x);
	if (!err)
		err = forward_write_connection(x, x->keep_alive, out);
	return err ? err : h1_write_end(out);
}

int forward_interim(struct exchange *x, const struct http_head *h, struct buf *out)
{
	int err = h1_write_status_line(out, h->status);

	if (!err)
		err = pass_fields(x, h, out);
	if (!err && h->status == 101)
		err = h1_write_field(out, F("Connection"), F("upgrade"));
	if (!err && h->status == 101)
		err = h1_write_field(out, F("Upgrade"), F("websocket"));
	if (!err && h->status == 101)
		err = write_added(x, h, out);
	return err ? err : h1_write_end(out);
}
