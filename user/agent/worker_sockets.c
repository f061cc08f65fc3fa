/* SPDX-License-Identifier: BSD-2-Clause */
#include "worker_sockets.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"
#include "message.h"

void worker_sockets_take(struct worker_sockets *s, struct ipc_msg *msg)
{
	struct worker_sockets_message m;

	if (msg->len != sizeof(m))
		return;
	memcpy(&m, msg->payload, sizeof(m));
	for (uint32_t i = 0; i < msg->nfds; i++) {
		if (s->n_sent == WORKER_SOCKETS_LISTENERS_MAX) {
			close(msg->fds[i]);
			continue;
		}
		s->sent[s->n_sent].listener = m.listener[i];
		s->sent[s->n_sent++].fd = msg->fds[i];
	}
	msg->nfds = 0;
}

static bool holds(const struct worker_sockets *s, const struct conf_listener *l)
{
	for (size_t i = 0; i < s->n_held; i++) {
		if (strcmp(s->held[i].name, l->name) == 0)
			return s->held[i].port == l->port &&
			       addr_eq(&s->held[i].address, &l->address);
	}
	return false;
}

/* The last one that came for the listener: an earlier try of the same revision may have failed. */
static int sent_fd(const struct worker_sockets *s, uint32_t listener)
{
	for (size_t i = s->n_sent; i-- > 0;) {
		if (s->sent[i].listener == listener)
			return s->sent[i].fd;
	}
	return -1;
}

int worker_sockets_pick(struct worker_sockets *s, const struct conf *conf, bool accepts, int **ret,
			struct errmsg *err)
{
	int *fds = calloc(conf->n_listeners ? conf->n_listeners : 1, sizeof(*fds));

	if (!fds)
		return errmsg_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < conf->n_listeners; i++) {
		const struct conf_listener *l = &conf->listeners[i];

		fds[i] = holds(s, l) ? -1 : sent_fd(s, (uint32_t)i);
		if (fds[i] < 0 && !holds(s, l) && accepts) {
			free(fds);
			return errmsg_set(err, -ENOENT, "no socket came for listener %s", l->name);
		}
	}
	*ret = fds;
	return 0;
}

void worker_sockets_applied(struct worker_sockets *s, const struct conf *conf)
{
	for (size_t i = 0; i < conf->n_listeners; i++) {
		int fd = holds(s, &conf->listeners[i]) ? -1 : sent_fd(s, (uint32_t)i);

		for (size_t k = 0; fd >= 0 && k < s->n_sent; k++) {
			if (s->sent[k].fd == fd)
				s->sent[k].fd = -1;
		}
	}
	s->n_held = 0;
	for (size_t i = 0; i < conf->n_listeners && i < WORKER_SOCKETS_LISTENERS_MAX; i++) {
		snprintf(s->held[i].name, sizeof(s->held[i].name), "%s", conf->listeners[i].name);
		s->held[i].address = conf->listeners[i].address;
		s->held[i].port = conf->listeners[i].port;
		s->n_held++;
	}
}

void worker_sockets_give_up(struct worker_sockets *s)
{
	for (size_t i = 0; i < s->n_sent; i++) {
		if (s->sent[i].fd >= 0)
			close(s->sent[i].fd);
	}
	s->n_sent = 0;
}
