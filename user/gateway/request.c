/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/metric.h"
#include "conn_h2.h"
#include "certificate.h"
#include "exchange.h"
#include "forward.h"
#include "http/h1/parse.h"
#include "http/h2/session.h"
#include "http/uri.h"
#include "request.h"
#include "respond.h"
#include "trailer.h"

/* A head that was parsed stays in stream.in until all has been taken from it. */
static void take_head(struct exchange *x, const struct http_head *h, int len)
{
	x->method = h->method;
	x->minor = h->minor;
	x->keep_alive = h->keep_alive;
	/* RFC 9110 s10.1.1: an expectation of a 1.0 client, or without a body, is ignored */
	x->expect = h->expect_continue && h->minor && h->body != HTTP_BODY_NONE;
	x->bytes_in = (uint64_t)len;
	x->trailers = h->minor && trailer_wanted(h);
	h1_body_init(&x->request_body, h);
	x->request_body.trailers = &x->request_trailers;
	x->request_done = h->body == HTTP_BODY_NONE || x->request_body.done;
	x->chunk_request = h->body == HTTP_BODY_CHUNKED;
}

/* OPTIONS of the server and not of a resource (RFC 9110 s9.3.7): the parser allows "*" for no other. */
static bool asks_server(const struct http_head *h)
{
	return h->method == HTTP_OPTIONS && str_eq(h->path, STR_LIT("*"));
}

static int take_path(const struct http_head *h, char *to)
{
	if (!asks_server(h))
		return uri_normalize(h->path, to);
	*to = '*';
	return 1;
}

/* Copies for the log, and the path as it is routed and forwarded. -EINVAL: no such path. */
static int take_text(struct exchange *x, const struct http_head *h)
{
	char *at = malloc(h->path.len + 1 + h->method_text.len + h->authority.len + 1);
	int n;

	if (!at)
		return -ENOMEM;
	x->text = at;
	n = take_path(h, at);
	if (n >= 0)
		x->path = (struct str) { at, (size_t)n };
	at += h->path.len + 1;
	if (h->method_text.len)
		memcpy(at, h->method_text.ptr, h->method_text.len);
	x->method_text = (struct str) { at, h->method_text.len };
	at += h->method_text.len;
	if (h->authority.len)
		memcpy(at, h->authority.ptr, h->authority.len);
	x->host = (struct str) { at, h->authority.len };
	return n < 0 ? n : 0;
}

/* false: answered. */
static bool check_head(struct exchange *x, const struct http_head *h)
{
	int err = take_text(x, h);

	if (err == -ENOMEM) {
		exchange_fail(x, TERMINATION_INTERNAL, 0, NULL);
		return false;
	}
	if (h->method == HTTP_CONNECT || h->method == HTTP_TRACE) {
		/* RFC 9110 s9.3.6, s9.3.8: a tunnel to anywhere, and an echo of our own fields.
		 * What follows a CONNECT may be meant for the tunnel. */
		x->request_broken = h->method == HTTP_CONNECT;
		exchange_fail(x, TERMINATION_METHOD_REFUSED, h->method == HTTP_CONNECT ? 501 : 405,
			      NULL);
		return false;
	}
	if (err) {
		exchange_fail(x, TERMINATION_URI_INVALID, 0, NULL);
		return false;
	}
	if (forward_expects_other(h)) {
		x->request_broken = !x->request_done; /* who knows whether its body comes */
		exchange_fail(x, TERMINATION_EXPECTATION_UNKNOWN, 0, NULL);
		return false;
	}
	return true;
}

/* false: answered. */
static bool find_route(struct exchange *x, const struct http_head *h)
{
	const struct listener *l = x->conn->listener;

	x->route = route_match(x->snapshot->table[l->index], x->host, x->path);
	if (!x->route) {
		metric_add(METRIC_REQUESTS_UNROUTED, 1);
		exchange_fail(x, TERMINATION_NO_ROUTE, 0, NULL);
		return false;
	}
	if (h->body == HTTP_BODY_LENGTH && h->content_length > l->conf.max_body_bytes) {
		exchange_fail(x, TERMINATION_BODY_TOO_LARGE, 0, NULL);
		return false;
	}
	return true;
}

static void report_refusal(struct exchange *x, const struct policy_exchange *p)
{
	const struct gateway_env *env = &x->gateway->env;
	struct gateway_refusal r = {
		.source = x->conn->stream.peer,
		.consumer = p->consumer ? p->consumer->id : 0,
		.reason = p->refusal.reason,
	};

	if (x->conn->from_proxy) /* it stands for everybody behind it */
		return;
	if (env->on_refusal && r.reason != VERDICT_REASON_OPERATOR)
		env->on_refusal(&r, env->ctx);
}

/* false: answered. */
static bool ask_policies(struct exchange *x, struct policy_exchange *p)
{
	enum policy_answer answer = policy_chain_run(x->route->policies, p);

	x->consumer = p->consumer;
	x->nearest = p->nearest;
	x->nearest_remaining = p->nearest_remaining;
	x->nearest_reset_s = p->nearest_reset_s;
	if (answer == POLICY_CONTINUE)
		return true;
	report_refusal(x, p);
	respond_refusal(x, &p->refusal);
	return false;
}

static void stamp(const struct exchange *x)
{
	struct presence *p = &x->gateway->presence;
	uint32_t now_s = (uint32_t)(loop_now_ns(x->gateway->env.loop) / NS_PER_S);

	presence_stamp(p, &x->conn->client, x->consumer->id, now_s);
	if (x->conn->announced)
		presence_stamp(p, &x->conn->stream.peer, x->consumer->id, now_s);
}

/* false: answered. */
static bool serve(struct exchange *x, const struct http_head *h)
{
	struct gateway *g = x->gateway;
	struct policy_exchange p = {
		.request = h,
		.meters = g->env.meters,
		.n_meters = g->env.n_meters,
	};
	int err;

	if (!check_head(x, h))
		return false;
	if (g->overload.level == OVERLOAD_SHED) {
		metric_add(METRIC_OVERLOAD_SHED, 1);
		exchange_fail(x, TERMINATION_OVERLOAD, 0, NULL);
		return false;
	}
	if (asks_server(h)) {
		respond_options(x);
		return false;
	}
	if (!find_route(x, h) || !certificate_check(x) || !ask_policies(x, &p))
		return false;
	err = forward_head(x, h, &p);
	if (err) {
		exchange_fail(x,
			      err == -EINVAL ? TERMINATION_REQUEST_MALFORMED : TERMINATION_INTERNAL,
			      0, NULL);
		return false;
	}
	if (x->consumer) {
		presence_hold(&x->conn->holds, x->consumer->id);
		stamp(x);
	}
	return true;
}

static struct exchange *begin(struct conn *c)
{
	struct exchange *x = exchange_new(c);

	if (!x) {
		conn_close(c, false);
		return NULL;
	}
	client_h1_init(x);
	c->exchange = x;
	c->state = CONN_EXCHANGE;
	c->scanned = 0;
	timer_stop(&c->timer);
	return x;
}

static void wait_for_more(struct conn *c)
{
	if (!buf_len(&c->stream.in) || c->state == CONN_HEAD)
		return;
	c->state = CONN_HEAD;
	conn_timer(c, c->listener->conf.header_timeout_ms);
}

/* The answer needs room: a client that sends requests and reads no responses waits here. */
static bool has_room(struct conn *c)
{
	if (buf_len(&c->stream.out) <= c->stream.out.max_bytes / 4)
		return true;
	c->stream.write_full = true;
	conn_timer(c, c->listener->conf.idle_timeout_ms);
	return false;
}

static void refuse_malformed(struct exchange *x, const struct h1_error *err)
{
	metric_add(METRIC_REQUESTS_MALFORMED, 1);
	x->request_broken = true; /* where its body would begin nobody knows */
	exchange_fail(x, TERMINATION_REQUEST_MALFORMED, err->status, err->why);
}

/* A client of HTTP/2 by prior knowledge begins with what no request can (RFC 9113 s3.4). */
static int detect_h2(const struct conn *c)
{
	const struct buf *in = &c->stream.in;

	if (c->served || c->tls || !c->listener->conf.http2)
		return 0;
	return h2_session_detect(buf_head(in), buf_len(in));
}

void request_read(struct conn *c)
{
	const struct conf_listener *conf = &c->listener->conf;
	const struct h1_limits limits = {
		.max_head_bytes = conf->max_header_bytes,
		.max_uri_bytes = conf->max_uri_bytes,
		.max_fields = conf->max_headers,
	};
	struct http_head *h = &c->gateway->head;
	struct h1_error err = { 0 };
	struct buf *in = &c->stream.in;
	struct exchange *x;
	int n;

	if (!has_room(c))
		return;
	n = buf_len(in) ? detect_h2(c) : 0;
	if (n > 0) {
		conn_h2_start(c);
		return;
	}
	if (n == -EAGAIN) {
		wait_for_more(c);
		return;
	}
	n = h1_parse_request(buf_head(in), buf_len(in), &c->scanned, &limits, h, &err);
	if (n == -EAGAIN) {
		wait_for_more(c);
		return;
	}
	x = begin(c);
	if (!x)
		return;
	if (n < 0) {
		refuse_malformed(x, &err);
		return;
	}
	metric_add(METRIC_REQUESTS, 1);
	take_head(x, h, n);
	/* The head's bytes stay where they are until something is read into `in` or it is trimmed,
	 * which an answer may do: nobody looks at h after that. */
	buf_consume(in, (size_t)n);
	if (serve(x, h))
		exchange_start(x);
}

void request_of_stream(struct conn *c, struct h2_stream *s, const struct http_head *h,
		       const struct h1_error *err)
{
	struct exchange *x = exchange_new(c);

	if (!x)
		return; /* the stream is reset */
	client_h2_init(x, s);
	x->minor = 1;
	if (!h) {
		refuse_malformed(x, err);
		return;
	}
	metric_add(METRIC_REQUESTS, 1);
	take_head(x, h, (int)h->head_len);
	if (h->body == HTTP_BODY_CHUNKED)
		h1_body_init_bare(&x->request_body);
	if (serve(x, h))
		exchange_start(x);
}

void request_timeout(struct conn *c)
{
	struct exchange *x = begin(c);

	if (!x)
		return;
	x->request_broken = true;
	exchange_fail(x, TERMINATION_CLIENT_TIMEOUT, 0, NULL);
}
