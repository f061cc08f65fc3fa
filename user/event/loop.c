/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop.h"
#include "wheel.h"

#define LOOP_EVENTS	128
#define DEFERRED_ROUNDS 2 /* a deferred that queues itself again must not keep epoll waiting */

struct loop {
	int epoll_fd;
	bool stopping;
	uint64_t now_ns;
	uint64_t (*clock_ns)(void);
	struct wheel wheel;
	struct deferred deferred; /* head of a ring, run from its next on */
	int event_at, event_count;
	struct epoll_event events[LOOP_EVENTS];
};

int loop_new(struct loop **ret)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll_fd < 0) {
		int err = -errno;

		free(l);
		return err;
	}
	l->deferred.next = l->deferred.prev = &l->deferred;
	l->clock_ns = clock_now_ns;
	l->now_ns = l->clock_ns();
	wheel_init(&l->wheel, l->now_ns / NS_PER_MS);
	*ret = l;
	return 0;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	/* timers and deferreds outlive the loop in their owners: none may point into it */
	wheel_clear(&l->wheel);
	while (l->deferred.next != &l->deferred)
		loop_undefer(l->deferred.next);
	close(l->epoll_fd);
	free(l);
}

int loop_add(struct loop *l, struct watch *w)
{
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
		.data.ptr = w,
	};

	return epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, w->fd, &ev) ? -errno : 0;
}

void loop_del(struct loop *l, struct watch *w)
{
	epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
	for (int i = l->event_at; i < l->event_count; i++) {
		if (l->events[i].data.ptr == w)
			l->events[i].data.ptr = NULL;
	}
}

void timer_start(struct loop *l, struct timer *t, uint64_t after_ms)
{
	/* rounded up: a timer is never early */
	uint64_t now_ms = (l->now_ns + NS_PER_MS - 1) / NS_PER_MS;

	timer_stop(t);
	t->due_ms = after_ms < UINT64_MAX - now_ms ? now_ms + after_ms : UINT64_MAX;
	wheel_put(&l->wheel, t);
}

void timer_stop(struct timer *t)
{
	wheel_take(t);
}

bool timer_running(const struct timer *t)
{
	return t->prev != NULL;
}

void loop_defer(struct loop *l, struct deferred *d)
{
	if (d->queued)
		return;
	d->queued = true;
	d->next = &l->deferred;
	d->prev = l->deferred.prev;
	d->prev->next = d;
	l->deferred.prev = d;
}

void loop_undefer(struct deferred *d)
{
	if (!d->queued)
		return;
	d->queued = false;
	d->prev->next = d->next;
	d->next->prev = d->prev;
}

static bool deferred_waiting(const struct loop *l)
{
	return l->deferred.next != &l->deferred;
}

/* What was queued before the round runs in it; what it queues itself waits for the next one. */
static void run_deferred_round(struct loop *l)
{
	struct deferred end = { .queued = false };
	struct deferred *d;

	loop_defer(l, &end);
	while ((d = l->deferred.next) != &end) {
		loop_undefer(d);
		d->run(d);
	}
	loop_undefer(&end);
}

static uint32_t events_of(uint32_t ep)
{
	uint32_t events = 0;

	if (ep & EPOLLIN)
		events |= LOOP_READ;
	if (ep & EPOLLOUT)
		events |= LOOP_WRITE;
	if (ep & EPOLLRDHUP)
		events |= LOOP_READ | LOOP_HUP;
	if (ep & (EPOLLHUP | EPOLLERR))
		events |= LOOP_READ | LOOP_WRITE | LOOP_HUP;
	return events;
}

static int wait_limit(struct loop *l, int wait_ms)
{
	uint64_t next = wheel_next(&l->wheel), now_ms = l->now_ns / NS_PER_MS, left;

	if (deferred_waiting(l) || l->stopping)
		return 0;
	if (next == WHEEL_NONE)
		return wait_ms;
	left = next > now_ms ? next - now_ms : 0;
	if (wait_ms >= 0 && left > (uint64_t)wait_ms)
		return wait_ms;
	return left > INT_MAX ? INT_MAX : (int)left;
}

int loop_turn(struct loop *l, int wait_ms)
{
	int n;

	if (wait_ms)
		l->now_ns = l->clock_ns(); /* the last turn's work took time */
	n = epoll_wait(l->epoll_fd, l->events, LOOP_EVENTS, wait_limit(l, wait_ms));
	if (n < 0 && errno != EINTR)
		return -errno;
	l->now_ns = l->clock_ns();
	l->event_count = n < 0 ? 0 : n;
	for (l->event_at = 0; l->event_at < l->event_count; l->event_at++) {
		struct epoll_event *ev = &l->events[l->event_at];
		struct watch *w = ev->data.ptr;

		if (w)
			w->on_event(w, events_of(ev->events));
	}
	l->event_count = 0;
	wheel_advance(&l->wheel, l->now_ns / NS_PER_MS);
	for (int i = 0; i < DEFERRED_ROUNDS && deferred_waiting(l); i++)
		run_deferred_round(l);
	return 0;
}

int loop_run(struct loop *l)
{
	int err = 0;

	while (!l->stopping && !err)
		err = loop_turn(l, -1);
	l->stopping = false;
	return err;
}

void loop_stop(struct loop *l)
{
	l->stopping = true;
}

void loop_set_clock(struct loop *l, uint64_t (*clock_ns)(void))
{
	l->clock_ns = clock_ns;
	l->now_ns = l->clock_ns();
}

uint64_t loop_now_ns(const struct loop *l)
{
	return l->now_ns;
}
