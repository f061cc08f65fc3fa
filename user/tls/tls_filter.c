/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stream filter. A call takes what the socket has with one recv into memory of the process, lets
 * OpenSSL work on it, and keeps what it did not use with the connection; what OpenSSL writes is
 * collected there too and leaves with one send. The error queue is the process's: it is cleared
 * before every call, and after one that failed, so that no connection sees another's errors.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "base/metric.h"
#include "tls_client.h"
#include "tls_context.h"
#include "tls_wire.h"

#define RECORD_MAX_BYTES    (16U << 10) /* of plaintext, RFC 8446 s5.1 */
#define RECV_MAX_BYTES	    (64U << 10)
#define RECV_SLACK_BYTES    512U /* headers and tags: a record of n bytes comes in one recv */
#define RECV_MIN_BYTES	    (4U << 10)
#define OUT_HIGH_BYTES	    (64U << 10)	 /* encrypt no more before this went to the socket */
#define OUT_MAX_BYTES	    (256U << 10) /* a handshake flight, or answers to key updates */
#define HANDSHAKE_MAX_BYTES (128U << 10) /* from the peer until it is done */
#define CALL_MAX_BYTES	    (256U << 10) /* wire bytes without a byte of data for the owner */

struct tls_filter {
	struct stream_filter filter;
	SSL *ssl;
	struct tls_context *context; /* NULL: we are the client */
	struct tls_session *session; /* client: where the next one goes; NULL: nowhere */
	struct buf in;		     /* from the wire, not yet given to OpenSSL */
	struct buf out;		     /* for the wire */
	const char *failure;
	uint32_t handshake_bytes;
	bool broken;	     /* OpenSSL must not be called any more */
	bool held;	     /* what is in `out` goes with the next bytes that are written */
	bool begun;	     /* a client has said hello */
	bool refused_client; /* its certificate, or for want of one */
};

static char recv_space[RECV_MAX_BYTES]; /* in use within one call only */

/* OpenSSL's queue of errors has to be empty before a call; clearing it costs more than a look. */
static void clear_errors(void)
{
	if (ERR_peek_error())
		ERR_clear_error();
}

static struct tls_filter *filter_of(const struct stream *s)
{
	return container_of(s->filter, struct tls_filter, filter);
}

static int tls_flush(struct stream *s)
{
	struct tls_filter *f = filter_of(s);

	while (buf_len(&f->out) && !f->held) {
		ssize_t n = stream_wire_send(s, buf_head(&f->out), buf_len(&f->out));

		if (n < 0)
			return (int)n;
		buf_consume(&f->out, (size_t)n);
	}
	buf_trim(&f->out);
	return 0;
}

/* What a call into OpenSSL returned as 0 (done), 1 (end), -EAGAIN (more from the wire), -EPROTO. */
static int result_of(struct tls_filter *f, int ret)
{
	switch (SSL_get_error(f->ssl, ret)) {
	case SSL_ERROR_NONE:
		return 0;
	case SSL_ERROR_WANT_READ:
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 1;
	}
	f->failure = ERR_reason_error_string(ERR_peek_error());
	f->refused_client =
		ERR_GET_REASON(ERR_peek_error()) == SSL_R_CERTIFICATE_VERIFY_FAILED ||
		ERR_GET_REASON(ERR_peek_error()) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE;
	f->broken = true;
	f->held = false; /* an alert waits for nothing */
	ERR_clear_error();
	return -EPROTO;
}

/* A window over what was kept, or over a fresh recv. -EAGAIN; -ECONNABORTED at the end. */
static int open_window(struct stream *s, struct tls_window *w, size_t want)
{
	ssize_t n;

	if (want > sizeof(recv_space))
		want = sizeof(recv_space);
	n = stream_wire_recv(s, recv_space, want);
	if (n < 0)
		return (int)n;
	if (n == 0)
		return -ECONNABORTED;
	*w = (struct tls_window) { recv_space, (size_t)n };
	return 0;
}

/* Keep what OpenSSL left of the window; it is none while it wants more. */
static int keep_window(struct tls_filter *f, const struct tls_window *w)
{
	if (f->in.data && buf_len(&f->in)) {
		buf_consume(&f->in, buf_len(&f->in) - w->len);
		buf_trim(&f->in);
		return 0;
	}
	return w->len ? buf_add(&f->in, w->at, w->len) : 0;
}

static int handshake_step(struct tls_filter *f, struct tls_window *w)
{
	int ret;

	clear_errors();
	tls_wire_use(w, &f->out);
	ret = SSL_do_handshake(f->ssl);
	tls_wire_use(NULL, NULL);
	return result_of(f, ret);
}

static void count_handshake(struct tls_filter *f, int err)
{
	if (!f->context) /* the metrics are those of our listeners */
		return;
	if (!err) {
		metric_add(METRIC_TLS_HANDSHAKES, 1);
		metric_add(METRIC_TLS_RESUMED, SSL_session_reused(f->ssl) ? 1 : 0);
	} else if (f->handshake_bytes) { /* a peer that only connects did not try */
		metric_add(METRIC_TLS_HANDSHAKE_FAILURES, 1);
		metric_add(METRIC_TLS_CLIENT_CERTS_REFUSED, f->refused_client ? 1 : 0);
	}
}

/*
 * Of TLS 1.3 only our ticket is left to be sent once the client has finished. If its request is here
 * too, the ticket goes with the response: one send fewer. Before, all of our flight was needed.
 */
static bool may_hold(const struct tls_filter *f, const struct tls_window *w)
{
	return f->context && w->len && SSL_version(f->ssl) == TLS1_3_VERSION;
}

static int tls_handshake(struct stream *s)
{
	struct tls_filter *f = filter_of(s);
	struct tls_window w = { 0 };
	int err, flushed;

	do {
		err = f->begun ? open_window(s, &w, RECORD_MAX_BYTES) : 0;
		if (err)
			break;
		f->begun = true;
		f->handshake_bytes += (uint32_t)w.len;
		err = handshake_step(f, &w);
		if (err == -EAGAIN && f->handshake_bytes > HANDSHAKE_MAX_BYTES) {
			f->failure = "handshake too long";
			f->broken = true;
			err = -EPROTO;
		}
	} while (err == -EAGAIN);
	f->held = !err && may_hold(f, &w);
	if (!err && keep_window(f, &w))
		err = -ENOMEM;
	flushed = tls_flush(s); /* our flight, or the alert that says why not */
	if (err == -EAGAIN && flushed && flushed != -EAGAIN)
		err = flushed;
	if (err != -EAGAIN)
		count_handshake(f, err);
	return err > 0 ? -EPROTO : err;
}

/* One record's worth from the window: bytes, 0 at the end, negative errno. */
static ssize_t read_step(struct tls_filter *f, struct tls_window *w, char *data, size_t n)
{
	size_t got = 0;
	int ret, err;

	clear_errors();
	tls_wire_use(w, &f->out);
	ret = SSL_read_ex(f->ssl, data, n, &got);
	tls_wire_use(NULL, NULL);
	if (ret == 1)
		return (ssize_t)got;
	err = result_of(f, ret);
	return err > 0 ? 0 : err ? err : -EPROTO;
}

static ssize_t tls_read(struct stream *s, void *data, size_t n)
{
	struct tls_filter *f = filter_of(s);
	struct tls_window w = { buf_head(&f->in), buf_len(&f->in) };
	size_t want = n + RECV_SLACK_BYTES > RECV_MIN_BYTES ? n + RECV_SLACK_BYTES : RECV_MIN_BYTES;
	size_t got = 0, wire_bytes = 0;
	ssize_t step = 0;
	int err = 0;

	if (f->broken)
		return -EPROTO;
	while (got < n) {
		if (got && !w.len && s->read_blocked && !SSL_has_pending(f->ssl))
			break; /* there is nothing to make another byte of */
		step = read_step(f, &w, (char *)data + got, n - got);
		if (step > 0) {
			got += (size_t)step;
			continue;
		}
		if (step != -EAGAIN)
			break;
		buf_clear(&f->in); /* all of it is in OpenSSL now */
		if (wire_bytes > CALL_MAX_BYTES) {
			step = -EINTR;
			break;
		}
		step = open_window(s, &w, want);
		if (step)
			break;
		wire_bytes += w.len;
	}
	if (keep_window(f, &w))
		err = -ENOMEM;
	s->filter_more =
		(step <= 0 && step != -EAGAIN) || buf_len(&f->in) || SSL_has_pending(f->ssl);
	if (!err && buf_len(&f->out)) { /* an answer to a key update, an alert */
		err = tls_flush(s);
		err = err == -EAGAIN ? 0 : err;
	}
	/* what came before an end or a failure is told first; that one again at the next call */
	if (got)
		return (ssize_t)got;
	return step == -EPROTO || !err ? step : err;
}

static ssize_t tls_write(struct stream *s, const void *data, size_t n)
{
	struct tls_filter *f = filter_of(s);
	int ret, err;

	if (f->broken)
		return -EPROTO;
	if (buf_len(&f->out) >= OUT_HIGH_BYTES || (buf_len(&f->out) && s->write_blocked))
		return -EAGAIN;
	if (n > RECORD_MAX_BYTES)
		n = RECORD_MAX_BYTES;
	f->held = false;
	clear_errors();
	tls_wire_use(NULL, &f->out);
	ret = SSL_write(f->ssl, data, (int)n);
	tls_wire_use(NULL, NULL);
	if (ret > 0)
		return ret;
	err = result_of(f, ret);
	/* the wire takes everything and renegotiation is off: nothing else may be asked for */
	return err < 0 && err != -EAGAIN ? err : -EPROTO;
}

static int tls_shutdown(struct stream *s)
{
	struct tls_filter *f = filter_of(s);

	f->held = false;
	if (!f->broken && SSL_is_init_finished(f->ssl)) {
		clear_errors();
		tls_wire_use(NULL, &f->out);
		if (SSL_shutdown(f->ssl) < 0)
			ERR_clear_error();
		tls_wire_use(NULL, NULL);
	}
	return tls_flush(s);
}

static void tls_free(struct stream *s)
{
	struct tls_filter *f = filter_of(s);

	/* OpenSSL forgets the session of a connection that ends without a good-bye, which we need not
	 * wait for: messages have ends of their own */
	if (f->session && !f->broken)
		SSL_set_shutdown(f->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(f->ssl);
	tls_context_unref(f->context);
	tls_session_unref(f->session);
	buf_clear(&f->in);
	buf_clear(&f->out);
	free(f);
}

static const struct stream_filter_ops tls_ops = {
	.handshake = tls_handshake,
	.read = tls_read,
	.write = tls_write,
	.flush = tls_flush,
	.shutdown = tls_shutdown,
	.free = tls_free,
};

/* Takes ssl, which may be NULL. */
static int filter_open(struct stream *s, SSL *ssl, struct tls_filter **ret)
{
	struct tls_filter *f = calloc(1, sizeof(*f));
	BIO *bio = f && ssl ? tls_wire_bio() : NULL;

	if (!bio) {
		SSL_free(ssl);
		free(f);
		ERR_clear_error();
		return -ENOMEM;
	}
	SSL_set_bio(ssl, bio, bio); /* one reference for both ways */
	f->filter.ops = &tls_ops;
	f->ssl = ssl;
	buf_init(&f->in, RECV_MAX_BYTES);
	buf_init(&f->out, OUT_MAX_BYTES);
	stream_set_filter(s, &f->filter);
	*ret = f;
	return 0;
}

int tls_accept(struct stream *s, struct tls_context *ctx)
{
	struct tls_filter *f;
	int err = filter_open(s, SSL_new(ctx->groups[0]->ctx), &f);

	if (err)
		return err;
	SSL_set_app_data(f->ssl, ctx);
	SSL_set_accept_state(f->ssl);
	f->context = tls_context_ref(ctx);
	f->begun = true; /* the client speaks first */
	return 0;
}

int tls_connect(struct stream *s, struct tls_client *c, const char *name,
		struct tls_session **session)
{
	struct tls_session *kept = session ? tls_session_get(session, c, name) : NULL;
	SSL *ssl = tls_client_ssl(c, name, kept);
	struct tls_filter *f;
	int err = ssl ? filter_open(s, ssl, &f) : -EINVAL;

	if (err) {
		tls_session_unref(kept);
		return err;
	}
	f->session = kept;
	SSL_set_connect_state(f->ssl);
	return 0;
}

SSL *tls_filter_ssl(struct stream *s)
{
	return s->filter && s->filter->ops == &tls_ops ? filter_of(s)->ssl : NULL;
}

void tls_info(struct stream *s, struct tls_info *ret)
{
	const unsigned char *alpn = NULL;
	unsigned int alpn_len = 0;
	struct tls_filter *f;

	*ret = (struct tls_info) { 0 };
	if (!s->filter || s->filter->ops != &tls_ops)
		return;
	f = filter_of(s);
	SSL_get0_alpn_selected(f->ssl, &alpn, &alpn_len);
	ret->version = SSL_get_version(f->ssl);
	ret->cipher = SSL_get_cipher_name(f->ssl);
	ret->sni = SSL_get_servername(f->ssl, TLSEXT_NAMETYPE_host_name);
	/* on_alpn chooses one of these two */
	ret->alpn = alpn_len == 2 ? "h2" : alpn_len ? "http/1.1" : NULL;
	ret->failure = f->failure;
	ret->distrusted = f->broken && SSL_get_verify_result(f->ssl) != X509_V_OK;
	if (ret->distrusted)
		ret->failure = X509_verify_cert_error_string(SSL_get_verify_result(f->ssl));
	ret->resumed = SSL_session_reused(f->ssl) == 1;
}
