/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A byte stream over TCP with bounded buffers both ways and an optional filter (TLS) between the
 * socket and the bytes that the owner sees. http/ works on this and never knows which it is.
 *
 * Reading: on_readable runs when `in` got bytes; what the owner does not consume stays. Once `in` is
 * full the socket is not read: TCP's window is the back-pressure. stream_resume reads again.
 * Writing: stream_write queues and sends what goes; on_writable runs when `out` has fallen below its
 * low mark after having been full.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../base/buf.h"
#include "../event/loop.h"
#include "sluice/abi/addr.h"

struct stream;

/*
 * Owner's callbacks, each may be NULL. None is called from inside a call that the owner made on the
 * stream. All may close the stream; its memory is freed or opened again from a deferred only.
 */
struct stream_events {
	void (*on_open)(struct stream *s);     /* connected; with a filter: handshake done */
	void (*on_readable)(struct stream *s); /* new bytes, not leftovers */
	void (*on_writable)(struct stream *s);
	/*
	 * The peer ended its side (err 0: in order, all bytes are in `in`; we may still write) or
	 * the stream failed (negative errno). A failure may follow an end; nothing follows a failure.
	 */
	void (*on_end)(struct stream *s, int err);
	/* Only after stream_close_after_flush: done, closed. */
	void (*on_closed)(struct stream *s);
};

/*
 * A filter turns bytes of the wire into bytes of the owner. Return values as read(2)/write(2) with a
 * negative errno: -EAGAIN wants more from the wire, 0 from read is the end.
 */
struct stream_filter {
	const struct stream_filter_ops *ops;
};

struct stream_filter_ops {
	int (*handshake)(struct stream *s); /* 0 done, -EAGAIN, -EPROTO; flushes itself */
	/* From the wire through us. -EINTR: worked enough without a byte, call again next turn. */
	ssize_t (*read)(struct stream *s, void *data, size_t n);
	/* Takes some bytes; they may wait for flush. -EAGAIN: flush first. */
	ssize_t (*write)(struct stream *s, const void *data, size_t n);
	int (*flush)(struct stream *s);	   /* pending wire bytes: 0 none left, -EAGAIN */
	int (*shutdown)(struct stream *s); /* say good-bye (close_notify); best effort */
	void (*free)(struct stream *s);
};

struct stream {
	struct loop *loop;
	struct watch watch; /* fd -1: closed */
	struct deferred deferred;
	struct timer close_timer;
	const struct stream_events *events;
	struct stream_filter *filter; /* NULL: clear */
	struct buf in;
	struct buf out;
	struct addr peer;
	uint16_t peer_port;
	int err;	 /* once failed: why, negative errno */
	bool connecting; /* connect(2) has not finished */
	bool open;	 /* handshake done */
	bool read_ended; /* the peer sent its end */
	bool end_told;	 /* on_end(0) was called */
	bool failed;
	bool fail_told;	    /* on_end(err) was called */
	bool read_blocked;  /* the socket gave -EAGAIN: wait for an event */
	bool read_more;	    /* reading stopped for want of room or turn, not of bytes */
	bool read_large;    /* the last reads were filled: the next is large from its start */
	bool filter_more;   /* by the filter: it holds bytes that no event will tell of */
	bool write_blocked; /* as read_blocked */
	bool write_full;    /* on_writable is owed */
	bool write_moved;   /* `out` has fallen since the last on_writable */
	bool closing;	    /* close once `out` is empty */
	bool said_goodbye;  /* closing: our end is sent, theirs is awaited */
	bool hup;	    /* an end or error is behind what can be read */
	size_t linger_bytes;
	uint64_t close_by_ns;
	uint64_t bytes_in; /* of the owner, not of the wire */
	uint64_t bytes_out;
};

/* Take over fd. connecting: on_open comes when connect(2) has finished. Negative errno, fd closed. */
int stream_open(struct stream *s, struct loop *l, int fd, const struct stream_events *events,
		size_t in_max, size_t out_max, bool connecting);
/* Put a filter below the bytes: before the first event. The stream owns it from here. */
void stream_set_filter(struct stream *s, struct stream_filter *f);

/*
 * Queue all n bytes or none. Everything written in a turn leaves in one send at its end. After
 * -ENOSPC, or with more than half of `out` in use, on_writable is owed: it comes once the peer took
 * enough that no more than a quarter is.
 *   -ENOSPC  `out` has no room for them (n over its maximum: never will)
 *   -EPIPE   failed, closing or closed
 */
int stream_write(struct stream *s, const void *data, size_t n);
/*
 * The same for a large piece of a body: what the peer takes is sent at once from where it is, behind
 * what is queued, and only the rest is copied to be queued.
 */
int stream_write_through(struct stream *s, const void *data, size_t n);
/* Send what is queued now, not at the end of the turn. */
void stream_flush(struct stream *s);
/* Bytes were taken from `in`: read on if there may be more. Not needed inside on_readable. */
void stream_resume(struct stream *s);
/*
 * Flush, good-bye, shut down, wait shortly for the peer's end so that our last bytes are not lost to
 * a reset (RFC 9112 s9.6), close. Bounded in time and bytes. Only on_closed is called from here on.
 */
void stream_close_after_flush(struct stream *s);
/* Close now. The memory is the owner's: free it from a deferred, not from a callback. */
void stream_close(struct stream *s);

/* For filters: recv(2) and send(2) that know when the socket is exhausted. Negative errno. */
ssize_t stream_wire_recv(struct stream *s, void *data, size_t n);
ssize_t stream_wire_send(struct stream *s, const void *data, size_t n);
