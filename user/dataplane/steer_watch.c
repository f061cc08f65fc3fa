/* SPDX-License-Identifier: BSD-2-Clause */
#include "steer_watch.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/log.h"
#include "steer_link.h"
#include "steer_query.h"

/* Routes that come and go are announced one by one: look once. */
#define SETTLE_MS 50
/* lo that goes down takes its routes without a word, and so does who detaches a link: look. */
#define CHECK_MS 2000

/* Ours in front, by prefix: there may be thousands, to be found each. */
static int by_owner(const void *x, const void *y)
{
	const struct steer_net *a = x, *b = y;

	if (a->ours != b->ours)
		return (int)b->ours - (int)a->ours;
	return memcmp(&a->prefix, &b->prefix, sizeof(a->prefix));
}

static bool has_ours(const struct steer_nets *local, const struct prefix *p)
{
	const struct steer_net key = { .prefix = *p, .ours = true };

	return local->n && bsearch(&key, local->net, local->n, sizeof(key), by_owner);
}

/* A local route of the host itself that has all of the prefix. */
static bool has_hosts(const struct steer_nets *local, const struct prefix *p)
{
	for (size_t i = local->n; i-- > 0 && !local->net[i].ours;) {
		const struct prefix *net = &local->net[i].prefix;

		if (net->len_bits && net->len_bits <= p->len_bits && prefix_contains(net, &p->addr))
			return true;
	}
	return false;
}

/* A network that the host talks to would be its own address from then on: its router, too. */
static const struct steer_net *find_cut_off(const struct steer_nets *connected,
					    const struct prefix *p)
{
	for (size_t i = 0; i < connected->n; i++) {
		const struct prefix *net = &connected->net[i].prefix;

		if (net->len_bits >= p->len_bits && prefix_contains(p, &net->addr))
			return &connected->net[i];
	}
	return NULL;
}

static void fail(struct steer_route *r, const char *text)
{
	char prefix[ADDR_TEXT_MAX];

	if (r->state != STEER_ROUTE_FAILED || strcmp(r->why, text) != 0)
		log_warn("steer.route_failed", LOG_STR("prefix", prefix_format(&r->prefix, prefix)),
			 LOG_STR("error", text));
	r->state = STEER_ROUTE_FAILED;
	snprintf(r->why, sizeof(r->why), "%s", text);
}

static void make(struct steer_watch *w, struct steer_route *r, const struct steer_nets *connected)
{
	const struct steer_net *net = find_cut_off(connected, &r->prefix);
	char text[160], net_text[ADDR_TEXT_MAX];
	int err = net ? 0 : steer_query_add(w->nl, &r->prefix);

	if (net) {
		snprintf(text, sizeof(text),
			 "%s of device %s is in it: this host could not talk to its neighbours "
			 "any more; steer parts of it",
			 prefix_format(&net->prefix, net_text), net->device);
		fail(r, text);
	} else if (err && err != -EEXIST) {
		snprintf(text, sizeof(text), "cannot add the local route: %s%s", strerror(-err),
			 err == -ENETDOWN ? " (`ip link set lo up`)" : "");
		fail(r, text);
	} else {
		if (r->state == STEER_ROUTE_MADE) {
			r->restored++;
			log_warn("steer.route_restored",
				 LOG_STR("prefix", prefix_format(&r->prefix, net_text)),
				 LOG_U64("times", r->restored));
		}
		r->state = STEER_ROUTE_MADE;
		r->why[0] = '\0';
	}
}

/* What is there is what counts; who wants what was decided by steer_watch_set. */
static int sync_routes(struct steer_watch *w)
{
	struct steer_nets local = { 0 }, connected = { 0 };
	int err = steer_query_local(w->nl, &local);

	if (local.n)
		qsort(local.net, local.n, sizeof(*local.net), by_owner);
	if (!err)
		err = steer_query_connected(w->nl, &connected);
	for (size_t i = 0; !err && i < w->n; i++) {
		struct steer_route *r = &w->route[i];

		if (r->state == STEER_ROUTE_NONE)
			continue;
		if (has_ours(&local, &r->prefix)) {
			r->state = STEER_ROUTE_MADE;
			r->why[0] = '\0';
		} else if (has_hosts(&local, &r->prefix)) {
			r->state = STEER_ROUTE_HOST;
			r->why[0] = '\0';
		} else {
			make(w, r, &connected);
		}
	}
	steer_nets_clear(&local);
	steer_nets_clear(&connected);
	return err;
}

static void look(struct steer_watch *w)
{
	int err = sync_routes(w);

	if (err && !w->failing)
		log_warn("steer.routes_unknown", LOG_STR("error", strerror(-err)));
	w->failing = err != 0;
}

static void on_settled(struct timer *t)
{
	look(container_of(t, struct steer_watch, settle));
}

static void on_check(struct timer *t)
{
	struct steer_watch *w = container_of(t, struct steer_watch, check);

	timer_start(w->loop, t, CHECK_MS);
	if (!w->n)
		return;
	if (!steer_link_is_on(w->dp)) {
		int err = steer_link_attach(w->dp);

		log_warn("steer.link_restored", LOG_STR("error", err ? strerror(-err) : ""));
	}
	look(w);
}

/* What happened does not matter, only that something did: the routes are read again anyway. */
static void on_event(struct watch *watch, uint32_t events)
{
	struct steer_watch *w = container_of(watch, struct steer_watch, watch);
	char buf[8192];
	bool any = false;

	(void)events;
	while (mnl_socket_recvfrom(w->news, buf, sizeof(buf)) >= 0 || errno == ENOBUFS)
		any = true;
	if (any && w->n && !timer_running(&w->settle))
		timer_start(w->loop, &w->settle, SETTLE_MS);
}

static int open_news(struct steer_watch *w)
{
	w->news = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!w->news ||
	    mnl_socket_bind(w->news, RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	w->watch.fd = mnl_socket_get_fd(w->news);
	w->watch.on_event = on_event;
	return loop_add(w->loop, &w->watch);
}

int steer_watch_open(struct steer_watch *w, struct dataplane *dp, struct loop *loop)
{
	int err;

	w->dp = dp;
	w->loop = loop;
	w->settle.on_due = on_settled;
	w->check.on_due = on_check;
	w->watch.fd = -1;
	err = steer_query_open(&w->nl);
	if (!err)
		err = open_news(w);
	if (!err)
		timer_start(loop, &w->check, CHECK_MS);
	return err;
}

void steer_watch_close(struct steer_watch *w)
{
	timer_stop(&w->settle);
	timer_stop(&w->check);
	if (w->watch.fd >= 0)
		loop_del(w->loop, &w->watch);
	if (w->news)
		mnl_socket_close(w->news);
	if (w->nl)
		mnl_socket_close(w->nl);
	free(w->route);
}

static const struct steer_route *find(const struct steer_watch *w, const struct prefix *p)
{
	for (size_t i = 0; i < w->n; i++)
		if (memcmp(&w->route[i].prefix, p, sizeof(*p)) == 0)
			return &w->route[i];
	return NULL;
}

int steer_watch_set(struct steer_watch *w, struct steer_route *route, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct steer_route *known = find(w, &route[i].prefix);

		if (known)
			route[i] = *known;
	}
	free(w->route);
	w->route = route;
	w->n = n;
	return n ? sync_routes(w) : 0;
}
