/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/addr.h"
#include "net/sock.h"
#include "stream_peer.h"

#define WAIT_MS 5000

static struct stream_peer *owner(struct stream *s)
{
	return container_of(s, struct stream_peer, stream);
}

static void on_open(struct stream *s)
{
	assert_false(owner(s)->in_call);
	owner(s)->opens++;
}

static void on_readable(struct stream *s)
{
	struct stream_peer *f = owner(s);

	assert_false(f->in_call);
	assert_true(buf_len(&s->in) > 0);
	f->readables++;
	if (f->close_on_readable) {
		stream_close(s);
		return;
	}
	if (f->close_after_on_readable) {
		assert_int_equal(stream_write(s, f->answer, strlen(f->answer)), 0);
		stream_close_after_flush(s);
		return;
	}
	if (f->echo)
		assert_int_equal(stream_write(s, buf_head(&s->in), buf_len(&s->in)), 0);
	while (f->consume && buf_len(&s->in)) {
		assert_int_equal((unsigned char)*buf_head(&s->in), f->next_in++);
		buf_consume(&s->in, 1);
		f->got_bytes++;
	}
}

static void on_writable(struct stream *s)
{
	assert_false(owner(s)->in_call);
	assert_true(buf_len(&s->out) <= STREAM_PEER_OUT_MAX / 4);
	owner(s)->writables++;
}

static void on_end(struct stream *s, int err)
{
	struct stream_peer *f = owner(s);

	assert_false(f->in_call);
	assert_true(f->ends < 2);
	f->end_err[f->ends++] = err;
}

static void on_closed(struct stream *s)
{
	assert_false(owner(s)->in_call);
	assert_int_equal(s->watch.fd, -1);
	owner(s)->closes++;
}

const struct stream_events stream_peer_events = {
	.on_open = on_open,
	.on_readable = on_readable,
	.on_writable = on_writable,
	.on_end = on_end,
	.on_closed = on_closed,
};

static void open_pair(int ret[2])
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr loopback, peer;
	uint16_t port;
	int listening;

	addr_parse("127.0.0.1", &loopback);
	listening = sock_listen(&loopback, 0, 1);
	assert_true(listening >= 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&ss, &len), 0);
	addr_from_sockaddr((struct sockaddr *)&ss, &loopback, &port);
	ret[1] = sock_connect(&loopback, port);
	while ((ret[0] = sock_accept(listening, &peer, &port)) == -EAGAIN)
		;
	close(listening);
	assert_true(ret[0] >= 0 && ret[1] >= 0);
}

static void shrink_buffers(int fd)
{
	int bytes = 4096;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), 0);
}

static void stuck(struct timer *t)
{
	(void)t;
	fail_msg("what the test waits for does not come");
}

int stream_peer_setup(void **state)
{
	struct stream_peer *f = calloc(1, sizeof(*f));
	int fd[2];

	open_pair(fd);
	shrink_buffers(fd[0]);
	shrink_buffers(fd[1]);
	f->peer = fd[1];
	f->consume = true;
	f->guard.on_due = stuck;
	assert_int_equal(loop_new(&f->loop), 0);
	assert_int_equal(stream_open(&f->stream, f->loop, fd[0], &stream_peer_events,
				     STREAM_PEER_IN_MAX, STREAM_PEER_OUT_MAX, false),
			 0);
	timer_start(f->loop, &f->guard, WAIT_MS);
	*state = f;
	return 0;
}

/* Instead: a socket pair that takes a megabyte at once. */
void stream_peer_open_unix(struct stream_peer *f, size_t in_max)
{
	int fd[2], room = 1 << 20;

	stream_close(&f->stream);
	close(f->peer);
	f->opens = 0;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	f->peer = fd[1];
	setsockopt(f->peer, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	setsockopt(f->peer, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	assert_int_equal(stream_open(&f->stream, f->loop, fd[0], &stream_peer_events, in_max,
				     STREAM_PEER_OUT_MAX, false),
			 0);
}

int stream_peer_teardown(void **state)
{
	struct stream_peer *f = *state;

	stream_close(&f->stream);
	stream_close(&f->stream);
	loop_free(f->loop);
	if (f->peer >= 0)
		close(f->peer);
	free(f);
	return 0;
}

/* Some turns in which nothing more may happen. */
void stream_peer_settle(struct stream_peer *f)
{
	for (int i = 0; i < 5; i++)
		loop_turn(f->loop, 2);
}

void stream_peer_send(struct stream_peer *f, size_t n, unsigned char *next)
{
	for (size_t i = 0; i < n; i++) {
		while (send(f->peer, next, 1, MSG_NOSIGNAL) != 1) {
			assert_int_equal(errno, EAGAIN);
			assert_int_equal(loop_turn(f->loop, 1), 0);
		}
		(*next)++;
	}
}

size_t stream_peer_drain(struct stream_peer *f, unsigned char *next)
{
	unsigned char bytes[1000];
	ssize_t n = recv(f->peer, bytes, sizeof(bytes), 0);

	for (ssize_t i = 0; i < n; i++)
		assert_int_equal(bytes[i], (*next)++);
	return n > 0 ? (size_t)n : 0;
}

void stream_peer_reset(struct stream_peer *f)
{
	struct linger linger = { .l_onoff = 1 };

	setsockopt(f->peer, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(f->peer);
	f->peer = -1;
}
