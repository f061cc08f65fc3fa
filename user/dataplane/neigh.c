/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "neigh.h"
#include "neigh_query.h"
#include "netlink.h"
#include "neigh_table.h"

#define TICK_MS		1000 /* ask again for what is not known */
#define SETTLE_MS	20   /* routes and links change in bursts */
#define SETTLE_PAUSE_MS 5
/*
 * A look takes up to 30 us. In one turn of the loop so many, so that others have theirs; of those that
 * fail so many a second; and all of them, however often routes change, not more than the fourth part
 * of the time.
 */
#define LOOKS_PER_TURN	 256
#define FAILING_PER_TICK 1024
#define WATCHES_PER_MS	 8
#define NUD_USABLE	 (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP)

struct neigh {
	struct loop *loop;
	struct mnl_socket *queries;
	struct mnl_socket *events;
	struct watch watch;
	struct timer tick;
	struct timer soon;   /* look at the queue */
	struct timer settle; /* look at all */
	void (*on_change)(const struct addr *a, const struct neigh_hop *hop, const char *why,
			  void *ctx);
	void *ctx;
	struct neigh_table table;
	uint32_t failing; /* at the last tick */
	/* The link that was asked for last: within one turn, most hops are over the same. */
	uint32_t link_ifindex; /* 0: none was */
	struct neigh_link link;
};

static int why_set(char why[96], int code, const char *format, const char *arg)
{
	snprintf(why, 96, format, arg);
	return code;
}

/* Which device and which neighbour. */
static int find_route(struct neigh *n, const struct hop_watch *w, struct neigh_route *ret,
		      char why[96])
{
	char text[ADDR_TEXT_MAX];
	uint32_t ifindex = 0;

	if (w->device[0]) {
		ifindex = if_nametoindex(w->device);
		if (!ifindex)
			return why_set(why, -ENODEV, "no device %s; make it, or leave out `device`",
				       w->device);
	}
	*ret = (struct neigh_route) { .ifindex = ifindex, .next = w->addr };
	if (ifindex && w->has_mac)
		return 0;
	addr_format(&w->addr, text);
	if (neigh_query_route(n->queries, &w->addr, ifindex, ret))
		return why_set(why, -ENETUNREACH, "no route to %.45s; add one (`ip route add`)",
			       text);
	if (ret->local)
		return why_set(why, -EADDRINUSE,
			       "%.45s is an address of this host; give the backend's", text);
	return 0;
}

static int why_link(char why[96], int code, const char *format, uint32_t ifindex)
{
	char name[IFNAMSIZ] = "?";

	if_indextoname(ifindex, name);
	return why_set(why, code, format, name);
}

static int find_link(struct neigh *n, uint32_t ifindex, struct neigh_hop *hop, char why[96])
{
	const struct neigh_link *link = &n->link;

	if (n->link_ifindex != ifindex) {
		n->link_ifindex = 0;
		if (neigh_query_link(n->queries, ifindex, &n->link))
			return why_link(why, -ENODEV, "device %s is gone; make it again", ifindex);
		n->link_ifindex = ifindex;
	}
	if (!link->up)
		return why_link(why, -ENETDOWN, "device %s is down; see `ip link show`", ifindex);
	if (!link->ethernet)
		return why_link(why, -EAFNOSUPPORT,
				"device %s has no hardware address; use another", ifindex);
	hop->ifindex = ifindex;
	hop->mtu = link->mtu;
	memcpy(hop->src_mac, link->mac, 6);
	return 0;
}

static bool confirm_due(const struct hop_watch *w, uint64_t now_ms)
{
	return now_ms - w->asked_ms >= NEIGH_CONFIRM_S * 1000;
}

static int find_neighbour(struct neigh *n, struct hop_watch *w, const struct neigh_route *route,
			  uint64_t now_ms, struct neigh_hop *hop, char why[96])
{
	char text[ADDR_TEXT_MAX];
	struct neigh_entry e;

	addr_format(&route->next, text);
	if (neigh_query_entry(n->queries, route->ifindex, &route->next, &e))
		e = (struct neigh_entry) { .state = NUD_NONE };
	if (e.state & NUD_USABLE) {
		memcpy(hop->dst_mac, e.mac, 6);
		hop->gateway = route->has_gateway;
		if ((e.state & NUD_STALE) && confirm_due(w, now_ms)) {
			w->asked_ms = now_ms;
			neigh_query_probe(n->queries, route->ifindex, &route->next);
		}
		return 0;
	}
	/* The kernel resolves by itself once asked: only ask again when it has given up. */
	if (!(e.state & NUD_INCOMPLETE)) {
		w->asked_ms = now_ms;
		neigh_query_probe(n->queries, route->ifindex, &route->next);
	}
	if (e.state & NUD_FAILED)
		return why_set(why, -EHOSTUNREACH,
			       "%.45s does not answer; start it, or give its `mac`", text);
	return why_set(why, -EAGAIN, "resolving %.45s", text);
}

static int resolve(struct neigh *n, struct hop_watch *w, uint64_t now_ms, struct neigh_hop *ret,
		   char why[96])
{
	struct neigh_route route;
	int err = find_route(n, w, &route, why);

	memset(ret, 0, sizeof(*ret));
	if (!err)
		err = find_link(n, route.ifindex, ret, why);
	if (err)
		return err;
	neigh_table_set_next(&n->table, w, route.ifindex, &route.next);
	ret->source = route.source;
	if (route.mtu && route.mtu < ret->mtu)
		ret->mtu = route.mtu;
	if (w->has_mac) {
		memcpy(ret->dst_mac, w->mac, 6);
		return 0;
	}
	return find_neighbour(n, w, &route, now_ms, ret, why);
}

static void report(struct neigh *n, struct hop_watch *w)
{
	const struct addr a = w->addr;

	n->on_change(&a, w->known ? &w->hop : NULL, w->known ? "" : w->why, n->ctx);
}

static bool same_hop(const struct neigh_hop *a, const struct neigh_hop *b)
{
	return a->ifindex == b->ifindex && a->mtu == b->mtu && a->gateway == b->gateway &&
	       memcmp(a->src_mac, b->src_mac, 6) == 0 && memcmp(a->dst_mac, b->dst_mac, 6) == 0 &&
	       addr_eq(&a->source, &b->source);
}

/* Look again and tell what changed. A known hop survives failures shorter than NEIGH_LOST_MS. */
static void look(struct neigh *n, struct hop_watch *w)
{
	uint64_t now_ms = clock_now_ns() / NS_PER_MS;
	struct neigh_hop hop;
	char why[96];
	int err;

	w->looked_ms = now_ms;
	err = resolve(n, w, now_ms, &hop, why);
	if (err == 0) {
		bool same = w->known && same_hop(&w->hop, &hop);

		w->failing_since_ms = 0;
		w->known = true;
		w->is_silent = false;
		w->hop = hop;
		w->why[0] = 0;
		if (!same)
			report(n, w);
		return;
	}
	if (!w->failing_since_ms)
		w->failing_since_ms = now_ms;
	if (w->known && now_ms - w->failing_since_ms < NEIGH_LOST_MS)
		return;
	/* Who did not answer is asked again: until he does, that is what there is to say. */
	if (!w->known && (strcmp(w->why, why) == 0 || (w->is_silent && err == -EAGAIN)))
		return;
	w->known = false;
	w->is_silent = err == -EHOSTUNREACH;
	memcpy(w->why, why, sizeof(w->why));
	report(n, w);
}

static void on_soon(struct timer *t)
{
	struct neigh *n = container_of(t, struct neigh, soon);
	struct hop_watch *w;
	int looks;

	n->link_ifindex = 0;
	for (looks = 0; looks < LOOKS_PER_TURN; looks++) {
		w = neigh_table_pop(&n->table);
		if (!w)
			return;
		look(n, w);
	}
	timer_start(n->loop, &n->soon, 0);
}

/* Those that did not answer yet; who did not, or has no route, is not waited for. */
static uint32_t look_at_unknown(struct neigh *n)
{
	uint32_t resolving = 0;

	n->link_ifindex = 0;
	for (uint32_t i = 0; i < n->table.n; i++) {
		struct hop_watch *w = &n->table.at[i];

		if (!w->used || w->known)
			continue;
		look(n, w);
		resolving += !w->known && strncmp(w->why, "resolving", 9) == 0;
	}
	return resolving;
}

void neigh_settle(struct neigh *n, uint32_t wait_ms)
{
	const uint64_t end_ns = clock_now_ns() + wait_ms * NS_PER_MS;
	const struct timespec pause = { .tv_nsec = SETTLE_PAUSE_MS * NS_PER_MS };

	while (look_at_unknown(n) && clock_now_ns() < end_ns)
		nanosleep(&pause, NULL);
}

static void look_soon(struct neigh *n, struct hop_watch *w)
{
	neigh_table_queue(&n->table, w);
	timer_start(n->loop, &n->soon, 0);
}

static void on_settled(struct timer *t)
{
	struct neigh *n = container_of(t, struct neigh, settle);
	uint32_t i;

	for (i = 0; i < n->table.n; i++) {
		if (n->table.at[i].used)
			neigh_table_queue(&n->table, &n->table.at[i]);
	}
	timer_start(n->loop, &n->soon, 0);
}

/* How long a watch waits for its next look while no event asks for one. */
static uint64_t rest_ms(const struct neigh *n, const struct hop_watch *w)
{
	if (w->known && !w->failing_since_ms)
		return NEIGH_CONFIRM_S * 1000;
	return (uint64_t)TICK_MS * (n->failing / FAILING_PER_TICK);
}

static void on_tick(struct timer *t)
{
	struct neigh *n = container_of(t, struct neigh, tick);
	uint64_t now_ms = clock_now_ns() / NS_PER_MS;
	uint32_t i, failing = 0;

	for (i = 0; i < n->table.n; i++) {
		struct hop_watch *w = &n->table.at[i];

		if (!w->used)
			continue;
		failing += !w->known || w->failing_since_ms;
		if (now_ms - w->looked_ms >= rest_ms(n, w))
			neigh_table_queue(&n->table, w);
	}
	n->failing = failing;
	timer_start(n->loop, &n->soon, 0);
	timer_start(n->loop, &n->tick, TICK_MS);
}

static void mark_all(struct neigh *n)
{
	if (!timer_running(&n->settle))
		timer_start(n->loop, &n->settle, SETTLE_MS + n->table.used / WATCHES_PER_MS);
}

static void mark_neighbour(struct neigh *n, const struct nlmsghdr *h)
{
	uint32_t ifindex;
	struct addr a;

	/* Others are of bridges, which know hardware addresses alone. */
	if (neigh_query_read_event(h, &ifindex, &a) == 0 &&
	    neigh_table_queue_next(&n->table, ifindex, &a))
		timer_start(n->loop, &n->soon, 0);
}

static int on_message(const struct nlmsghdr *h, void *ctx)
{
	struct neigh *n = ctx;

	if (h->nlmsg_type == RTM_NEWNEIGH || h->nlmsg_type == RTM_DELNEIGH)
		mark_neighbour(n, h);
	else
		mark_all(n);
	return MNL_CB_OK;
}

static void on_events(struct watch *watch, uint32_t events)
{
	struct neigh *n = container_of(watch, struct neigh, watch);
	char buf[16384];
	ssize_t len;

	(void)events;
	for (;;) {
		len = mnl_socket_recvfrom(n->events, buf, sizeof(buf));
		if (len >= 0)
			mnl_cb_run(buf, (size_t)len, 0, 0, on_message, n);
		else if (errno == ENOBUFS || errno == ENOSPC)
			mark_all(n); /* some were lost: what they said is read again */
		else if (errno != EINTR)
			return;
	}
}

static int open_events(struct neigh *n)
{
	n->events = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!n->events ||
	    mnl_socket_bind(n->events,
			    RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE,
			    MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	n->watch.fd = mnl_socket_get_fd(n->events);
	n->watch.on_event = on_events;
	return loop_add(n->loop, &n->watch);
}

int neigh_open(struct loop *l, uint32_t max,
	       void (*on_change)(const struct addr *a, const struct neigh_hop *hop, const char *why,
				 void *ctx),
	       void *ctx, struct neigh **ret)
{
	struct neigh *n = calloc(1, sizeof(*n));
	int err;

	if (!n)
		return -ENOMEM;
	n->loop = l;
	n->on_change = on_change;
	n->ctx = ctx;
	n->watch.fd = -1;
	n->tick.on_due = on_tick;
	n->soon.on_due = on_soon;
	n->settle.on_due = on_settled;
	err = neigh_table_open(&n->table, max);
	if (!err)
		err = netlink_open(NETLINK_ROUTE, &n->queries);
	if (!err)
		err = open_events(n);
	if (err) {
		if (n->queries)
			mnl_socket_close(n->queries);
		if (n->events)
			mnl_socket_close(n->events);
		neigh_table_clear(&n->table);
		free(n);
		return err;
	}
	timer_start(l, &n->tick, TICK_MS);
	*ret = n;
	return 0;
}

void neigh_close(struct neigh *n)
{
	if (!n)
		return;
	timer_stop(&n->tick);
	timer_stop(&n->soon);
	timer_stop(&n->settle);
	loop_del(n->loop, &n->watch);
	mnl_socket_close(n->events);
	mnl_socket_close(n->queries);
	neigh_table_clear(&n->table);
	free(n);
}

static bool same_watch(const struct hop_watch *w, const char *device, const uint8_t mac[6])
{
	if (strcmp(w->device, device ? device : "") != 0 || w->has_mac != (mac != NULL))
		return false;
	return !mac || memcmp(w->mac, mac, 6) == 0;
}

int neigh_watch(struct neigh *n, const struct addr *a, const char *device, const uint8_t mac[6],
		const struct neigh_hop *known)
{
	struct hop_watch *w = neigh_table_find(&n->table, a);
	int err;

	if (w && same_watch(w, device, mac))
		return 0;
	if (w) { /* the hop of before holds until the new way to it is known, or fails */
		w->why[0] = 0;
		w->failing_since_ms = 0;
		w->asked_ms = 0;
	} else {
		err = neigh_table_add(&n->table, a, &w);
		if (err)
			return err;
		w->known = known != NULL;
		if (known)
			w->hop = *known;
	}
	snprintf(w->device, sizeof(w->device), "%s", device ? device : "");
	w->has_mac = mac != NULL;
	if (mac)
		memcpy(w->mac, mac, 6);
	look_soon(n, w);
	return 0;
}

void neigh_unwatch(struct neigh *n, const struct addr *a)
{
	struct hop_watch *w = neigh_table_find(&n->table, a);

	if (w)
		neigh_table_remove(&n->table, w);
}

const struct neigh_hop *neigh_get(struct neigh *n, const struct addr *a, const char **ret_why)
{
	const struct hop_watch *w = neigh_table_find(&n->table, a);

	*ret_why = w && !w->known ? w->why : "";
	return w && w->known ? &w->hop : NULL;
}
