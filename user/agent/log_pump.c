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

struct log_pump {
	pthread_t thread;
	atomic_bool stop;
	int fd;
	size_t n_rings;
	struct ring **rings;
	size_t len;
	char batch[PUMP_BATCH_MAX];
};

/* A worker may be anybody's by now: a line of its cannot end in the middle and forge another. */
static void append(struct log_pump *p, const char *line, size_t n)
{
	char *to = p->batch + p->len;

	while (n && line[n - 1] == '\n')
		n--;
	for (size_t i = 0; i < n; i++)
		to[i] = (unsigned char)line[i] < 0x20 ? '?' : line[i];
	to[n] = '\n';
	p->len += n + 1;
}

/* Lines from all rings in turn until the batch is full or none has any. */
static void collect(struct log_pump *p)
{
	char line[PUMP_LINE_MAX];
	bool more = true;

	while (more) {
		more = false;
		for (size_t i = 0; i < p->n_rings; i++) {
			int n;

			if (PUMP_BATCH_MAX - p->len <= PUMP_LINE_MAX)
				return;
			n = ring_read(p->rings[i], line, sizeof(line));
			if (n > 0)
				append(p, line, (size_t)n);
			more |= n != 0 && n != -EPROTO;
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

int log_pump_start(struct ring *const *rings, size_t n, int fd, struct log_pump **ret)
{
	struct log_pump *p = calloc(1, sizeof(*p));
	sigset_t all, before;
	int err;

	if (!p)
		return -ENOMEM;
	p->rings = calloc(n ? n : 1, sizeof(*p->rings));
	if (!p->rings) {
		free(p);
		return -ENOMEM;
	}
	memcpy(p->rings, rings, n * sizeof(*p->rings));
	p->n_rings = n;
	p->fd = fd;
	sigfillset(&all); /* signals are the loop's */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&p->thread, NULL, run, p);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err) {
		free(p->rings);
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
	free(p->rings);
	free(p);
}
