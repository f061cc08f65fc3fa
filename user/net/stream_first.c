/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stream_first.h"

struct first {
	struct stream_filter filter;
	struct stream_filter *inner; /* in its place behind it; NULL: clear */
	size_t at, n;
	char data[];
};

static struct first *first_of(const struct stream *s)
{
	return container_of(s->filter, struct first, filter);
}

static int on_handshake(struct stream *s)
{
	struct first *f = first_of(s);

	while (f->at < f->n) {
		ssize_t sent = stream_wire_send(s, f->data + f->at, f->n - f->at);

		if (sent < 0)
			return (int)sent;
		f->at += (size_t)sent;
	}
	s->filter = f->inner;
	free(f);
	return s->filter ? s->filter->ops->handshake(s) : 0;
}

static int on_nothing(struct stream *s)
{
	(void)s;
	return 0;
}

static void on_free(struct stream *s)
{
	struct first *f = first_of(s);
	struct stream_filter *inner = f->inner;

	free(f);
	s->filter = inner;
	if (inner)
		inner->ops->free(s);
}

/* The stream opens behind on_handshake, when what is inside is in its place. */
static const struct stream_filter_ops ops = {
	.handshake = on_handshake,
	.flush = on_nothing,
	.shutdown = on_nothing,
	.free = on_free,
};

int stream_first(struct stream *s, const void *data, size_t n)
{
	struct first *f = malloc(sizeof(*f) + n);

	if (!f)
		return -ENOMEM;
	*f = (struct first) { .filter.ops = &ops, .inner = s->filter, .n = n };
	memcpy(f->data, data, n);
	stream_set_filter(s, &f->filter);
	return 0;
}
