/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "sock.h"
#include "stream.h"

#define STREAM_FIRST_READ_BYTES (16U << 10)  /* most requests fit; also one TLS record */
#define STREAM_NEXT_READ_BYTES	(64U << 10)  /* a read that was filled: there is more */
#define STREAM_TURN_BYTES	(128U << 10) /* per stream and turn, so that a fast peer waits too */

/* Closing: how long a peer may take nothing, take at all, and leave our end unanswered. */
#define STREAM_STALL_MS	    5000
#define STREAM_CLOSE_MS	    30000
#define STREAM_LINGER_MS    2000
#define STREAM_LINGER_BYTES (1U << 20) /* unread request that is thrown away */

static bool is_closed(const struct stream *s)
{
	return s->watch.fd < 0;
}

static void fail(struct stream *s, int err)
{
	if (s->failed)
		return;
	s->failed = true;
	s->err = err;
	buf_clear(&s->out);
}

ssize_t stream_wire_recv(struct stream *s, void *data, size_t n)
{
	ssize_t got;

	if (s->read_blocked)
		return -EAGAIN;
	do {
		got = recv(s->watch.fd, data, n, 0);
	} while (got < 0 && errno == EINTR);
	if (got < 0) {
		s->read_blocked = errno == EAGAIN;
		return -errno;
	}
	/* a short read emptied the socket: new bytes make a new edge, an end that is there does not */
	if (got > 0 && (size_t)got < n && !s->hup)
		s->read_blocked = true;
	return got;
}

ssize_t stream_wire_send(struct stream *s, const void *data, size_t n)
{
	const char *at = data;
	size_t sent = 0;

	/* until -EAGAIN, not until a short write: only that asks the kernel for the next edge */
	while (sent < n && !s->write_blocked) {
		ssize_t done = send(s->watch.fd, at + sent, n - sent, MSG_NOSIGNAL);

		if (done >= 0)
			sent += (size_t)done;
		else if (errno == EAGAIN)
			s->write_blocked = true;
		else if (errno != EINTR)
			return -errno;
	}
	return sent ? (ssize_t)sent : -EAGAIN;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* One sendmsg(2) of two pieces, and what is left of them by send(2); bytes or negative errno. */
static ssize_t stream_wire_sendv(struct stream *s, const void *first, size_t n_first,
				 const void *second, size_t n_second)
{
	struct iovec parts[] = { { (void *)(uintptr_t)first, n_first },
				 { (void *)(uintptr_t)second, n_second } };
	struct msghdr msg = { .msg_iov = parts, .msg_iovlen = 2 };
	ssize_t done, more;

	if (!n_first)
		return stream_wire_send(s, second, n_second);
	do {
		done = sendmsg(s->watch.fd, &msg, MSG_NOSIGNAL);
	} while (done < 0 && errno == EINTR);
	if (done < 0) {
		s->write_blocked = errno == EAGAIN;
		return -errno;
	}
	/* until -EAGAIN, as below; what is left of the first piece is its owner's to send again */
	if ((size_t)done < n_first || (size_t)done == n_first + n_second)
		return done;
	more = stream_wire_send(s, (const char *)second + ((size_t)done - n_first),
				n_second - ((size_t)done - n_first));
	return more > 0 ? done + more : more == -EAGAIN ? done : more;
}

/* One round of `out` into the filter or the socket; 0 when all of it went, else negative errno. */
static int push_out(struct stream *s)
{
	while (buf_len(&s->out)) {
		ssize_t n = s->filter
				    ? s->filter->ops->write(s, buf_head(&s->out), buf_len(&s->out))
				    : stream_wire_send(s, buf_head(&s->out), buf_len(&s->out));

		if (n <= 0)
			return n ? (int)n : -EPROTO;
		buf_consume(&s->out, (size_t)n);
		s->bytes_out += (uint64_t)n;
		s->write_moved = true;
	}
	return 0;
}

/* Returns true when nothing is left to send, in the filter neither. Calls no callback. */
static bool send_queued(struct stream *s)
{
	uint64_t before;
	int err, flushed = 0;

	if (!s->open || s->failed)
		return false;
	do {
		before = s->bytes_out;
		err = push_out(s);
		if (s->filter && (err == 0 || err == -EAGAIN))
			flushed = s->filter->ops->flush(s);
	} while (err == -EAGAIN && s->filter && flushed == 0 && s->bytes_out != before);
	if (err && err != -EAGAIN)
		fail(s, err);
	else if (flushed && flushed != -EAGAIN)
		fail(s, flushed);
	buf_trim(&s->out);
	return !s->failed && !err && !flushed;
}

/* One read of at most want bytes into `in`, with its outcome noted; the bytes, 0 to stop. */
static size_t read_once(struct stream *s, size_t want)
{
	char *at = buf_reserve(&s->in, want);
	ssize_t n;

	if (!at) {
		fail(s, -ENOMEM);
		return 0;
	}
	n = s->filter ? s->filter->ops->read(s, at, want) : stream_wire_recv(s, at, want);
	if (n > 0) {
		buf_commit(&s->in, (size_t)n);
		return (size_t)n;
	}
	if (n == 0) {
		s->read_ended = true;
	} else if (n == -EINTR) { /* the filter has had its turn */
		s->read_more = true;
		loop_defer(s->loop, &s->deferred);
	} else if (n != -EAGAIN) {
		fail(s, (int)n);
	}
	return 0;
}

/* Does the next read have a chance? Without a filter an event tells; one may have bytes of its own. */
static bool readable(const struct stream *s, bool pending)
{
	return !s->read_ended && !s->failed && (!s->read_blocked || pending);
}

/* Read into `in` until the wire, the room or the budget is exhausted; the bytes that came. */
static size_t fill_in(struct stream *s, size_t budget)
{
	/* a filter that stopped short of -EAGAIN may hold bytes that no event will tell of */
	bool pending = s->filter && s->read_more;
	size_t got = 0, n = 0;

	s->read_more = false;
	while (readable(s, pending)) {
		size_t want =
			got || s->read_large ? STREAM_NEXT_READ_BYTES : STREAM_FIRST_READ_BYTES;

		want = least(want, least(buf_room(&s->in), budget - got));
		if (!want) {
			s->read_more = true;
			break;
		}
		n = read_once(s, want);
		if (!n)
			break;
		s->read_large = n >= STREAM_FIRST_READ_BYTES;
		got += n;
		pending = s->filter && s->filter_more;
	}
	s->bytes_in += got;
	buf_trim(&s->in);
	return got;
}

/* Steps of a run: false when the stream is not to be touched any more in it. */
static bool run_open(struct stream *s)
{
	int err;

	if (s->open || s->failed)
		return true;
	if (s->connecting)
		return false;
	if (s->filter) {
		err = s->filter->ops->handshake(s);
		if (err == -EAGAIN)
			return false;
		if (err) {
			fail(s, err);
			return true;
		}
		s->read_more = true; /* what came behind the handshake */
	}
	s->open = true;
	if (s->events->on_open)
		s->events->on_open(s);
	return !is_closed(s) && !s->closing;
}

static bool run_write(struct stream *s)
{
	send_queued(s);
	if (!s->write_full || !s->write_moved || s->failed ||
	    buf_len(&s->out) > s->out.max_bytes / 4)
		return true;
	s->write_full = false;
	s->write_moved = false;
	if (s->events->on_writable)
		s->events->on_writable(s);
	return !is_closed(s) && !s->closing;
}

static bool run_read(struct stream *s)
{
	size_t budget = STREAM_TURN_BYTES, got;

	do {
		got = fill_in(s, budget);
		budget -= got;
		if (got && s->events->on_readable) {
			s->events->on_readable(s);
			if (is_closed(s) || s->closing)
				return false;
			buf_trim(&s->in);
		}
	} while (got && s->read_more && budget && buf_room(&s->in));
	if (s->read_more && !budget && buf_room(&s->in))
		loop_defer(s->loop, &s->deferred);
	return true;
}

static void run_end(struct stream *s)
{
	bool ended = s->read_ended && !s->end_told;

	if (s->failed) {
		if (s->fail_told)
			return;
		s->fail_told = true;
		if (s->events->on_end)
			s->events->on_end(s, s->err);
	} else if (ended) {
		s->end_told = true;
		if (s->events->on_end)
			s->events->on_end(s, 0);
	}
}

static void finish_close(struct stream *s)
{
	stream_close(s);
	if (s->events->on_closed)
		s->events->on_closed(s);
}

/* What the peer still sends is read past; true when its end, an error or our limit has come. */
static bool discard_input(struct stream *s)
{
	static char scratch[STREAM_FIRST_READ_BYTES]; /* never looked at */

	while (s->linger_bytes < STREAM_LINGER_BYTES) {
		ssize_t n = stream_wire_recv(s, scratch, sizeof(scratch));

		if (n <= 0)
			return n != -EAGAIN;
		s->linger_bytes += (size_t)n;
	}
	return true;
}

static void run_close(struct stream *s)
{
	uint64_t now_ns = loop_now_ns(s->loop);

	if (!s->said_goodbye) {
		buf_clear(&s->in);
		if (!send_queued(s)) {
			if (s->failed || !s->open || now_ns >= s->close_by_ns)
				finish_close(s);
			else if (s->write_moved)
				timer_start(s->loop, &s->close_timer, STREAM_STALL_MS);
			s->write_moved = false;
			return;
		}
		if (s->filter)
			s->filter->ops->shutdown(s);
		s->said_goodbye = true;
		if (shutdown(s->watch.fd, SHUT_WR)) {
			finish_close(s);
			return;
		}
		timer_start(s->loop, &s->close_timer, STREAM_LINGER_MS);
	}
	if (discard_input(s))
		finish_close(s);
}

static void stream_run(struct stream *s)
{
	if (!s->closing) {
		bool alive = run_open(s) && run_write(s) && run_read(s);

		/* also when the handshake goes on: run_open said so, and nothing is to be told */
		if (alive)
			run_end(s);
	}
	/* a callback may have begun to close */
	if (!is_closed(s) && s->closing)
		run_close(s);
}

static void stream_on_event(struct watch *w, uint32_t events)
{
	struct stream *s = container_of(w, struct stream, watch);
	int err;

	if (events & LOOP_HUP)
		s->hup = true;
	if (events & (LOOP_READ | LOOP_HUP))
		s->read_blocked = false;
	if (events & LOOP_WRITE)
		s->write_blocked = false;
	if (s->connecting && (events & (LOOP_WRITE | LOOP_HUP))) {
		s->connecting = false;
		err = sock_error(s->watch.fd);
		if (err)
			fail(s, err);
	} else if ((events & LOOP_HUP) && (s->read_ended || !buf_room(&s->in))) {
		err = sock_error(s->watch.fd); /* we do not read: no other way to learn of it */
		if (err)
			fail(s, err);
	}
	stream_run(s);
}

static void stream_on_deferred(struct deferred *d)
{
	stream_run(container_of(d, struct stream, deferred));
}

static void stream_on_close_due(struct timer *t)
{
	finish_close(container_of(t, struct stream, close_timer));
}

int stream_open(struct stream *s, struct loop *l, int fd, const struct stream_events *events,
		size_t in_max, size_t out_max, bool connecting)
{
	int err;

	*s = (struct stream) {
		.loop = l,
		.watch = { .fd = fd, .on_event = stream_on_event },
		.deferred = { .run = stream_on_deferred },
		.close_timer = { .on_due = stream_on_close_due },
		.events = events,
		.connecting = connecting,
		/* the first event tells whether there is something to read: no recv for nothing */
		.read_blocked = true,
	};
	buf_init(&s->in, in_max);
	buf_init(&s->out, out_max);
	err = loop_add(l, &s->watch);
	if (err) {
		close(fd);
		s->watch.fd = -1;
	}
	return err;
}

void stream_set_filter(struct stream *s, struct stream_filter *f)
{
	s->filter = f;
}

int stream_write(struct stream *s, const void *data, size_t n)
{
	if (s->failed || s->closing || is_closed(s))
		return -EPIPE;
	if (buf_add(&s->out, data, n)) {
		if (n <= s->out.max_bytes)
			s->write_full = true;
		return -ENOSPC;
	}
	if (buf_len(&s->out) > s->out.max_bytes / 2)
		s->write_full = true;
	if (s->open && !s->write_blocked)
		loop_defer(s->loop, &s->deferred);
	return 0;
}

/* `out` and then data, as far as the socket takes them; the bytes of data that went. */
static size_t send_both(struct stream *s, const void *data, size_t n)
{
	size_t queued = buf_len(&s->out), sent, of_queue;
	ssize_t done = stream_wire_sendv(s, buf_head(&s->out), queued, data, n);

	if (done < 0) {
		if (done != -EAGAIN)
			fail(s, (int)done);
		return 0;
	}
	sent = (size_t)done;
	of_queue = least(sent, queued);
	buf_consume(&s->out, of_queue);
	s->bytes_out += sent;
	s->write_moved = true;
	return sent - of_queue;
}

/* The same through the filter, which has the last of them for itself until it is flushed. */
static size_t filter_both(struct stream *s, const char *data, size_t n)
{
	size_t sent = 0;

	if (!send_queued(s))
		return 0;
	while (sent < n) {
		ssize_t done = s->filter->ops->write(s, data + sent, n - sent);

		if (done > 0) {
			sent += (size_t)done;
			continue;
		}
		if (done == -EAGAIN)
			done = s->filter->ops->flush(s);
		if (done && done != -EAGAIN)
			fail(s, done < 0 ? (int)done : -EPROTO);
		if (done)
			break;
	}
	s->bytes_out += sent;
	s->write_moved = true;
	if (!s->failed)
		send_queued(s); /* flushes */
	return sent;
}

int stream_write_through(struct stream *s, const void *data, size_t n)
{
	size_t sent = 0;

	if (n < STREAM_FIRST_READ_BYTES || n > buf_room(&s->out) || !s->open || s->failed ||
	    s->closing || s->write_blocked || is_closed(s))
		return stream_write(s, data, n);
	sent = s->filter ? filter_both(s, data, n) : send_both(s, data, n);
	buf_trim(&s->out);
	if (s->failed) {
		loop_defer(s->loop, &s->deferred); /* its owner is told, but not from here */
		return -EPIPE;
	}
	return sent < n ? stream_write(s, (const char *)data + sent, n - sent) : 0;
}

void stream_flush(struct stream *s)
{
	if (is_closed(s) || s->closing)
		return;
	send_queued(s);
	if (s->failed || (s->write_full && s->write_moved))
		loop_defer(s->loop, &s->deferred);
}

void stream_resume(struct stream *s)
{
	if (!is_closed(s) && s->read_more && buf_room(&s->in))
		loop_defer(s->loop, &s->deferred);
}

void stream_close_after_flush(struct stream *s)
{
	if (is_closed(s) || s->closing)
		return;
	s->closing = true;
	s->write_moved = false;
	s->close_by_ns = loop_now_ns(s->loop) + STREAM_CLOSE_MS * NS_PER_MS;
	timer_start(s->loop, &s->close_timer, STREAM_STALL_MS);
	loop_defer(s->loop, &s->deferred);
}

void stream_close(struct stream *s)
{
	if (is_closed(s))
		return;
	loop_undefer(&s->deferred);
	timer_stop(&s->close_timer);
	loop_del(s->loop, &s->watch);
	if (s->filter)
		s->filter->ops->free(s);
	s->filter = NULL;
	close(s->watch.fd);
	s->watch.fd = -1;
	s->open = false;
	buf_clear(&s->in);
	buf_clear(&s->out);
}
