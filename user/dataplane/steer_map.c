/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Records are replaced one by one, each as a whole. So that no connection ever meets a mixture: new and
 * changed ones from the longest prefix to the shortest, then those that go, from the shortest to the
 * longest. A listener's sockets are in their map before a rule names it.
 */
#include "steer_map.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "conf/steer_compile.h"
#include "dataplane_state.h"
#include "pin.h"
#include "steer_link.h"
#include "steer_listener.h"
#include "steer_query.h"
#include "steer_watch.h"

struct steer_map {
	struct steer_watch watch;
	struct steer_listeners listeners;
	bool attached;
};

/* What is in the trie. */
struct records {
	struct prefix *key;
	struct steer_prefix *value;
	size_t n;
};

static void clear_records(struct records *r)
{
	free(r->key);
	free(r->value);
}

static int read_records(int fd, struct records *ret)
{
	return pinned_map_read(fd, (void **)&ret->key, (void **)&ret->value, &ret->n);
}

static int open_state(struct dataplane *dp, struct loop *loop)
{
	struct steer_map *s;
	int err;

	if (dp->steer)
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->watch.watch.fd = -1;
	err = steer_listener_read(dp, &s->listeners);
	if (!err)
		err = steer_watch_open(&s->watch, dp, loop);
	dp->steer = s;
	if (err)
		steer_map_close(dp);
	return err;
}

void steer_map_close(struct dataplane *dp)
{
	if (!dp->steer)
		return;
	steer_watch_close(&dp->steer->watch);
	free(dp->steer);
	dp->steer = NULL;
}

/* From indices of the configuration to those of the map. */
static int put_listeners(struct dataplane *dp, const struct conf *conf,
			 const struct steer_sockets *sockets, struct steer_compiled *compiled,
			 struct errmsg *err)
{
	CLEANUP_FREE uint16_t *index = calloc(conf->n_listeners + 1, sizeof(*index));

	if (!index)
		return -ENOMEM;
	for (size_t i = 0; i < conf->n_listeners; i++) {
		const struct conf_listener *l = &conf->listeners[i];
		int e = 0;

		if (l->n_steer)
			e = steer_listener_put(dp, &dp->steer->listeners, l, sockets, &index[i]);

		if (e)
			return errmsg_set(err, e, "steer to listener %s: %s", l->name,
					  strerror(-e));
	}
	for (size_t i = 0; i < compiled->n; i++) {
		struct steer_prefix *r = &compiled->entry[i].record;

		for (uint32_t k = 0; k < r->n; k++)
			if (r->range[k].listener != STEER_NOBODY)
				r->range[k].listener = index[r->range[k].listener];
	}
	return 0;
}

static const struct steer_entry *find_entry(const struct steer_compiled *c, const struct prefix *p)
{
	for (size_t i = 0; i < c->n; i++)
		if (memcmp(&c->entry[i].prefix, p, sizeof(*p)) == 0)
			return &c->entry[i];
	return NULL;
}

static int by_length(const void *x, const void *y)
{
	const struct prefix *a = x, *b = y;

	return (a->len_bits > b->len_bits) - (a->len_bits < b->len_bits);
}

/* A record says that its route is ours for as long as the route may be there: what dies in between
 * is found by the next agent, or by detach. */
static int remove_records(struct dataplane *dp, struct records *old,
			  const struct steer_compiled *wanted)
{
	const int fd = pinned_map_fd(dp, "steer_prefixes");
	CLEANUP_FREE struct prefix *gone = calloc(old->n + 1, sizeof(*gone));
	size_t n = 0;

	if (!gone)
		return -ENOMEM;
	for (size_t i = 0; i < old->n; i++) {
		const struct steer_entry *e = find_entry(wanted, &old->key[i]);
		const bool route = old->value[i].flags & STEER_ROUTE;

		if (route && !(e && e->record.flags & STEER_ROUTE))
			steer_query_del(dp->steer->watch.nl, &old->key[i]);
		if (!e)
			gone[n++] = old->key[i];
	}
	qsort(gone, n, sizeof(*gone), by_length);
	for (size_t i = 0; i < n; i++)
		if (bpf_map_delete_elem(fd, &gone[i]) && errno != ENOENT)
			return -errno;
	return 0;
}

/* Behind one another are a prefix and those inside it: the other way round it is the longest first. */
static int put_records(struct dataplane *dp, const struct steer_compiled *c)
{
	const int fd = pinned_map_fd(dp, "steer_prefixes");

	for (size_t i = c->n; i-- > 0;)
		if (bpf_map_update_elem(fd, &c->entry[i].prefix, &c->entry[i].record, BPF_ANY))
			return -errno;
	return 0;
}

static int watch_routes(struct dataplane *dp, const struct steer_compiled *c)
{
	struct steer_route *route = calloc(c->n + 1, sizeof(*route));
	size_t n = 0;

	if (!route)
		return -ENOMEM;
	for (size_t i = 0; i < c->n; i++) {
		const bool all = steer_compile_is_all(&c->entry[i].prefix);

		if (!all && !(c->entry[i].record.flags & STEER_ROUTE))
			continue; /* the place of a socket inside of what is steered */
		if (all && !c->entry[i].record.n)
			continue;
		route[n++] = (struct steer_route) {
			.prefix = c->entry[i].prefix,
			.state = all ? STEER_ROUTE_NONE : STEER_ROUTE_HOST,
		};
	}
	return steer_watch_set(&dp->steer->watch, route, n);
}

static int put_link(struct dataplane *dp, bool wanted)
{
	int err = wanted ? steer_link_attach(dp) : 0;

	if (!wanted)
		steer_link_detach(dp->dir_fd);
	dp->steer->attached = wanted && !err;
	if (err) {
		snprintf(dp->steer_why, sizeof(dp->steer_why),
			 "sk_lookup cannot be attached to this network namespace: %s",
			 strerror(-err));
		log_warn("steer.absent", LOG_STR("error", dp->steer_why));
	}
	return 0;
}

static void no_fault(const struct steer_fault *fault, void *ctx)
{
	(void)fault, (void)ctx; /* conf_check has reported them */
}

static int apply(struct dataplane *dp, const struct conf *conf, const struct steer_sockets *sockets,
		 struct steer_compiled *compiled, struct errmsg *err)
{
	CLEANUP(clear_records) struct records old = { 0 };
	int e = read_records(pinned_map_fd(dp, "steer_prefixes"), &old);

	if (!e)
		e = put_listeners(dp, conf, sockets, compiled, err);
	if (!e)
		e = put_records(dp, compiled);
	if (!e)
		e = put_link(dp, compiled->n > 0);
	if (!e)
		e = remove_records(dp, &old, compiled);
	if (!e)
		e = watch_routes(dp, compiled);
	if (!e)
		steer_listener_free_others(dp, &dp->steer->listeners, conf);
	return e;
}

int steer_map_apply(struct dataplane *dp, struct loop *loop, const struct conf *conf,
		    const struct steer_sockets *sockets, struct errmsg *err)
{
	struct steer_compiled compiled = { 0 };
	int e;

	if (dp->sk_lookup.fd < 0)
		return 0;
	err->text[0] = '\0';
	e = open_state(dp, loop);
	if (!e)
		e = steer_compile(conf, &compiled, no_fault, NULL);
	if (!e)
		e = apply(dp, conf, sockets, &compiled, err);
	if (!e && dp->steer_waits) {
		e = steer_link_flip(dp, dp->sk_lookup.fd, err);
		dp->steer_waits = e != 0;
	}
	steer_compiled_clear(&compiled);
	if (e && !err->text[0])
		errmsg_set(err, e, "steer: %s", strerror(-e));
	return e;
}

static void close_query(struct mnl_socket **nl)
{
	if (*nl)
		mnl_socket_close(*nl);
}

int steer_map_remove_routes(int dir_fd, bool remove, size_t *ret_n)
{
	CLEANUP(clear_records) struct records old = { 0 };
	CLEANUP(close_query) struct mnl_socket *nl = NULL;
	CLEANUP_FD int fd = pin_get(dir_fd, "steer_prefixes");
	struct map_shape shape;
	size_t n = 0;
	int err = 0;

	*ret_n = 0;
	/* what is pinned there may be anybody's */
	if (fd < 0 || pinned_map_shape(fd, &shape) || shape.type != BPF_MAP_TYPE_LPM_TRIE ||
	    shape.key_bytes != sizeof(*old.key) || shape.value_bytes != sizeof(*old.value))
		return 0;
	err = read_records(fd, &old);
	if (!err && remove)
		err = steer_query_open(&nl);
	for (size_t i = 0; i < old.n && !err; i++) {
		if (!(old.value[i].flags & STEER_ROUTE))
			continue;
		n++;
		err = remove ? steer_query_del(nl, &old.key[i]) : 0;
		err = err == -ESRCH ? 0 : err; /* not needed, or gone already */
	}
	*ret_n = n;
	return err;
}

const char *steer_map_why(const struct dataplane *dp)
{
	return dp->steer_why;
}

bool steer_map_is_attached(const struct dataplane *dp)
{
	return dp->steer && dp->steer->attached;
}

int steer_map_stats(struct dataplane *dp, const char *listener, struct stats_steer *ret)
{
	int index =
		dp->steer && *listener ? steer_listener_find(&dp->steer->listeners, listener) : -1;

	if (index < 0)
		return -ENOENT;
	return pinned_map_sum(pinned_map_fd(dp, "stats_steer"), &index, sizeof(*ret),
			      (uint64_t *)ret);
}

uint32_t steer_map_used(const struct dataplane *dp)
{
	uint32_t n = 0;

	for (int i = 0; dp->steer && i < STEER_LISTENERS_MAX; i++)
		n += dp->steer->listeners.record[i].name[0] != '\0';
	return n;
}

uint32_t steer_map_sockets(const struct dataplane *dp)
{
	uint32_t n = 0;

	for (int i = 0; dp->steer && i < STEER_LISTENERS_MAX; i++)
		n += dp->steer->listeners.record[i].slots;
	return n;
}

size_t steer_map_routes(const struct dataplane *dp, const struct steer_route **ret)
{
	*ret = dp->steer ? dp->steer->watch.route : NULL;
	return dp->steer ? dp->steer->watch.n : 0;
}

const char *steer_map_state(enum steer_route_state state)
{
	static const char *const names[] = { "none", "host", "made", "failed" };

	return names[state];
}
