/* SPDX-License-Identifier: BSD-2-Clause */
#include "listen_group.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "net/ipc.h"
#include "net/sock.h"

#define LISTEN_BACKLOG 4096 /* capped by net.core.somaxconn */

/* NULL: none. port 0 finds a free place. */
static struct listen_group *find(struct listen_groups *s, const struct addr *address, uint16_t port)
{
	for (size_t i = 0; i < LISTEN_GROUPS_MAX; i++) {
		if (s->group[i].port == port && (!port || addr_eq(&s->group[i].address, address)))
			return &s->group[i];
	}
	return NULL;
}

static bool holds_port(const struct listen_groups *s, uint16_t port)
{
	for (size_t i = 0; i < LISTEN_GROUPS_MAX; i++) {
		if (s->group[i].port == port)
			return true;
	}
	return false;
}

/*
 * SO_REUSEPORT lets any other process of root in, another sluiced above all: a socket without it does
 * not get an address that somebody listens on.
 */
static int probe(const struct addr *address, uint16_t port)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(address, port, &ss);
	CLEANUP_FD int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)))
		return -errno;
	if (ss.ss_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)))
		return -errno;
	return bind(fd, (struct sockaddr *)&ss, len) ? -errno : 0;
}

/* The kernel asks for a capability to bind these, and many trust who answers there. */
static bool is_allowed(const struct conf *bounds, uint16_t port)
{
	bool allowed = port >= IPPORT_RESERVED;

	for (size_t i = 0; bounds && i < bounds->agent.n_privileged_ports; i++)
		allowed = allowed || bounds->agent.privileged_ports[i] == port;
	for (size_t i = 0; bounds && i < bounds->n_listeners; i++)
		allowed = allowed || bounds->listeners[i].port == port;
	return allowed || (bounds && bounds->agent.internal_port == port);
}

static void shrink(struct listen_group *g, uint16_t n)
{
	while (g->n > n)
		close(g->fds[--g->n]);
	if (!g->n)
		g->port = 0;
}

int listen_group_open(struct listen_groups *s, const struct monitor_request *r, int *fds, size_t *n)
{
	struct listen_group *g = find(s, &r->address, r->port);
	uint16_t before;
	int err = 0;

	if (!r->port || !r->slots || r->slots > MESSAGE_WORKERS_MAX)
		return -EINVAL;
	if (!is_allowed(s->bounds, r->port))
		return -EACCES;
	/* listeners of ours may overlap: 0.0.0.0:443 beside 192.0.2.1:443 */
	if (!g && !holds_port(s, r->port))
		err = probe(&r->address, r->port);
	if (!g && !err)
		g = find(s, NULL, 0);
	if (!g)
		return err ? err : -ENOSPC;
	before = g->n;
	g->address = r->address;
	g->port = r->port;
	while (g->n < r->slots) {
		int fd = sock_listen(&r->address, r->port, LISTEN_BACKLOG);

		if (fd < 0) {
			shrink(g, before);
			return fd;
		}
		g->fds[g->n++] = fd;
	}
	for (uint32_t slot = r->slot; slot < g->n && *n < IPC_FDS_MAX; slot++)
		fds[(*n)++] = g->fds[slot];
	return 0;
}

void listen_group_close(struct listen_groups *s, const struct monitor_request *r)
{
	struct listen_group *g = r->port ? find(s, &r->address, r->port) : NULL;

	if (g)
		shrink(g, 0);
}

int listen_group_internal(struct listen_groups *s, const struct addr *address, uint16_t port,
			  struct errmsg *err)
{
	const struct monitor_request r = { .address = *address, .port = port, .slots = 1 };
	char text[ADDR_TEXT_MAX];
	int fds[IPC_FDS_MAX] = { -1 };
	size_t n = 0;
	int ret = port ? listen_group_open(s, &r, fds, &n) : 0;

	if (!ret)
		return fds[0];
	errmsg_set(err, ret, "cannot listen on %s (the internal listener): %s",
		   addr_format_port(address, port, text), strerror(-ret));
	return ret == -1 ? -EACCES : ret; /* EPERM is 1 */
}
