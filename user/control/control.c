/* SPDX-License-Identifier: BSD-2-Clause */
#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "conn.h"
#include "internal.h"

/* One per process: the supervisor's loop serves it. */
static struct control_server *control_server;

static void control_accept(struct watch *w, uint32_t events)
{
	struct control_server *server = container_of(w, struct control_server, watch);

	(void)events;
	for (;;) {
		int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0) {
			if (errno != EAGAIN && errno != EWOULDBLOCK)
				log_warn("control.accept", LOG_STR("error", strerror(errno)));
			return;
		}
		control_conn_open(server, fd);
	}
}

int control_start(struct supervisor *s, int control_fd, int internal_fd, struct errmsg *err)
{
	struct control_server *server = calloc(1, sizeof(*server));
	int ret;

	if (!server)
		return -ENOMEM;
	server->s = s;
	server->watch.fd = control_fd;
	server->watch.on_event = control_accept;
	if (control_fd >= 0) {
		ret = loop_add(supervisor_loop(s), &server->watch);
		if (ret < 0) {
			free(server);
			return errmsg_set(err, ret, "control socket: %s", strerror(-ret));
		}
	}
	control_server = server;
	if (internal_fd < 0)
		return 0;
	ret = internal_start(s, internal_fd);
	if (ret < 0) {
		control_stop(s);
		return errmsg_set(err, ret, "internal listener: %s", strerror(-ret));
	}
	return 0;
}

void control_stop(struct supervisor *s)
{
	internal_stop();
	if (!control_server)
		return;
	control_conn_close_all(control_server);
	if (control_server->watch.fd >= 0) {
		loop_del(supervisor_loop(s), &control_server->watch);
		close(control_server->watch.fd);
	}
	free(control_server);
	control_server = NULL;
}
