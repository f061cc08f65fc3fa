/* SPDX-License-Identifier: BSD-2-Clause */
/* The sockets that the monitor holds, handed to the kernel half for what listeners steer. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "dataplane/steer_map.h"
#include "net/ipc.h"
#include "supervisor_state.h"

_Static_assert(MESSAGE_WORKERS_MAX == STEER_SLOTS_MAX, "sockets of a listener");

static int open_socket(const struct conf_listener *l, uint32_t slot, void *ctx)
{
	struct supervisor *s = ctx;
	struct monitor_request r = {
		.address = l->address,
		.port = l->port,
		.slots = (uint16_t)s->memory.slots,
		.slot = slot,
	};
	int fds[IPC_FDS_MAX];
	size_t n = 0;
	int ret = monitor_link_ask(&s->monitor, MONITOR_LISTEN, &r, -1, fds, &n);

	for (size_t i = 1; i < n; i++) /* of the slots behind this one */
		close(fds[i]);
	if (ret)
		return ret;
	return n ? fds[0] : -EPROTO;
}

int supervisor_steer(struct supervisor *s, const struct conf *conf, struct errmsg *err)
{
	const struct steer_sockets sockets = { s->memory.slots, open_socket, s };

	return s->kernel.dp ? steer_map_apply(s->kernel.dp, s->loop, conf, &sockets, err) : 0;
}

int supervisor_kernel_apply(struct supervisor *s, const struct conf *from, const struct conf *to,
			    const char *diff, struct errmsg *err)
{
	struct errmsg back;
	int ret = kernel_apply(&s->kernel, from, to, diff, err);

	if (ret)
		return ret;
	ret = supervisor_steer(s, to, err);
	if (!ret && s->kernel.dp && !from)
		dataplane_diagnose(s->kernel.dp);
	if (!ret && s->kernel.dp)
		dataplane_diagnose_soon(s->kernel.dp);
	if (ret && from &&
	    (kernel_apply(&s->kernel, to, from, diff, &back) || supervisor_steer(s, from, &back)))
		log_error("steer.rollback", LOG_STR("error", back.text));
	return ret;
}
