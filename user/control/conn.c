/* SPDX-License-Identifier: BSD-2-Clause */
#include "conn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "dispatch.h"
#include "sluice/ctl/ctl.h"

#define CONTROL_READ_BYTES (64U << 10)
#define CONTROL_FDS_MAX	   4 /* more than these the kernel closes */

struct control_conn {
	struct control_conn *next, **prev;
	struct control_server *server;
	struct watch watch;
	struct deferred free_later;
	struct deferred next_turn;
	struct timer idle;
	struct buf in;
	struct buf out;
	size_t scanned; /* bytes of in that hold no end of line */
	struct ucred peer;
	bool read_ended;
	bool subscribed;
	bool closed;
	bool waiting; /* for control_conn_answer */
	void (*gone)(void *ctx);
	void *gone_ctx;
	int passed_fd; /* came with bytes that were read last; -1 */
	struct supervisor_listener listener;
	struct control_stream *stream; /* NULL: none */
	uint64_t skipped_events;
};

static void conn_free(struct deferred *d)
{
	struct control_conn *c = container_of(d, struct control_conn, free_later);

	buf_clear(&c->in);
	buf_clear(&c->out);
	free(c);
}

static void conn_close(struct control_conn *c)
{
	struct loop *loop = supervisor_loop(c->server->s);

	if (c->closed)
		return;
	c->closed = true;
	if (c->waiting)
		c->gone(c->gone_ctx);
	timer_stop(&c->idle);
	loop_undefer(&c->next_turn);
	cleanup_fd(&c->passed_fd);
	c->passed_fd = -1;
	if (c->subscribed)
		supervisor_unlisten(c->server->s, &c->listener);
	if (c->stream)
		c->stream->stop(c->stream);
	c->stream = NULL;
	loop_del(loop, &c->watch);
	close(c->watch.fd);
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	c->server->n_conns--;
	c->free_later.run = conn_free;
	loop_defer(loop, &c->free_later);
}

/* Who waits for events, packets or an answer is idle by right. */
static void conn_idle(struct timer *t)
{
	struct control_conn *c = container_of(t, struct control_conn, idle);

	if (!c->subscribed && !c->stream && !c->waiting)
		conn_close(c);
}

static void conn_rest(struct control_conn *c)
{
	timer_start(supervisor_loop(c->server->s), &c->idle, CONTROL_IDLE_MS);
}

static void conn_send(struct control_conn *c)
{
	while (buf_len(&c->out) > 0) {
		ssize_t n = send(c->watch.fd, buf_head(&c->out), buf_len(&c->out), MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (n < 0) {
			conn_close(c);
			return;
		}
		buf_consume(&c->out, (size_t)n);
		conn_rest(c);
	}
	buf_trim(&c->out);
}

static int conn_queue(struct control_conn *c, json_t *answer)
{
	char *text = json_dumps(answer, JSON_COMPACT);
	int err = text ? 0 : -ENOMEM;

	if (text && (buf_add(&c->out, text, strlen(text)) || buf_add(&c->out, "\n", 1)))
		err = -ENOSPC;
	free(text);
	return err;
}

static void conn_event(struct supervisor_listener *l, json_t *event)
{
	struct control_conn *c = container_of(l, struct control_conn, listener);
	json_t *line;

	if (c->closed)
		return;
	if (buf_len(&c->out) > CONTROL_EVENTS_MAX_BYTES) {
		c->skipped_events++;
		return;
	}
	line = json_pack("{s:O}", "event", event);
	if (c->skipped_events)
		json_object_set_new(line, "skipped", json_integer((json_int_t)c->skipped_events));
	if (conn_queue(c, line) == 0)
		c->skipped_events = 0;
	json_decref(line);
	conn_send(c);
}

int control_conn_subscribe(struct control_conn *c)
{
	if (c->subscribed)
		return -EALREADY;
	c->subscribed = true;
	c->listener.on_event = conn_event;
	supervisor_listen(c->server->s, &c->listener);
	return 0;
}

int control_conn_attach(struct control_conn *c, struct control_stream *stream)
{
	if (c->stream)
		return -EALREADY;
	c->stream = stream;
	return 0;
}

void control_conn_detach(struct control_conn *c)
{
	c->stream = NULL;
	if (!c->closed)
		conn_rest(c);
}

bool control_conn_push(struct control_conn *c, json_t *line)
{
	if (c->closed || buf_len(&c->out) > CONTROL_EVENTS_MAX_BYTES || conn_queue(c, line))
		return false;
	conn_send(c);
	return true;
}

static void conn_queue_too_large(struct control_conn *c)
{
	json_t *error =
		json_pack("{s:b,s:s}", CTL_KEY_OK, 0, CTL_KEY_ERROR, "the answer is too large");

	conn_queue(c, error);
	json_decref(error);
}

static void conn_queue_answer(struct control_conn *c, json_t *answer)
{
	if (conn_queue(c, answer) < 0)
		conn_queue_too_large(c);
	json_decref(answer);
}

static void conn_answer(struct control_conn *c, const char *line, size_t len)
{
	struct supervisor_caller who = { .uid = c->peer.uid, .pid = c->peer.pid };
	json_t *answer = dispatch(c->server->s, c, &who, line, len);

	if (answer) /* NULL: later */
		conn_queue_answer(c, answer);
	cleanup_fd(&c->passed_fd); /* one that nobody took was for this request */
	c->passed_fd = -1;
}

/*
 * Answer whole lines that are in the buffer, *budget at most, and none while an answer waits for its
 * reader: what a client has to gain from sending ahead is its own time, nobody else's.
 * Returns whether there may be more to answer.
 */
static bool conn_lines(struct control_conn *c, unsigned int *budget)
{
	uint64_t end_ns = clock_now_ns() + CONTROL_TURN_NS;

	while (!c->closed && !c->waiting && buf_len(&c->out) == 0) {
		struct str in = buf_str(&c->in);
		const char *end = in.ptr && in.len > c->scanned
					  ? memchr(in.ptr + c->scanned, '\n', in.len - c->scanned)
					  : NULL;

		if (!end) {
			c->scanned = in.len;
			return false;
		}
		if (!*budget || clock_now_ns() > end_ns)
			return true;
		--*budget;
		conn_rest(c);
		conn_answer(c, in.ptr, (size_t)(end - in.ptr));
		buf_consume(&c->in, (size_t)(end - in.ptr) + 1);
		c->scanned = 0;
		if (!c->closed)
			conn_send(c);
	}
	return false;
}

void control_conn_later(struct control_conn *c, void (*gone)(void *ctx), void *ctx)
{
	c->waiting = true;
	c->gone = gone;
	c->gone_ctx = ctx;
}

static void conn_answered(struct control_conn *c)
{
	c->waiting = false;
	conn_rest(c);
	loop_defer(supervisor_loop(c->server->s), &c->next_turn);
}

void control_conn_answer(struct control_conn *c, json_t *answer)
{
	conn_queue_answer(c, answer);
	conn_answered(c);
}

void control_conn_answer_text(struct control_conn *c, struct str line)
{
	if (buf_add_str(&c->out, line))
		conn_queue_too_large(c);
	conn_answered(c);
}

int control_conn_take_fd(struct control_conn *c)
{
	return take_fd(&c->passed_fd);
}

/* recv, and the descriptor that came along: the last one, should there be several. */
static ssize_t conn_recv(struct control_conn *c, char *room, size_t len)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * CONTROL_FDS_MAX)];
		struct cmsghdr align;
	} control;
	struct iovec iov = { room, len };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	ssize_t n = recvmsg(c->watch.fd, &msg, MSG_CMSG_CLOEXEC);

	for (struct cmsghdr *h = n < 0 ? NULL : CMSG_FIRSTHDR(&msg); h; h = CMSG_NXTHDR(&msg, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < (h->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
			cleanup_fd(&c->passed_fd);
			memcpy(&c->passed_fd, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
		}
	}
	return n;
}

/* One read. false: there is nothing more for now, or the connection is closed. */
static bool conn_receive(struct control_conn *c)
{
	char *room = c->read_ended ? NULL : buf_reserve(&c->in, CONTROL_READ_BYTES);
	ssize_t n;

	if (c->read_ended)
		return false;
	if (!room) {
		log_warn("control.request_too_large", LOG_U64("max_bytes", CTL_REQUEST_MAX_BYTES));
		conn_close(c);
		return false;
	}
	do {
		n = conn_recv(c, room, CONTROL_READ_BYTES);
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		if (errno != EAGAIN && errno != EWOULDBLOCK)
			conn_close(c);
		return false;
	}
	c->read_ended = n == 0;
	buf_commit(&c->in, (size_t)n);
	return n > 0;
}

/* All that one turn of the loop does for a connection; what is left waits for the next. */
static void conn_turn(struct deferred *d)
{
	struct control_conn *c = container_of(d, struct control_conn, next_turn);
	unsigned int budget = CONTROL_TURN_LINES;
	bool more = true;

	conn_send(c);
	while (more && !c->closed) {
		if (conn_lines(c, &budget)) {
			loop_defer(supervisor_loop(c->server->s), &c->next_turn);
			return;
		}
		more = !c->closed && !c->waiting && buf_len(&c->out) == 0 && conn_receive(c);
	}
	if (c->closed || c->waiting)
		return;
	buf_trim(&c->in);
	/* A subscriber that shut its side has gone away: there is nothing else it could mean. */
	if (c->read_ended && (buf_len(&c->out) == 0 || c->subscribed || c->stream))
		conn_close(c);
}

static void conn_ready(struct watch *w, uint32_t events)
{
	struct control_conn *c = container_of(w, struct control_conn, watch);

	conn_turn(&c->next_turn);
	/* Nothing is read meanwhile, so that nothing else would show that the peer has gone. */
	if (!c->closed && c->waiting && events & LOOP_HUP)
		conn_close(c);
}

/* A client that goes on connecting costs a line every CONTROL_REFUSED_LOG_NS, which counts it. */
static void conn_refused(struct control_server *server)
{
	uint64_t now_ns = clock_now_ns();

	server->n_refused++;
	if (server->refused_logged_ns &&
	    now_ns - server->refused_logged_ns < CONTROL_REFUSED_LOG_NS)
		return;
	server->refused_logged_ns = now_ns;
	log_warn("control.refused", LOG_U64("connections", server->n_conns),
		 LOG_U64("refused", server->n_refused));
	server->n_refused = 0;
}

/* It fits into an empty socket buffer; who does not read it has lost nothing. */
static void conn_tell_full(int fd)
{
	char line[128];
	int n = snprintf(line, sizeof(line),
			 "{\"ok\":false,\"error\":\"%d connections are open; close some\"}\n",
			 CONTROL_CONNS_MAX);

	(void)send(fd, line, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void control_conn_open(struct control_server *server, int fd)
{
	struct control_conn *c = calloc(1, sizeof(*c));
	socklen_t len = sizeof(c->peer);

	if (server->n_conns >= CONTROL_CONNS_MAX)
		conn_tell_full(fd);
	if (!c || server->n_conns >= CONTROL_CONNS_MAX ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c->peer, &len)) {
		conn_refused(server);
		close(fd);
		free(c);
		return;
	}
	c->server = server;
	c->passed_fd = -1;
	buf_init(&c->in, CTL_REQUEST_MAX_BYTES);
	buf_init(&c->out, CTL_ANSWER_MAX_BYTES);
	c->watch.fd = fd;
	c->watch.on_event = conn_ready;
	c->next_turn.run = conn_turn;
	c->idle.on_due = conn_idle;
	if (loop_add(supervisor_loop(server->s), &c->watch)) {
		close(fd);
		free(c);
		return;
	}
	c->next = server->conns;
	c->prev = &server->conns;
	if (c->next)
		c->next->prev = &c->next;
	server->conns = c;
	server->n_conns++;
	conn_rest(c);
}

void control_conn_close_all(struct control_server *server)
{
	while (server->conns)
		conn_close(server->conns);
}
