/* SPDX-License-Identifier: BSD-2-Clause */
/* What our parser makes of cases; see case.h. */
#include <errno.h>

#include "case.h"
#include "http/h1/parse.h"

static const struct h1_limits limits = { 1 << 20, 1 << 20, HTTP_FIELDS_MAX };

static void print_head(const struct http_head *h, bool response, struct buf *out)
{
	buf_consume(out, buf_len(out));
	if (response)
		case_must(buf_printf(out, "%u 1.%u", h->status, h->minor));
	else
		case_must(buf_printf(out, "%.*s %.*s 1.%u", (int)h->method_text.len,
				     h->method_text.ptr, (int)h->target.len, h->target.ptr,
				     h->minor));
	case_must(buf_printf(out, "\n%s\n", h->keep_alive ? "keep" : "close"));
	for (uint32_t i = 0; i < h->n_fields; i++) {
		case_must(buf_add_str(out, http_field_name(h, &h->fields[i])));
		case_must(buf_add(out, ": ", 2));
		case_must(buf_add_str(out, http_field_value(h, &h->fields[i])));
		case_must(buf_add(out, "\n", 1));
	}
	case_event('H', out);
}

/* Bytes used; -EPROTO; -EAGAIN: the body goes on behind the case. */
static ssize_t read_body(struct h1_body *b, const char *data, size_t len, struct buf *out,
			 struct h1_error *err)
{
	size_t at = 0;

	buf_consume(out, buf_len(out));
	for (;;) {
		struct str run;
		ssize_t used = h1_body_read(b, data + at, len - at, &run, err);

		if (used < 0)
			return used;
		case_must(buf_add_str(out, run));
		at += (size_t)used;
		if (used == 0 && run.len == 0)
			break;
	}
	if (!b->done && h1_body_eof(b, err))
		return -EAGAIN;
	case_event('B', out);
	return (ssize_t)at;
}

/* One message from *at; what ends the case, or NULL: go on. */
static const char *message(const struct conform_case *c, size_t *at, struct buf *out,
			   struct h1_error *err)
{
	bool response = c->kind == 's';
	const char *data = c->data + *at;
	size_t len = c->len - *at;
	struct http_head h;
	struct h1_body body;
	size_t scanned = 0;
	int n = response ? h1_parse_response(data, len, &scanned, &limits, HTTP_GET, &h, err)
			 : h1_parse_request(data, len, &scanned, &limits, &h, err);

	if (n < 0)
		return n == -EAGAIN ? "more" : "error";
	print_head(&h, response, out);
	if (h.upgrade || h.method == HTTP_CONNECT || h.status == 101)
		return "upgrade";
	h1_body_init(&body, &h);
	ssize_t used = read_body(&body, data + n, len - (size_t)n, out, err);

	if (used < 0)
		return used == -EAGAIN ? "more-body" : "error";
	*at += (size_t)n + (size_t)used;
	if (!h.keep_alive)
		return "close";
	return *at == c->len ? "end" : NULL;
}

int main(void)
{
	struct conform_case c = { 0 };
	struct buf out;

	buf_init(&out, 1 << 20);
	while (case_read(&c)) {
		struct h1_error err = { 0, "" };
		const char *end = c.len ? NULL : "end";
		size_t at = 0;

		while (!end)
			end = message(&c, &at, &out, &err);
		printf("%s", end);
		if (strcmp(end, "error") == 0)
			printf(":%u %s", err.status, err.why);
		putchar('\n');
	}
	buf_clear(&out);
	free(c.data);
	return 0;
}
