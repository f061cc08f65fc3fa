/* SPDX-License-Identifier: BSD-2-Clause */
#include "netlink.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/time.h>

#define ANSWER_BYTES 32768 /* the kernel fills up to this much of a dump at a time */

int netlink_open(int bus, struct mnl_socket **ret)
{
	/* Only against a kernel that answers nothing: the loop must not hang. */
	struct timeval limit = { .tv_sec = 1 };
	struct mnl_socket *nl = mnl_socket_open2(bus, SOCK_CLOEXEC);
	int err;

	if (!nl)
		return -errno;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    setsockopt(mnl_socket_get_fd(nl), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit))) {
		err = -errno;
		mnl_socket_close(nl);
		return err;
	}
	*ret = nl;
	return 0;
}

int netlink_ask(struct mnl_socket *nl, struct nlmsghdr *h, mnl_cb_t fn, void *ctx)
{
	static unsigned int seq;
	const bool to_end = h->nlmsg_flags & (NLM_F_DUMP | NLM_F_ACK);
	char buf[ANSWER_BYTES];

	h->nlmsg_seq = ++seq;
	if (mnl_socket_sendto(nl, h, h->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		ssize_t n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		int run;

		if (n < 0)
			return -errno;
		/* The late answer to a question that timed out has another number. */
		if (((const struct nlmsghdr *)(const void *)buf)->nlmsg_seq != seq)
			continue;
		run = mnl_cb_run(buf, (size_t)n, seq, mnl_socket_get_portid(nl), fn, ctx);
		if (run < 0)
			return -errno;
		if (run == MNL_CB_STOP || !to_end)
			return 0;
	}
}
