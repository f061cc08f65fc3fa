/* SPDX-License-Identifier: BSD-2-Clause */
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "capture_map.h"
#include "dataplane_state.h"
#include "drop_cache_map.h"
#include "sluice/algo/gcra_rate.h"

struct capture_map {
	struct loop *loop;
	struct watch watch;
	struct ring_buffer *ring;
	uint64_t since_ns; /* older ones are of a capture before this one */
	void (*on_packet)(const struct capture_packet *p, void *ctx);
	void *ctx;
};

static int on_sample(void *ctx, void *data, size_t bytes)
{
	struct capture_map *m = ctx;
	struct capture_packet p;

	if (bytes < sizeof(p))
		return 0;
	memcpy(&p, data, sizeof(p));
	if (p.time_ns >= m->since_ns && p.bytes <= CAPTURE_BYTES)
		m->on_packet(&p, m->ctx);
	return 0;
}

/* Bounded by the capture's rate and the ring, so one turn may take all. */
static void on_readable(struct watch *w, uint32_t events)
{
	struct capture_map *m = container_of(w, struct capture_map, watch);

	(void)events;
	ring_buffer__consume(m->ring);
}

/* Off before anything else changes, on after all has. */
static int switch_on(struct capture *c, const struct capture_ask *ask, uint64_t now_ns)
{
	struct gcra_rate rate;
	uint32_t burst = ask->per_s / 10 ? ask->per_s / 10 : 1;

	if (gcra_rate_set(&rate, ask->per_s, NS_PER_S, burst))
		return -EINVAL;
	__atomic_store_n(&c->until_ns, 0, __ATOMIC_RELEASE);
	c->reasons = ask->reasons;
	c->rate = rate;
	c->missed = 0;
	memset(c->tat, 0, sizeof(c->tat));
	__atomic_store_n(&c->until_ns, now_ns + ask->for_ns, __ATOMIC_RELEASE);
	return 0;
}

static int open_ring(struct capture_map *m, int fd)
{
	int err;

	m->ring = ring_buffer__new(fd, on_sample, m, NULL);
	if (!m->ring)
		return -errno;
	m->watch.fd = fd;
	m->watch.on_event = on_readable;
	err = loop_add(m->loop, &m->watch);
	if (err)
		ring_buffer__free(m->ring);
	return err;
}

int capture_map_start(struct dataplane *dp, struct loop *loop, const struct capture_ask *ask,
		      void (*on_packet)(const struct capture_packet *p, void *ctx), void *ctx)
{
	struct capture *c = pinned_map_mem(dp, "capture");
	int fd = pinned_map_fd(dp, "capture_ring"), err;
	struct capture_map *m;

	if (fd < 0 || !c)
		return fd < 0 ? fd : -ENOMEM;
	if (dp->capture)
		return -EALREADY;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	*m = (struct capture_map) {
		.loop = loop, .since_ns = clock_now_ns(), .on_packet = on_packet, .ctx = ctx
	};
	err = open_ring(m, fd);
	if (err) {
		free(m);
		return err;
	}
	/* Edge-triggered: what is in the ring from before makes no edge. */
	ring_buffer__consume(m->ring);
	dp->capture = m;
	err = switch_on(c, ask, m->since_ns);
	/* While a capture runs no drop is remembered, so that it sees all. */
	drop_cache_map_forget(dp);
	if (err)
		capture_map_stop(dp);
	return err;
}

void capture_map_stop(struct dataplane *dp)
{
	struct capture *c = pinned_map_mem(dp, "capture");
	struct capture_map *m = dp->capture;

	if (!m)
		return;
	if (c)
		__atomic_store_n(&c->until_ns, 0, __ATOMIC_RELEASE);
	loop_del(m->loop, &m->watch);
	ring_buffer__free(m->ring);
	free(m);
	dp->capture = NULL;
}

uint64_t capture_map_missed(struct dataplane *dp)
{
	const struct capture *c = pinned_map_mem(dp, "capture");

	return c ? __atomic_load_n(&c->missed, __ATOMIC_RELAXED) : 0;
}
