/* SPDX-License-Identifier: BSD-2-Clause */
#include "worker_set_send.h"

#include <errno.h>
#include <unistd.h>

#include "net/ipc.h"

static uint32_t slot_of(const struct worker_set_row *row)
{
	return (uint32_t)(row - row->set->row);
}

int worker_set_send_memory(struct worker_set_row *row)
{
	struct worker_memory sizes;
	int fds[4];

	memory_of_worker(row->set->memory, slot_of(row), fds, &sizes);
	return ipc_send(row->watch.fd, WORKER_MEMORY, &sizes, sizeof(sizes), fds, 4);
}

/* The socket of this worker for a listener, from the monitor, which holds them all. */
static int ask_socket(struct worker_set_row *row, const struct conf_listener *l)
{
	struct monitor_request r = {
		.address = l->address,
		.port = l->port,
		.slots = (uint16_t)row->set->n,
		.slot = slot_of(row) - row->set->base,
	};
	int fds[IPC_FDS_MAX];
	size_t n = 0;
	int ret = monitor_link_ask(row->set->monitor, MONITOR_LISTEN, &r, -1, fds, &n);

	for (size_t i = 1; i < n; i++) /* of the slots behind this one */
		close(fds[i]);
	if (ret)
		return ret;
	return n ? fds[0] : -EPROTO;
}

int worker_set_send_sockets(struct worker_set_row *row)
{
	const struct conf *conf = row->set->conf;
	struct worker_sockets_message m = { 0 };
	int fds[IPC_FDS_MAX], ret = 0;
	size_t n = 0;

	for (size_t i = 0; i < conf->n_listeners && !ret; i++) {
		int fd = ask_socket(row, &conf->listeners[i]);

		if (fd < 0) {
			ret = fd;
			break;
		}
		m.listener[n] = (uint32_t)i;
		fds[n++] = fd;
		if (n < IPC_FDS_MAX && i + 1 < conf->n_listeners)
			continue;
		ret = ipc_send(row->watch.fd, WORKER_SOCKETS, &m, sizeof(m), fds, n);
		while (n)
			close(fds[--n]);
	}
	while (n)
		close(fds[--n]);
	return ret;
}
