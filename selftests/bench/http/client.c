/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/http/client.h"

static unsigned char space[256U << 10]; /* what is being read; in use within one call only */

static int on_session(SSL *ssl, SSL_SESSION *session)
{
	struct client *c = SSL_get_app_data(ssl);

	c->load->tickets++;
	SSL_SESSION_free(c->session);
	c->session = session;
	return 1; /* ours */
}

void load_open(struct load *l)
{
	if (!l->tls)
		return;
	l->ctx = SSL_CTX_new(TLS_client_method());
	/* what the client offers is what all servers use */
	if (!l->ctx || SSL_CTX_set_min_proto_version(l->ctx, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(l->ctx, "TLS_AES_128_GCM_SHA256") != 1 ||
	    SSL_CTX_set1_groups_list(l->ctx, "X25519") != 1 ||
	    SSL_CTX_set1_sigalgs_list(l->ctx, "ECDSA+SHA256") != 1) {
		fprintf(stderr, "http_load: no TLS\n");
		exit(1);
	}
	if (l->h2)
		SSL_CTX_set_alpn_protos(l->ctx, (const unsigned char *)"\x02h2", 3);
	SSL_CTX_set_read_ahead(l->ctx, 1);
	SSL_CTX_set_mode(l->ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(l->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(l->ctx, on_session);
}

void load_close(struct load *l)
{
	SSL_CTX_free(l->ctx);
}

void client_close(struct client *c)
{
	if (c->fd < 0)
		return;
	client_h2_close(c);
	SSL_free(c->ssl);
	c->ssl = NULL;
	close(c->fd); /* leaves epoll by itself */
	c->fd = -1;
	c->busy = false;
}

static bool failed(struct client *c, const char *why)
{
	struct load *l = c->load;

	if (!l->errors++)
		snprintf(l->why, sizeof(l->why), "%s: %s", why, strerror(errno));
	client_close(c);
	return false;
}

static bool start_tls(struct client *c)
{
	c->ssl = SSL_new(c->load->ctx);
	if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1)
		return failed(c, "SSL_new");
	SSL_set_app_data(c->ssl, c);
	SSL_set_tlsext_host_name(c->ssl, "bench.example");
	if (c->load->mode == LOAD_RESUMED && c->session)
		SSL_set_session(c->ssl, c->session);
	SSL_set_connect_state(c->ssl);
	c->handshaking = true;
	return true;
}

static bool connect_now(struct client *c)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(c->load->port) };
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };
	int on = 1;

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return failed(c, "socket");
	/* over the loopback a connection is there at once, unless the backlog is full */
	if (connect(c->fd, (struct sockaddr *)&sa, sizeof(sa)))
		return failed(c, "connect");
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (epoll_ctl(c->load->epoll_fd, EPOLL_CTL_ADD, c->fd, &ev))
		return failed(c, "epoll_ctl");
	return !c->load->tls || start_tls(c);
}

static bool send_request(struct client *c)
{
	const struct load *l = c->load;
	size_t n = l->request_bytes;

	if (l->h2)
		return client_h2_ask(c) || failed(c, "send");
	if (c->ssl ? SSL_write(c->ssl, l->request, (int)n) == (int)n
		   : send(c->fd, l->request, n, MSG_NOSIGNAL) == (ssize_t)n)
		return true;
	return failed(c, "send");
}

static bool chose_h2(const SSL *ssl)
{
	const unsigned char *name;
	unsigned int n;

	SSL_get0_alpn_selected(ssl, &name, &n);
	return n == 2 && memcmp(name, "h2", 2) == 0;
}

/* Until it needs bytes of the server; then the request goes behind our last flight. */
static bool go_on_handshake(struct client *c)
{
	int ret;

	ERR_clear_error();
	ret = SSL_do_handshake(c->ssl);
	if (ret != 1 && SSL_get_error(c->ssl, ret) == SSL_ERROR_WANT_READ)
		return true;
	if (ret != 1)
		return failed(c, "handshake");
	c->handshaking = false;
	c->load->resumed += SSL_session_reused(c->ssl) == 1;
	if (c->load->h2 && (!chose_h2(c->ssl) || !client_h2_open(c)))
		return failed(c, "no HTTP/2");
	return send_request(c);
}

bool client_ask(struct client *c)
{
	c->busy = true;
	c->head_bytes = 0;
	c->head_done = false;
	c->body_at = 0;
	if (c->fd >= 0)
		return send_request(c);
	if (!connect_now(c))
		return false;
	return c->ssl ? go_on_handshake(c) : send_request(c);
}

/* Bytes, 0: the end, -1: not now, -2: failed. */
static ssize_t receive(struct client *c)
{
	ssize_t n;
	int ret;

	if (!c->ssl) {
		n = recv(c->fd, space, sizeof(space), 0);
		return n < 0 ? (errno == EAGAIN ? -1 : -2) : n;
	}
	ERR_clear_error();
	ret = SSL_read(c->ssl, space, sizeof(space));
	if (ret > 0)
		return ret;
	switch (SSL_get_error(c->ssl, ret)) {
	case SSL_ERROR_WANT_READ:
		return -1;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		return -2;
	}
}

static bool check_head(struct client *c)
{
	const char *length = strcasestr(c->head, "\r\ncontent-length:");

	if (strncmp(c->head, "HTTP/1.1 200 ", 13))
		return failed(c, "status is not 200");
	if (!length || strtoul(length + 17, NULL, 10) != c->load->body_bytes)
		return failed(c, "another length");
	c->head_done = true;
	return true;
}

/* The bytes of a head among n new ones; 0: all of them, and it goes on. SIZE_MAX: failed. */
static size_t take_head(struct client *c, size_t n)
{
	size_t before = c->head_bytes, room = sizeof(c->head) - 1 - before;
	size_t add = n < room ? n : room;
	const char *end;

	memcpy(c->head + before, space, add);
	c->head_bytes += add;
	c->head[c->head_bytes] = '\0';
	end = strstr(c->head, "\r\n\r\n");
	if (!end && add < n) {
		failed(c, "a head too long");
		return SIZE_MAX;
	}
	if (!end)
		return 0;
	if (!check_head(c))
		return SIZE_MAX;
	return (size_t)(end + 4 - c->head) - before;
}

static bool take_body(struct client *c, const unsigned char *data, size_t n)
{
	const struct load *l = c->load;

	if (n > l->body_bytes - c->body_at)
		return failed(c, "bytes behind the body");
	if (memcmp(data, l->body + c->body_at, n))
		return failed(c, "another body");
	c->body_at += n;
	return true;
}

/* The answer is whole. */
static void finish(struct client *c)
{
	struct load *l = c->load;

	l->requests++;
	c->busy = false;
	if (l->mode == LOAD_KEEP)
		return;
	if (c->ssl)
		SSL_shutdown(c->ssl);
	client_close(c);
}

/* n bytes are in `space`. true: no longer busy. */
static bool take_h1(struct client *c, size_t n)
{
	size_t at = 0;

	if (!c->busy) {
		failed(c, "bytes without a request");
		return true;
	}
	if (!c->head_done) {
		at = take_head(c, n);
		if (at == SIZE_MAX)
			return true;
		if (!at)
			return false;
	}
	if (!take_body(c, space + at, n - at))
		return true;
	if (c->body_at < c->load->body_bytes)
		return false;
	finish(c);
	return true;
}

static bool take_h2(struct client *c, size_t n)
{
	int done = client_h2_take(c, space, n);

	if (done < 0)
		failed(c, "not the answer that it has to be");
	if (done > 0 && c->busy)
		finish(c);
	return !c->busy;
}

bool client_event(struct client *c)
{
	if (c->handshaking && (!go_on_handshake(c) || c->handshaking))
		return !c->busy;
	for (;;) {
		ssize_t n = receive(c);

		if (n == -1)
			return false;
		if (n <= 0) {
			failed(c, n ? "receive" : "closed early");
			return true;
		}
		if (c->load->h2 ? take_h2(c, (size_t)n) : take_h1(c, (size_t)n))
			return true;
		if (!c->ssl && (size_t)n < sizeof(space))
			return false; /* level-triggered: what is still to come makes an event */
	}
}
