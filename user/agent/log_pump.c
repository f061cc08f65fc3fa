/* SPDX-License-Identifier: BSD-2-Clause */
#include "log_pump.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PUMP_LINE_MAX  16384U /* a line of base/log.h is at most half of it */
#define PUMP_BATCH_MAX (256U << 10)
#define PUMP_IDLE_MS   20
#define PUMP_STOP_S    1

#define LOG_PUMP_RINGS_MAX 160

struct log_pump {
	pthread_t thread;
	atomic_bool stop;
	int fd;
	size_t n_rings;
	struct log_pump_source *sources;
	struct counters *counters;
	size_t len;
	char batch[PUMP_BATCH_MAX];
};

/*
 * A worker may be anybody's by now: a line of its cannot end in the middle and forge another, and
 * bears the name of the slot whose ring it lay in.
 */
static void append(struct log_pump *p, const struct log_pump_source *s, char *line, size_t n)
{
	char *to = p->batch + p->len;

	while (n && line[n - 1] == '\n')
		n--;
	str_no_controls(line, n);
	if (!s->role[0]) {
		memcpy(to, line, n);
	} else {
		size_t out = log_line_attribute(line, n, s->role, to);

		if (!out) {
			counters_add(p->counters, COUNTER_LOG_FORGED, 1);
			out = log_line_replace(line, n, s->role, to);
		}
		n = out;
	}
	to[n] = '\n';
	p->len += n + 1;
}

/*
 * Lines from all rings in turn until the batch is full or none has any. A ring with nonsense in it is
 * left alone until the next call: its writer could have us skip records for ever.
 */
static void collect(struct log_pump *p)
{
	bool spoilt[LOG_PUMP_RINGS_MAX] = { false };
	char line[PUMP_LINE_MAX];
	bool more = true;

	while (more) {
		more = false;
		for (size_t i = 0; i < p->n_rings; i++) {
			int n;

			if (PUMP_BATCH_MAX - p->len <= PUMP_LINE_MAX + LOG_LINE_EXTRA)
				return;
			n = spoilt[i] ? 0 : ring_read(p->sources[i].ring, line, sizeof(line));
			if (n > 0)
				append(p, &p->sources[i], line, (size_t)n);
			if (n < 0) {
				counters_add(p->counters, COUNTER_LOG_CORRUPT, 1);
				spoilt[i] = true;
			}
			more |= n > 0;
		}
	}
}

/* The reader's pipe may be non-blocking: wait. An error loses the batch, as nobody reads it. */
static void flush(struct log_pump *p)
{
	size_t done = 0;

	while (done < p->len) {
		ssize_t n = write(p->fd, p->batch + done, p->len - done);

		if (n >= 0) {
			done += (size_t)n;
		} else if (errno == EAGAIN) {
			struct pollfd pfd = { .fd = p->fd, .events = POLLOUT };

			poll(&pfd, 1, PUMP_IDLE_MS);
			if (atomic_load(&p->stop))
				break;
		} else if (errno != EINTR) {
			break;
		}
	}
	p->len = 0;
}

static void *run(void *arg)
{
	const struct timespec idle = { .tv_nsec = PUMP_IDLE_MS * 1000000L };
	struct log_pump *p = arg;
	bool last = false;

	while (!last) {
		last = atomic_load(&p->stop);
		collect(p);
		if (p->len)
			flush(p);
		else if (!last)
			nanosleep(&idle, NULL);
	}
	return NULL;
}

int log_pump_start(const struct log_pump_source *sources, size_t n, int fd,
		   struct counters *counters, struct log_pump **ret)
{
	struct log_pump *p = n > LOG_PUMP_RINGS_MAX ? NULL : calloc(1, sizeof(*p));
	sigset_t all, before;
	int err;

	if (!p)
		return -ENOMEM;
	p->sources = calloc(n ? n : 1, sizeof(*p->sources));
	if (!p->sources) {
		free(p);
		return -ENOMEM;
	}
	if (n)
		memcpy(p->sources, sources, n * sizeof(*p->sources));
	p->n_rings = n;
	p->counters = counters;
	p->fd = fd;
	sigfillset(&all); /* signals are the loop's */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&p->thread, NULL, run, p);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err) {
		free(p->sources);
		free(p);
		return -err;
	}
	*ret = p;
	return 0;
}

void log_pump_stop(struct log_pump *p)
{
	struct timespec until;

	if (!p)
		return;
	atomic_store(&p->stop, true);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PUMP_STOP_S;
	if (pthread_timedjoin_np(p->thread, NULL, &until))
		return; /* blocked in write(2): it goes with the process */
	free(p->sources);
	free(p);
}
