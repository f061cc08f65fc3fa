/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One loop per process: epoll, edge-triggered, registered once. Whoever gets an event reads or writes
 * until -EAGAIN. Timers are a hashed wheel of 1 ms ticks; the clock is read once a turn.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;

#define LOOP_READ  1U
#define LOOP_WRITE 2U
#define LOOP_HUP   4U /* peer ended its side, is gone, or error: reported always */

/* Embedded in its owner; container_of gets back. */
struct watch {
	int fd;
	void (*on_event)(struct watch *w, uint32_t events);
};

struct timer {
	struct timer *next, **prev; /* wheel slot; prev NULL: not running */
	uint64_t due_ms;
	void (*on_due)(struct timer *t);
};

/* Runs once, after the events of this turn: the place to free what an event handler still uses. */
struct deferred {
	struct deferred *next, *prev;
	bool queued;
	void (*run)(struct deferred *d);
};

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

int loop_new(struct loop **ret);
void loop_free(struct loop *l);

/* Register for read, write and hang-up, edge-triggered. Negative errno. */
int loop_add(struct loop *l, struct watch *w);
/* Before closing the fd; no event of this turn reaches w any more. */
void loop_del(struct loop *l, struct watch *w);

void timer_start(struct loop *l, struct timer *t, uint64_t after_ms); /* restarts a running one */
void timer_stop(struct timer *t);
bool timer_running(const struct timer *t);

void loop_defer(struct loop *l, struct deferred *d); /* queued already: no change */
void loop_undefer(struct deferred *d);		     /* before its memory goes; not queued: fine */

/* Until loop_stop; 0 or negative errno. loop_turn: one turn that waits at most wait_ms. */
int loop_run(struct loop *l);
int loop_turn(struct loop *l, int wait_ms);
void loop_stop(struct loop *l);

/* CLOCK_MONOTONIC as of this turn: for timeouts, never for meters. */
uint64_t loop_now_ns(const struct loop *l);
/* Tests bring a clock of their own: not before CLOCK_MONOTONIC, and never back. */
void loop_set_clock(struct loop *l, uint64_t (*clock_ns)(void));
