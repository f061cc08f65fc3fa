/* SPDX-License-Identifier: BSD-2-Clause */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"
#include "dataplane_state.h"
#include "event_map.h"

struct event_map {
	struct loop *loop;
	struct watch watch;
	struct ring_buffer *ring;
	void (*on_event)(const struct event *e, void *ctx);
	void *ctx;
};

static int on_sample(void *ctx, void *data, size_t bytes)
{
	struct event_map *m = ctx;
	struct event e;

	if (bytes < sizeof(e))
		return 0;
	memcpy(&e, data, sizeof(e));
	m->on_event(&e, m->ctx);
	return 0;
}

/* Bounded by events_per_s of each reason, so one turn may take all. */
static void on_readable(struct watch *w, uint32_t events)
{
	struct event_map *m = container_of(w, struct event_map, watch);

	(void)events;
	ring_buffer__consume(m->ring);
}

int event_map_start(struct dataplane *dp, struct loop *loop,
		    void (*on_event)(const struct event *e, void *ctx), void *ctx)
{
	struct event_map *m;
	int fd = pinned_map_fd(dp, "events"), err;

	if (fd < 0)
		return fd;
	if (dp->event)
		return -EALREADY;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->loop = loop;
	m->on_event = on_event;
	m->ctx = ctx;
	m->ring = ring_buffer__new(fd, on_sample, m, NULL);
	if (!m->ring) {
		err = -errno;
		free(m);
		return err;
	}
	/* The map itself can be polled: a nested epoll would only add a step. */
	m->watch.fd = fd;
	m->watch.on_event = on_readable;
	err = loop_add(loop, &m->watch);
	if (err) {
		ring_buffer__free(m->ring);
		free(m);
		return err;
	}
	/* Edge-triggered: what was in the ring of an agent before us makes no edge. */
	ring_buffer__consume(m->ring);
	dp->event = m;
	return 0;
}

void event_map_stop(struct dataplane *dp)
{
	struct event_map *m = dp->event;

	if (!m)
		return;
	loop_del(m->loop, &m->watch);
	ring_buffer__free(m->ring);
	free(m);
	dp->event = NULL;
}

int event_map_suppressed(struct dataplane *dp, uint64_t *ret)
{
	int fd = pinned_map_fd(dp, "event_meter");
	struct event_meter meter;
	uint64_t sum = 0;

	if (fd < 0)
		return fd;
	for (uint32_t i = 0; i < EVENT_METERS; i++) {
		if (bpf_map_lookup_elem(fd, &i, &meter))
			return -errno;
		sum += meter.suppressed;
	}
	*ret = sum;
	return 0;
}
