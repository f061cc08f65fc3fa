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

/* Owner's callbacks. None is called from inside a call that the owner made on the stream. */
struct stream_events {
	void (*on_open)(struct stream *s);	/* connected; with a filter: handshake done */
	void (*on_readable)(struct stream *s);
	void (*on_writable)(struct stream *s);
	/* The peer ended its side (err 0: in order, all bytes are in `in`) or the stream failed. */
	void (*on_end)(struct stream *s, int err);
};

/*
 * A filter turns bytes of the wire into bytes of the owner. Return values as read(2)/write(2) with a
 * negative errno: -EAGAIN wants more from the wire, 0 from read is the end.
 */
struct stream_filter {
	const struct stream_filter_ops *ops;
};

struct stream_filter_ops {
	int (*handshake)(struct stream *s);			    /* 0 done, -EAGAIN, -EPROTO */
	ssize_t (*read)(struct stream *s, void *data, size_t n);    /* from the wire through us */
	ssize_t (*write)(struct stream *s, const void *data, size_t n);
	int (*flush)(struct stream *s);	  /* pending wire bytes: 0 none left, -EAGAIN */
	int (*shutdown)(struct stream *s); /* say good-bye (close_notify); best effort */
	void (*free)(struct stream *s);
};

struct stream {
	struct loop *loop;
	struct watch watch;
	struct deferred deferred;
	const struct stream_events *events;
	struct stream_filter *filter; /* NULL: clear */
	struct buf in;
	struct buf out;
	struct addr peer;
	uint16_t peer_port;
	bool open;	   /* handshake done */
	bool read_ended;   /* the peer sent its end */
	bool failed;
	bool read_blocked; /* the socket gave -EAGAIN: wait for an event */
	bool write_full;   /* on_writable is owed */
	bool closing;	   /* close once `out` is empty */
	bool hup;
	uint64_t bytes_in;
	uint64_t bytes_out;
};

/* Take over fd. connecting: on_open comes when connect(2) has finished. Negative errno, fd closed. */
int stream_open(struct stream *s, struct loop *l, int fd, const struct stream_events *events,
		size_t in_max, size_t out_max, bool connecting);
/* Put a filter below the bytes: before the first event. The stream owns it from here. */
void stream_set_filter(struct stream *s, struct stream_filter *f);

/* Queue all n bytes or none: -ENOSPC when `out` has no room for them; -EPIPE after a failure. */
int stream_write(struct stream *s, const void *data, size_t n);
/* Send what is queued now, not at the end of the turn. */
void stream_flush(struct stream *s);
/* Bytes were taken from `in`: read on if there may be more. */
void stream_resume(struct stream *s);
/* Flush, good-bye, shut down, close; on_end is not called any more. */
void stream_close_after_flush(struct stream *s);
/* Close now. The memory is the owner's: free it from a deferred, not from a callback. */
void stream_close(struct stream *s);
