/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/addr.h"
#include "net/sock.h"
#include "tls_peer.h"
#include "tls_pems.h"

#define WAIT_MS 20000

static void on_open(struct stream *s)
{
	container_of(s, struct tls_peer, stream)->opens++;
}

static void on_readable(struct stream *s)
{
	struct tls_peer *f = container_of(s, struct tls_peer, stream);

	if (f->hold)
		return;
	f->received += buf_len(&s->in);
	if (f->echo)
		assert_int_equal(stream_write(s, buf_head(&s->in), buf_len(&s->in)), 0);
	buf_consume(&s->in, buf_len(&s->in));
}

static void on_end(struct stream *s, int err)
{
	struct tls_peer *f = container_of(s, struct tls_peer, stream);

	f->ends++;
	f->end_err = err;
}

static void on_closed(struct stream *s)
{
	container_of(s, struct tls_peer, stream)->closes++;
}

static const struct stream_events events = {
	.on_open = on_open,
	.on_readable = on_readable,
	.on_end = on_end,
	.on_closed = on_closed,
};

static void stuck(struct timer *t)
{
	(void)t;
	fail_msg("what the test waits for does not come");
}

void tls_peer_tickets(struct tls_tickets *t, uint32_t n, uint8_t first)
{
	t->n = n;
	for (uint32_t i = 0; i < n; i++)
		memset(t->key[i], first + (int)i, sizeof(t->key[i]));
}

int tls_peer_setup(void **state)
{
	struct tls_peer *f = calloc(1, sizeof(*f));
	struct tls_pair pairs[] = {
		tls_pems_pair("ecdsa", tls_pems.ecdsa.cert, tls_pems.ecdsa.key),
		tls_pems_pair("rsa", tls_pems.rsa_same.cert, tls_pems.rsa_same.key),
		tls_pems_pair("wild", tls_pems.wild.cert, tls_pems.wild.key),
		tls_pems_pair("other", tls_pems.other.cert, tls_pems.other.key),
		tls_pems_pair("cn", tls_pems.only_cn.cert, tls_pems.only_cn.key),
	};
	struct tls_tickets tickets;
	struct errmsg err;

	tls_peer_tickets(&tickets, 2, 'k');
	if (tls_context_new(pairs, 5, &tickets, &f->ctx, &err))
		fail_msg("%s", err.text);
	assert_int_equal(loop_new(&f->loop), 0);
	f->guard.on_due = stuck;
	timer_start(f->loop, &f->guard, WAIT_MS);
	f->client_ctx = SSL_CTX_new(TLS_client_method());
	f->client_fd = -1;
	f->stream.watch.fd = -1;
	f->echo = true;
	*state = f;
	return 0;
}

void tls_peer_close(struct tls_peer *f)
{
	stream_close(&f->stream);
	SSL_free(f->client);
	f->client = NULL;
	if (f->client_fd >= 0)
		close(f->client_fd);
	f->client_fd = -1;
}

int tls_peer_teardown(void **state)
{
	struct tls_peer *f = *state;

	tls_peer_close(f);
	SSL_CTX_free(f->client_ctx);
	loop_free(f->loop);
	tls_context_unref(f->ctx);
	free(f);
	return 0;
}

void tls_peer_open(struct tls_peer *f)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr loopback, peer;
	uint16_t port;
	int listening, fd;

	addr_parse("127.0.0.1", &loopback);
	listening = sock_listen(&loopback, 0, 1);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&ss, &len), 0);
	addr_from_sockaddr((struct sockaddr *)&ss, &loopback, &port);
	f->client_fd = sock_connect(&loopback, port);
	while ((fd = sock_accept(listening, &peer, &port)) == -EAGAIN)
		;
	close(listening);
	f->opens = f->ends = f->closes = 0;
	f->received = 0;
	assert_int_equal(stream_open(&f->stream, f->loop, fd, &events, TLS_PEER_BUF_MAX,
				     f->out_max ? f->out_max : TLS_PEER_BUF_MAX, false),
			 0);
	assert_int_equal(tls_accept(&f->stream, f->ctx), 0);
	f->client = SSL_new(f->client_ctx);
	SSL_set_fd(f->client, f->client_fd);
}

static bool wants(SSL *ssl, int ret)
{
	int err = SSL_get_error(ssl, ret);

	return err == SSL_ERROR_WANT_READ || err == SSL_ERROR_WANT_WRITE;
}

/* 1 done, 0 refused. */
int tls_peer_connect(struct tls_peer *f)
{
	for (int i = 0; i < TLS_PEER_TURNS_MAX; i++) {
		int ret = SSL_connect(f->client);

		if (ret != 1 && !wants(f->client, ret)) {
			ERR_clear_error();
			TLS_PEER_UNTIL(f, f->ends);
			return 0;
		}
		loop_turn(f->loop, 1);
		if (f->ends)
			return 0;
		if (ret == 1 && f->opens)
			return 1;
	}
	return 0;
}

size_t tls_peer_read(struct tls_peer *f, void *data, size_t n)
{
	size_t got = 0;

	for (int i = 0; i < TLS_PEER_TURNS_MAX; i++) {
		int ret = SSL_read_ex(f->client, data, n, &got);

		if (ret == 1)
			return got;
		if (!wants(f->client, ret))
			return 0;
		loop_turn(f->loop, 1);
	}
	return 0;
}

/* Send and get it back; also lets the client see its tickets. */
void tls_peer_echo(struct tls_peer *f, const char *text)
{
	char back[64];

	assert_int_equal(SSL_write(f->client, text, (int)strlen(text)), strlen(text));
	assert_int_equal(tls_peer_read(f, back, sizeof(back)), strlen(text));
	assert_memory_equal(back, text, strlen(text));
}

void tls_peer_expect(struct tls_peer *f, const char *sni, const char *cn)
{
	char got[64] = "";
	X509 *cert;

	tls_peer_open(f);
	if (sni)
		SSL_set_tlsext_host_name(f->client, sni);
	assert_int_equal(tls_peer_connect(f), 1);
	cert = SSL_get1_peer_certificate(f->client);
	X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, got, sizeof(got));
	assert_string_equal(got, cn);
	X509_free(cert);
	tls_peer_close(f);
}
