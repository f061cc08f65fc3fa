/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metric.h"
#include "conn.h"
#include "listener.h"
#include "net/sock.h"
#include "snapshot.h"

#define ACCEPT_PER_TURN	    64
#define ACCEPT_PAUSE_MIN_MS 100 /* until descriptors may be free again: EMFILE makes no event */
#define ACCEPT_PAUSE_MAX_MS 3200

enum accept_fault {
	ACCEPT_FAULT_CONN,    /* of that one connection */
	ACCEPT_FAULT_PASSING, /* of the host or process: no memory, no descriptor */
	ACCEPT_FAULT_SOCKET,  /* it will never accept again */
};

/* accept(2); what is in no list is taken for the connection's: Linux passes its errors on. */
static enum accept_fault judge_fault(int err)
{
	switch (err) {
	case -EMFILE:
	case -ENFILE:
	case -ENOBUFS:
	case -ENOMEM:
		return ACCEPT_FAULT_PASSING;
	case -EBADF:
	case -EINVAL:
	case -ENOTSOCK:
	case -EFAULT:
		return ACCEPT_FAULT_SOCKET;
	default:
		return ACCEPT_FAULT_CONN;
	}
}

/* Longer each time; the line comes once until something was accepted. */
static void accept_pause(struct listener_socket *s, int err)
{
	metric_add(METRIC_ACCEPT_PAUSES, 1);
	if (!s->pause_ms)
		log_warn("listener.paused", LOG_STR("listener", s->listener->name),
			 LOG_STR("error", strerror(-err)));
	s->pause_ms = s->pause_ms ? s->pause_ms * 2 : ACCEPT_PAUSE_MIN_MS;
	if (s->pause_ms > ACCEPT_PAUSE_MAX_MS)
		s->pause_ms = ACCEPT_PAUSE_MAX_MS;
	timer_start(s->listener->gateway->env.loop, &s->pause, s->pause_ms);
}

/*
 * The socket stays the listener's, for a reload asks for one only where the address changed; its
 * connections go on.
 */
static void accept_stop(struct listener_socket *s, int err)
{
	metric_add(METRIC_ACCEPT_STOPS, 1);
	log_error("listener.stopped", LOG_STR("listener", s->listener->name),
		  LOG_STR("error", strerror(-err)));
	s->stopped = true;
	loop_undefer(&s->more);
	loop_del(s->listener->gateway->env.loop, &s->watch);
}

static void accept_resumed(struct listener_socket *s)
{
	if (!s->pause_ms)
		return;
	s->pause_ms = 0;
	log_info("listener.resumed", LOG_STR("listener", s->listener->name));
}

/* false: not before a timer, or never. */
static bool take_fault(struct listener_socket *s, int err)
{
	switch (judge_fault(err)) {
	case ACCEPT_FAULT_PASSING:
		accept_pause(s, err);
		return false;
	case ACCEPT_FAULT_SOCKET:
		accept_stop(s, err);
		return false;
	case ACCEPT_FAULT_CONN:
		break;
	}
	return true;
}

/* What comes waits in the queue of the socket, until it is full, and is not answered then. */
static bool is_overloaded(struct listener_socket *s)
{
	struct gateway *g = s->listener->gateway;

	if (g->overload.level < OVERLOAD_ACCEPT)
		return false;
	metric_add(METRIC_OVERLOAD_PAUSES, 1);
	timer_start(g->env.loop, &s->pause, OVERLOAD_TICK_MS);
	return true;
}

static void accept_some(struct listener_socket *s)
{
	const struct gateway_env *env = &s->listener->gateway->env;
	struct addr peer;
	uint16_t port;
	int fd = 0, accepted = 0;

	if (is_overloaded(s))
		return;
	for (int i = 0; i < ACCEPT_PER_TURN; i++) {
		fd = sock_accept(s->watch.fd, &peer, &port);
		if (fd == -EAGAIN)
			return;
		if (fd < 0 && !take_fault(s, fd))
			return;
		if (fd < 0)
			continue;
		accepted++;
		accept_resumed(s);
		if (env->on_peer)
			env->on_peer(&peer, env->ctx);
		conn_accept(s->listener, fd, &peer, port);
	}
	if (accepted)
		loop_defer(s->listener->gateway->env.loop, &s->more);
	else
		accept_pause(s, fd); /* an error that takes no connection off would spin */
}

static void on_event(struct watch *w, uint32_t events)
{
	struct listener_socket *s = container_of(w, struct listener_socket, watch);

	(void)events;
	if (!timer_running(&s->pause) && !s->stopped)
		accept_some(s);
}

static void on_more(struct deferred *d)
{
	accept_some(container_of(d, struct listener_socket, more));
}

static void on_pause_over(struct timer *t)
{
	accept_some(container_of(t, struct listener_socket, pause));
}

static int socket_new(struct listener *l, int fd, struct listener_socket **ret)
{
	struct listener_socket *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->watch = (struct watch) { .fd = fd, .on_event = on_event };
	s->listener = l;
	s->more.run = on_more;
	s->pause.on_due = on_pause_over;
	err = loop_add(l->gateway->env.loop, &s->watch);
	if (err) {
		free(s);
		return err;
	}
	*ret = s;
	return 0;
}

/* The descriptor stays open. */
static void socket_free(struct listener_socket *s)
{
	loop_undefer(&s->more);
	timer_stop(&s->pause);
	if (!s->stopped)
		loop_del(s->listener->gateway->env.loop, &s->watch);
	free(s);
}

void listener_close(struct listener *l)
{
	struct listener_socket *s = l->socket;
	int fd;

	if (!s)
		return;
	fd = s->watch.fd;
	l->socket = NULL;
	socket_free(s);
	close(fd);
}

void listener_unref(struct listener *l)
{
	if (--l->refs)
		return;
	listener_close(l);
	if (l->last)
		snapshot_unref(l->last);
	free(l->name);
	free(l);
}

void listener_settle(struct listener *l)
{
	if (!l->last || l->n_conns != l->n_tunnels)
		return;
	snapshot_unref(l->last);
	l->last = NULL;
}

static struct listener *find(const struct gateway *g, const char *name)
{
	for (struct listener *l = g->listeners; l; l = l->next) {
		if (strcmp(l->name, name) == 0)
			return l;
	}
	return NULL;
}

static struct listener *listener_new(struct gateway *g, const char *name)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->gateway = g;
	l->refs = 1;
	l->name = strdup(name);
	if (!l->name) {
		free(l);
		return NULL;
	}
	return l;
}

static int prepare_one(struct gateway *g, const struct conf_listener *conf, int fd,
		       struct listener_plan *plan, size_t i, struct errmsg *err)
{
	int code;

	plan->listener[i] = find(g, conf->name);
	if (!plan->listener[i]) {
		plan->listener[i] = listener_new(g, conf->name);
		plan->fresh[i] = true;
		if (!plan->listener[i])
			return errmsg_set(err, -ENOMEM, "no memory for listeners");
	}
	if (fd < 0 && !plan->listener[i]->socket && !g->draining)
		return errmsg_set(err, -EINVAL, "listener \"%s\" came without a socket",
				  conf->name);
	if (fd < 0)
		return 0;
	code = socket_new(plan->listener[i], fd, &plan->socket[i]);
	if (code)
		return errmsg_set(err, code, "listener \"%s\": %s", conf->name, strerror(-code));
	return 0;
}

int listeners_prepare(struct gateway *g, const struct gateway_revision *r,
		      struct listener_plan *ret, struct errmsg *err)
{
	size_t n = r->conf->n_listeners;
	int code = 0;

	*ret = (struct listener_plan) {
		.n = n,
		.listener = calloc(n + 1, sizeof(struct listener *)),
		.socket = calloc(n + 1, sizeof(struct listener_socket *)),
		.fresh = calloc(n + 1, sizeof(bool)),
	};
	if (!ret->listener || !ret->socket || !ret->fresh)
		code = errmsg_set(err, -ENOMEM, "no memory for listeners");
	for (size_t i = 0; i < n && !code; i++)
		code = prepare_one(g, &r->conf->listeners[i], r->listen_fds[i], ret, i, err);
	if (code)
		listeners_discard(g, ret);
	return code;
}

static void plan_clear(struct listener_plan *plan)
{
	free(plan->listener);
	free(plan->socket);
	free(plan->fresh);
}

void listeners_discard(struct gateway *g, struct listener_plan *plan)
{
	(void)g;
	for (size_t i = 0; plan->socket && i < plan->n; i++) {
		if (plan->socket[i])
			socket_free(plan->socket[i]);
	}
	for (size_t i = 0; plan->listener && plan->fresh && i < plan->n; i++) {
		if (plan->fresh[i] && plan->listener[i])
			listener_unref(plan->listener[i]);
	}
	plan_clear(plan);
}

/* The values of a listener; texts belong to the revision and would not outlive it. */
static void take_values(struct listener *l, const struct conf_listener *conf, uint32_t index)
{
	l->conf = *conf;
	l->conf.name = NULL;
	l->conf.certificates = NULL;
	l->conf.tls = (struct conf_tls) { 0 };
	l->conf.client_auth.ca = l->conf.client_auth.crl = NULL;
	l->conf.proxy_protocol.from = NULL; /* who is trusted the current snapshot says */
	l->conf.steer = NULL;		    /* how many there are is looked at */
	l->index = index;
}

static bool is_planned(const struct listener_plan *plan, const struct listener *l)
{
	for (size_t i = 0; i < plan->n; i++) {
		if (plan->listener[i] == l)
			return true;
	}
	return false;
}

static void drop_others(struct gateway *g, const struct listener_plan *plan)
{
	struct listener **at = &g->listeners, *l;

	while ((l = *at)) {
		if (is_planned(plan, l)) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		l->removed = true;
		/* Its place among the listeners is another's in the snapshot to come. */
		l->last = g->current ? snapshot_ref(g->current) : NULL;
		listener_close(l);
		conn_close_idle(g, l);
		listener_settle(l);
		listener_unref(l);
	}
}

void listeners_commit(struct gateway *g, const struct conf *conf, struct listener_plan *plan)
{
	drop_others(g, plan);
	for (size_t i = 0; i < plan->n; i++) {
		struct listener *l = plan->listener[i];

		take_values(l, &conf->listeners[i], (uint32_t)i);
		if (plan->fresh[i]) {
			l->next = g->listeners;
			g->listeners = l;
		}
		if (!plan->socket[i])
			continue;
		listener_close(l);
		l->socket = plan->socket[i];
		if (g->draining)
			listener_close(l);
	}
	plan_clear(plan);
}
