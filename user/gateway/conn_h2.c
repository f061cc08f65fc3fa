/* SPDX-License-Identifier: BSD-2-Clause */
#include "conn_h2.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>

#include "base/metric.h"
#include "exchange.h"
#include "http/h2/session.h"
#include "request.h"

static void on_request(struct h2_stream *s, const struct http_head *head,
		       const struct h1_error *err, void *ctx)
{
	struct conn *c = ctx;

	c->h2->wait = CONN_H2_NONE;		    /* the idle time begins anew */
	if (c->gateway->draining && !c->h2->warned) /* another program accepts: say so at last */
		conn_h2_drain(c);
	request_of_stream(c, s, head, err);
}

static void on_data(struct h2_stream *s, void *ctx)
{
	struct exchange *x = s->owner;

	(void)ctx;
	if (s->in_ended && buf_len(&s->in_trailers)) {
		buf_add_str(&x->request_trailers, buf_str(&s->in_trailers)); /* of one size */
		buf_clear(&s->in_trailers);
	}
	exchange_client_readable(x);
}

static void on_writable(struct h2_stream *s, void *ctx)
{
	(void)ctx;
	exchange_client_writable(s->owner);
}

static void on_lost(struct h2_stream *s, void *ctx)
{
	(void)ctx;
	exchange_client_end(s->owner, -ECONNRESET);
}

/* A verdict needs many of them, from one source: who stays within the budget is not named. */
static void on_glitch(uint32_t n, void *ctx)
{
	struct conn *c = ctx;
	const struct gateway_env *env = &c->gateway->env;
	const struct gateway_refusal r = {
		.source = c->stream.peer,
		.reason = VERDICT_REASON_HTTP2,
	};

	metric_add(METRIC_HTTP2_GLITCHES, n);
	if (c->from_proxy) /* it stands for everybody behind it */
		return;
	if (env->on_refusal && h2_glitch_suspect(&c->h2->session->glitch))
		env->on_refusal(&r, env->ctx);
}

static const struct h2_events events = {
	.on_request = on_request,
	.on_data = on_data,
	.on_writable = on_writable,
	.on_lost = on_lost,
	.on_glitch = on_glitch,
};

static uint64_t now_of(const struct conn *c)
{
	return loop_now_ns(c->gateway->env.loop);
}

void conn_h2_start(struct conn *c)
{
	const struct conf_listener *conf = &c->listener->conf;
	const struct h1_limits limits = {
		.max_head_bytes = conf->max_header_bytes,
		.max_uri_bytes = conf->max_uri_bytes,
		.max_fields = conf->max_headers,
	};
	struct conn_h2 *h = calloc(1, sizeof(*h));

	if (!h || h2_session_new(&limits, &c->gateway->head, &events, c, now_of(c), &h->session)) {
		free(h);
		conn_close(c, false);
		return;
	}
	metric_add(METRIC_HTTP2_CONNECTIONS, 1);
	c->h2 = h;
	c->state = CONN_H2;
	timer_stop(&c->timer);
	if (c->gateway->draining || c->listener->removed)
		conn_h2_drain(c);
	conn_h2_read(c);
}

void conn_h2_free(struct conn *c)
{
	if (!c->h2)
		return;
	h2_session_free(c->h2->session);
	free(c->h2);
	c->h2 = NULL;
}

void conn_h2_wake(struct conn *c)
{
	if (c->state == CONN_H2)
		loop_defer(c->gateway->env.loop, &c->work);
}

void conn_h2_read(struct conn *c)
{
	struct buf *in = &c->stream.in;

	if (buf_len(in)) {
		/* how it ends, if it does, is seen when the answer is sent */
		h2_session_recv(c->h2->session, buf_head(in), buf_len(in), now_of(c));
		buf_consume(in, buf_len(in));
		buf_trim(in);
	}
	conn_h2_wake(c);
}

/* What the client is waited for on the connection as a whole. */
static enum conn_h2_wait wait_of(const struct conn *c)
{
	const struct conn_h2 *h = c->h2;

	if (h->warned && !h->refuses)
		return CONN_H2_DRAIN;
	if (c->stream.write_full)
		return CONN_H2_TAKE;
	if (h->session->in_head)
		return CONN_H2_HEAD;
	return h->session->n_streams ? CONN_H2_NONE : CONN_H2_IDLE;
}

static uint64_t wait_ms(const struct conn *c, enum conn_h2_wait wait)
{
	const struct conf_listener *conf = &c->listener->conf;

	switch (wait) {
	case CONN_H2_DRAIN:
		return CONN_LAST_REQUEST_MS;
	case CONN_H2_TAKE:
		return conf->body_timeout_ms;
	case CONN_H2_HEAD:
		return conf->header_timeout_ms;
	default:
		return conf->idle_timeout_ms;
	}
}

/* The time of what is waited for already runs on. */
static void rearm(struct conn *c)
{
	enum conn_h2_wait wait = wait_of(c);

	if (wait == c->h2->wait)
		return;
	c->h2->wait = wait;
	timer_stop(&c->timer);
	if (wait == CONN_H2_TAKE)
		c->h2->taken_mark = conn_bytes_taken(c);
	if (wait != CONN_H2_NONE)
		conn_timer(c, wait_ms(c, wait));
}

void conn_h2_abort(struct conn *c, enum termination end)
{
	struct h2_stream *s = c->h2 ? c->h2->session->streams : NULL;

	for (; s; s = s->next) {
		if (s->owner)
			exchange_abort(s->owner, end);
	}
}

void conn_h2_work(struct conn *c)
{
	struct h2_session *session = c->h2->session;
	struct stream *s = &c->stream;

	if (h2_session_send(session, &s->out)) {
		conn_h2_abort(c, TERMINATION_INTERNAL);
		conn_close(c, false);
		return;
	}
	stream_write(s, "", 0); /* nothing more: makes the stream send what was put there */
	if (h2_session_pending(session))
		s->write_full = true;
	if (!h2_session_over(session)) {
		rearm(c);
		return;
	}
	if (h2_glitch_over(&session->glitch))
		metric_add(METRIC_HTTP2_ENDED, 1);
	conn_h2_abort(c, TERMINATION_CLIENT_GONE);
	conn_finish(c);
}

void conn_h2_end(struct conn *c, int err)
{
	struct h2_stream *next;

	if (err) {
		conn_h2_abort(c, TERMINATION_CLIENT_GONE);
		conn_close(c, false);
		return;
	}
	/* what was asked for whole is still answered */
	for (struct h2_stream *s = c->h2->session->streams; s; s = next) {
		next = s->next;
		if (s->owner && !s->in_ended)
			exchange_abort(s->owner, TERMINATION_CLIENT_GONE);
	}
	h2_session_refuse(c->h2->session);
	c->h2->refuses = true;
	conn_h2_wake(c);
}

void conn_h2_drain(struct conn *c)
{
	if (c->h2->warned)
		return;
	c->h2->warned = true;
	h2_session_warn(c->h2->session);
	conn_h2_wake(c);
}

static void stalled(struct conn *c)
{
	metric_add(METRIC_TIMEOUTS_CLIENT, 1);
	conn_h2_abort(c, TERMINATION_CLIENT_STALLED);
	conn_close(c, false);
}

/* It was given a period: did it take what it owed of one? */
static bool takes_enough(const struct conn *c)
{
	return conn_bytes_taken(c) - c->h2->taken_mark >=
	       conn_bytes_owed(c->listener->conf.body_timeout_ms);
}

void conn_h2_timeout(struct conn *c)
{
	struct conn_h2 *h = c->h2;
	enum conn_h2_wait wait = h->wait;

	h->wait = CONN_H2_NONE; /* rearm: from here on */
	switch (wait) {
	case CONN_H2_TAKE:
		if (!takes_enough(c)) {
			stalled(c);
			return;
		}
		break;
	case CONN_H2_HEAD:
		metric_add(METRIC_TIMEOUTS_CLIENT, 1);
		h2_session_end(h->session, NGHTTP2_PROTOCOL_ERROR);
		break;
	case CONN_H2_IDLE:
		if (conn_still_sending(c))
			break;
		h2_session_refuse(h->session);
		h->refuses = true;
		break;
	case CONN_H2_DRAIN:
		h2_session_refuse(h->session);
		h->refuses = true;
		break;
	case CONN_H2_NONE:
		break;
	}
	conn_h2_wake(c);
}
