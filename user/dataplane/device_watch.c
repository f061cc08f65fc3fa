/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "dataplane_state.h"
#include "device.h"
#include "device_watch.h"

/* A device is announced several times while it is made and brought up: attach once. */
#define SETTLE_MS 50
/* A program that somebody takes off is not announced: look. */
#define CHECK_MS 2000

struct device_watch {
	struct dataplane *dp;
	struct loop *loop;
	struct mnl_socket *nl;
	struct watch watch;
	struct timer timer;
	struct timer check;
};

static void attach_again(struct device *d, struct dataplane *dp)
{
	int err;

	if (d->state.attached && d->state.ifindex == if_nametoindex(d->state.name))
		return;
	err = device_attach(dp, d);
	if (!err)
		dataplane_diagnose_soon(dp);
	if (!err)
		log_info("device.attached", LOG_STR("device", d->state.name),
			 LOG_U64("ifindex", d->state.ifindex));
	else if (err != -ENODEV)
		log_warn("device.attach_failed", LOG_STR("device", d->state.name),
			 LOG_STR("error", d->state.error));
}

static void on_settled(struct timer *t)
{
	struct device_watch *w = container_of(t, struct device_watch, timer);
	size_t i;

	for (i = 0; i < w->dp->n_devices; i++)
		attach_again(&w->dp->devices[i], w->dp);
}

static void on_check(struct timer *t)
{
	struct device_watch *w = container_of(t, struct device_watch, check);

	for (size_t i = 0; i < w->dp->n_devices; i++) {
		struct device *d = &w->dp->devices[i];

		if (!device_lost(d))
			continue;
		log_warn("device.lost", LOG_STR("device", d->state.name),
			 LOG_STR("why", "something else took the program off; attaching again"));
		attach_again(d, w->dp);
	}
	if (w->dp->diagnose_checks && !--w->dp->diagnose_checks)
		dataplane_diagnose(w->dp);
	timer_start(w->loop, &w->check, CHECK_MS);
}

/* What happened does not matter, only that something did: the state is read again anyway. */
static void on_event(struct watch *watch, uint32_t events)
{
	struct device_watch *w = container_of(watch, struct device_watch, watch);
	char buf[8192];
	bool any = false;

	(void)events;
	while (mnl_socket_recvfrom(w->nl, buf, sizeof(buf)) >= 0 || errno == ENOBUFS)
		any = true;
	if (any && !timer_running(&w->timer))
		timer_start(w->loop, &w->timer, SETTLE_MS);
}

static int open_socket(struct device_watch *w)
{
	w->nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!w->nl || mnl_socket_bind(w->nl, RTMGRP_LINK, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	w->watch.fd = mnl_socket_get_fd(w->nl);
	w->watch.on_event = on_event;
	return loop_add(w->loop, &w->watch);
}

int device_watch_open(struct dataplane *dp, struct loop *loop, struct device_watch **ret)
{
	struct device_watch *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	w->dp = dp;
	w->loop = loop;
	w->timer.on_due = on_settled;
	w->check.on_due = on_check;
	err = open_socket(w);
	if (err) {
		if (w->nl)
			mnl_socket_close(w->nl);
		free(w);
		return err;
	}
	/* What appeared between dataplane_attach and here was not announced to us. */
	timer_start(loop, &w->timer, SETTLE_MS);
	timer_start(loop, &w->check, CHECK_MS);
	*ret = w;
	return 0;
}

void device_watch_close(struct device_watch *w)
{
	if (!w)
		return;
	timer_stop(&w->timer);
	timer_stop(&w->check);
	loop_del(w->loop, &w->watch);
	mnl_socket_close(w->nl);
	free(w);
}
