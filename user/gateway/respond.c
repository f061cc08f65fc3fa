/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>

#include "base/json_write.h"
#include "base/metric.h"
#include "forward.h"
#include "http/h1/write.h"
#include "respond.h"

#define F(s)	    STR_LIT(s)
#define TYPE_QUOTA  "https://iana.org/assignments/http-problem-types#quota-exceeded"
#define PROBLEM_MAX 2048 /* bytes of a body */

struct problem {
	enum termination end;
	unsigned int status;
	const char *detail;
	const struct policy_refusal *refusal; /* NULL: not by a policy */
};

static int write_violated(struct json_write *w, const struct policy_refusal *r)
{
	char text[CONF_PLAN_LIMITS_MAX * (CONF_NAME_MAX + 4) + 3];
	size_t n = 0;

	for (uint32_t i = 0; i < r->n_violated; i++) /* names need no escapes: conf.h */
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%c\"%s\"", i ? ',' : '[',
				      r->violated[i]);
	n += (size_t)snprintf(text + n, sizeof(text) - n, "]");
	json_write_raw(w, "violated-policies", (struct str) { text, n });
	return 0;
}

static int write_body(const struct exchange *x, const struct problem *p, struct buf *out)
{
	char instance[sizeof("urn:uuid:") + EXCHANGE_ID_LEN];
	struct json_write w;

	snprintf(instance, sizeof(instance), "urn:uuid:%s", x->id);
	json_write_open(&w, out);
	json_write_str(&w, "type", p->status == 429 ? F(TYPE_QUOTA) : F("about:blank"));
	json_write_str(&w, "title", str_of(http_status_text(p->status)));
	json_write_u64(&w, "status", p->status);
	json_write_str(&w, "detail", str_of(p->detail));
	json_write_str(&w, "instance", str_of(instance));
	json_write_str(&w, "code", str_of(termination_row(p->end)->code));
	if (p->refusal && p->refusal->n_violated)
		write_violated(&w, p->refusal);
	return json_write_close(&w);
}

/* Other methods pass too: what may be asked for is each route's. */
static int write_allow(struct buf *out)
{
	return h1_write_field(out, F("Allow"), F("GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"));
}

static int write_reasons(const struct problem *p, struct buf *out)
{
	const struct termination_row *row = termination_row(p->end);
	char text[160];
	int err;

	snprintf(text, sizeof(text), FORWARD_NAME "; error=%s; details=\"%s\"", row->proxy_error,
		 row->code);
	err = h1_write_field(out, F("Proxy-Status"), str_of(text));
	if (!err && p->status == 401) /* RFC 9110 s11.6.1: a 401 has to name a scheme */
		err = h1_write_field(out, F("WWW-Authenticate"), F("ApiKey realm=\"sluice\""));
	if (!err && p->status == 405)
		err = write_allow(out);
	if (!err && p->end == TERMINATION_OVERLOAD)
		err = h1_write_field_u64(out, F("Retry-After"), 1);
	if (!err && p->status == 429)
		err = h1_write_field_u64(out, F("Retry-After"), p->refusal->retry_after_s);
	return err;
}

static int write_head(const struct exchange *x, const struct problem *p, size_t body_len, bool keep,
		      struct buf *out)
{
	int err = h1_write_status_line(out, p->status);

	if (!err)
		err = h1_write_date(out);
	if (!err)
		err = h1_write_field(out, F("Content-Type"), F("application/problem+json"));
	if (!err)
		err = h1_write_field_u64(out, F("Content-Length"), body_len);
	if (!err)
		err = h1_write_field(out, F("Cache-Control"), F("no-store"));
	if (!err)
		err = write_reasons(p, out);
	if (!err)
		err = forward_write_facts(x, out);
	if (!err)
		err = forward_write_connection(x, keep, out);
	return err ? err : h1_write_end(out);
}

/*
 * The next request begins behind this one's body: it is read past where that is short and surely
 * comes. After 100-continue the client need not send it (RFC 9110 s10.1.1), so nobody could tell a
 * body from a request.
 */
static bool can_keep(const struct exchange *x)
{
	if (!x->keep_alive || x->request_broken || x->client.ops->closes_soon(x))
		return false;
	if (x->request_done)
		return true;
	return !x->expect && (x->request_body.kind == HTTP_BODY_CHUNKED ||
			      x->request_body.left <= CONN_DISCARD_MAX);
}

static void send_answer(struct exchange *x, struct buf *out, int err, unsigned int status,
			bool keep)
{
	if (!err)
		err = exchange_write_client(x, out, CLIENT_WHOLE);
	if (err) {
		exchange_abort(x, x->end);
		return;
	}
	x->status = (uint16_t)status;
	exchange_end(x, keep, x->request_done ? NULL : &x->request_body);
}

static void respond(struct exchange *x, const struct problem *p)
{
	struct buf *out = &x->gateway->scratch;
	char body_text[PROBLEM_MAX];
	struct buf body = { .data = body_text,
			    .cap = sizeof(body_text),
			    .max_bytes = sizeof(body_text) };
	bool keep = can_keep(x);
	int err = write_body(x, p, &body);

	buf_consume(out, buf_len(out));
	if (!err)
		err = write_head(x, p, buf_len(&body), keep, out);
	if (!err && x->method != HTTP_HEAD)
		err = buf_add_str(out, buf_str(&body));
	x->end = p->end;
	send_answer(x, out, err, p->status, keep);
}

void respond_problem(struct exchange *x, enum termination end, unsigned int status,
		     const char *detail)
{
	const struct termination_row *row = termination_row(end);
	const struct problem p = {
		.end = end,
		.status = status ? status : row->status,
		.detail = detail ? detail : row->detail,
	};

	respond(x, &p);
}

void respond_refusal(struct exchange *x, const struct policy_refusal *r)
{
	const struct problem p = {
		.end = r->end,
		.status = r->status,
		.detail = r->detail,
		.refusal = r,
	};

	respond(x, &p);
}

void respond_options(struct exchange *x)
{
	struct buf *out = &x->gateway->scratch;
	bool keep = can_keep(x);
	int err;

	metric_add(METRIC_OPTIONS_ANSWERED, 1);
	buf_consume(out, buf_len(out));
	err = h1_write_status_line(out, 204);
	if (!err)
		err = h1_write_date(out);
	if (!err)
		err = write_allow(out);
	if (!err)
		err = forward_write_facts(x, out);
	if (!err)
		err = forward_write_connection(x, keep, out);
	if (!err)
		err = h1_write_end(out);
	x->end = TERMINATION_OK;
	send_answer(x, out, err, 204, keep);
}
