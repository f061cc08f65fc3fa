/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The supervisor's end of its socket to the monitor. Requests wait for their answer, which the monitor
 * gives at once; what it tells by itself meanwhile is queued and delivered on the loop.
 */
#pragma once

#include "../base/errmsg.h"
#include "../event/loop.h"
#include "../net/ipc.h"
#include "message.h"

#define MONITOR_LINK_QUEUE_MAX 256

struct monitor_link {
	struct watch watch;
	struct deferred deferred;
	struct loop *loop;
	/* r and fds (owned by the callee) of MONITOR_KEPT … MONITOR_RELOAD; type 0: the monitor is
	 * gone. */
	void (*on_message)(struct monitor_link *l, uint32_t type, const struct monitor_request *r,
			   const int *fds, size_t n);
	struct ipc_msg *queue[MONITOR_LINK_QUEUE_MAX];
	size_t n_queued;
};

int monitor_link_open(struct monitor_link *l, struct loop *loop, int fd,
		      void (*on_message)(struct monitor_link *, uint32_t,
					 const struct monitor_request *, const int *, size_t));
/* Before the loop runs: deliver up to and with a message of this type. Negative errno. */
int monitor_link_wait(struct monitor_link *l, uint32_t type);

/*
 * One request. *r becomes the answer; fds it carried are written to ret_fds (IPC_FDS_MAX, owned by
 * the caller), how many to *ret_n; both may be NULL where none are expected. The answer's status.
 */
int monitor_link_ask(struct monitor_link *l, uint32_t type, struct monitor_request *r, int fd,
		     int *ret_fds, size_t *ret_n);

/* A libxdp_way through the monitor; ctx is the struct monitor_link. */
int monitor_link_libxdp(struct libxdp_request *request, struct errmsg *err, void *ctx);
