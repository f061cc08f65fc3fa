/* SPDX-License-Identifier: BSD-2-Clause */
/* One question to the kernel by netlink, and its answer. */
#pragma once

#include <libmnl/libmnl.h>

/*
 * A socket for questions: blocking, for a second at most.
 *   bus  NETLINK_ROUTE or NETLINK_GENERIC
 */
int netlink_open(int bus, struct mnl_socket **ret);
/*
 * Send, and hand what comes to fn: one answer, or with NLM_F_DUMP or NLM_F_ACK all of them. The caller's
 * number of the question does not count. 0, or the kernel's error.
 */
int netlink_ask(struct mnl_socket *nl, struct nlmsghdr *h, mnl_cb_t fn, void *ctx);
