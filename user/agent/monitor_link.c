/* SPDX-License-Identifier: BSD-2-Clause */
#include "monitor_link.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_TIMEOUT_MS 10000 /* of a file on a slow disk; the monitor does nothing slower */

static int deliver(struct monitor_link *l, struct ipc_msg *msg)
{
	struct monitor_request r = { 0 };

	if (msg->len == sizeof(r)) {
		memcpy(&r, msg->payload, sizeof(r));
		l->on_message(l, msg->type, &r, msg->fds, msg->nfds);
		msg->nfds = 0; /* the callee's */
	}
	ipc_msg_clear(msg);
	return 0;
}

static void deliver_queued(struct deferred *d)
{
	struct monitor_link *l = container_of(d, struct monitor_link, deferred);

	/* a delivery may ask, and queue more behind these */
	for (size_t i = 0; i < l->n_queued; i++) {
		struct ipc_msg *msg = l->queue[i];

		l->queue[i] = NULL;
		deliver(l, msg);
		free(msg);
	}
	l->n_queued = 0;
}

static int enqueue(struct monitor_link *l, struct ipc_msg *msg)
{
	struct ipc_msg *copy = l->n_queued < MONITOR_LINK_QUEUE_MAX ? malloc(sizeof(*copy)) : NULL;

	if (!copy) {
		ipc_msg_clear(msg);
		return -ENOSPC;
	}
	*copy = *msg;
	l->queue[l->n_queued++] = copy;
	loop_defer(l->loop, &l->deferred);
	return 0;
}

/* Wait for the next message. 1, 0 at the end, negative errno. */
static int next(struct monitor_link *l, struct ipc_msg *msg)
{
	struct pollfd p = { .fd = l->watch.fd, .events = POLLIN };
	int ret;

	while ((ret = ipc_recv(l->watch.fd, msg)) == -EAGAIN) {
		ret = poll(&p, 1, ANSWER_TIMEOUT_MS);
		if (ret == 0)
			return -ETIMEDOUT;
		if (ret < 0 && errno != EINTR)
			return -errno;
	}
	return ret;
}

static void on_event(struct watch *w, uint32_t events)
{
	struct monitor_link *l = container_of(w, struct monitor_link, watch);
	struct ipc_msg msg;
	int ret;

	(void)events;
	while ((ret = ipc_recv(w->fd, &msg)) == 1)
		deliver(l, &msg);
	if (ret != -EAGAIN)
		l->on_message(l, 0, NULL, NULL, 0);
}

int monitor_link_open(struct monitor_link *l, struct loop *loop, int fd,
		      void (*on_message)(struct monitor_link *, uint32_t,
					 const struct monitor_request *, const int *, size_t))
{
	l->loop = loop;
	l->on_message = on_message;
	l->deferred.run = deliver_queued;
	l->watch.fd = fd;
	l->watch.on_event = on_event;
	return loop_add(loop, &l->watch);
}

int monitor_link_wait(struct monitor_link *l, uint32_t type)
{
	struct ipc_msg msg;
	uint32_t got;
	int ret;

	do {
		ret = next(l, &msg);
		if (ret != 1)
			return ret ? ret : -EPIPE;
		got = msg.type;
		deliver(l, &msg);
	} while (got != type);
	return 0;
}

static int answer(struct ipc_msg *msg, struct monitor_request *r, int *ret_fds, size_t *ret_n)
{
	if (msg->len != sizeof(*r)) {
		ipc_msg_clear(msg);
		return -EPROTO;
	}
	memcpy(r, msg->payload, sizeof(*r));
	r->path[sizeof(r->path) - 1] = '\0';
	if (ret_fds && r->status == 0) {
		memcpy(ret_fds, msg->fds, msg->nfds * sizeof(int));
		*ret_n = msg->nfds;
		msg->nfds = 0;
	}
	ipc_msg_clear(msg);
	return r->status;
}

int monitor_link_ask(struct monitor_link *l, uint32_t type, struct monitor_request *r, int fd,
		     int *ret_fds, size_t *ret_n)
{
	struct ipc_msg msg;
	int ret = ipc_send(l->watch.fd, type, r, sizeof(*r), &fd, fd >= 0);

	while (!ret) {
		ret = next(l, &msg);
		if (ret == 1 && msg.type == type)
			return answer(&msg, r, ret_fds, ret_n);
		if (ret == 1 && msg.type == MONITOR_WORKER)
			ret = deliver(l, &msg); /* the answer to SPAWN is behind it */
		else if (ret == 1)
			ret = enqueue(l, &msg);
		else if (ret == 0)
			ret = -EPIPE;
	}
	return ret;
}

int monitor_link_libxdp(struct libxdp_request *request, struct errmsg *err, void *ctx)
{
	struct monitor_request r = { .libxdp = *request };
	int ret = monitor_link_ask(ctx, MONITOR_LIBXDP, &r, -1, NULL, NULL);

	*request = r.libxdp;
	return errmsg_set(err, ret, "%s", r.path[0] ? r.path : strerror(-ret));
}
