/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks across the settings of the gateway. */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "../base/addr.h"
#include "../base/cleanup.h"
#include "conf_check.h"
#include "conf_errors.h"
#include "sluice/abi/verdict.h"
#include "vip_place.h"

/* One place to listen at; sockets are IPV6_V6ONLY, so the families do not meet. */
struct bound {
	const struct addr *address;
	uint16_t port;
	struct conf_node *node;
};

/*
 * A vip takes its packets in XDP, long before a socket. What a vip of more than one address or port
 * has of it, the listener keeps (vip_compile.h).
 */
static void check_vip_bound(const struct conf *conf, struct conf_node *root, struct bound *bound,
			    struct conf_errors *errors)
{
	struct conf_node *list = conf_node_get(root, "vips");
	char path[128];

	for (size_t i = 0; i < conf->n_vips; i++) {
		struct conf_node *vip = conf_node_item(list, i);

		if (conf->vips[i].protocol != IPPROTO_TCP || conf->vips[i].port != bound->port ||
		    vip_place_is_wide(&conf->vips[i]) || !conf_node_get(vip, "address") ||
		    conf_node_is_bad(vip, "address") ||
		    !addr_eq(&conf->vips[i].address, bound->address))
			continue;
		conf_node_path(vip, path, sizeof(path));
		conf_node_fail(errors, bound->node,
			       "%s has this address and port: the kernel would take every "
			       "connection; choose another",
			       path);
		return;
	}
}

static bool overlap(const struct bound *a, const struct bound *b)
{
	if (a->port != b->port || addr_is_v4(a->address) != addr_is_v4(b->address))
		return false;
	return conf_check_is_any(a->address) || conf_check_is_any(b->address) ||
	       addr_eq(a->address, b->address);
}

/* Rows hold at most 1024 listeners: comparing them all is cheap. */
static int check_bound(const struct conf *conf, struct conf_node *root, struct conf_arena *scratch,
		       struct conf_errors *errors)
{
	struct conf_node *list = conf_node_get(root, "listeners");
	struct bound *bound = conf_arena_alloc(scratch, conf->n_listeners + 1, sizeof(*bound));
	size_t n = 0;
	char path[128];

	if (!bound)
		return -ENOMEM;
	bound[n++] = (struct bound) { &conf->agent.internal_address, conf->agent.internal_port,
				      conf_node_get(conf_node_get(root, "agent"), "internal") };
	for (size_t i = 0; i < conf->n_listeners; i++) {
		struct conf_node *node = conf_node_item(list, i);

		if (!conf_node_get(node, "address") || conf_node_get(node, "address")->bad ||
		    !conf->listeners[i].port)
			continue;
		bound[n] = (struct bound) { &conf->listeners[i].address, conf->listeners[i].port,
					    conf_node_get(node, "address") };
		for (size_t j = 0; j < n; j++) {
			if (!overlap(&bound[j], &bound[n]))
				continue;
			if (bound[j].node)
				conf_node_path(bound[j].node, path, sizeof(path));
			conf_node_fail(errors, bound[n].node,
				       "port %u is taken by %s; choose another address or port",
				       bound[n].port, bound[j].node ? path : "agent.internal");
			break;
		}
		if (!bound[n].node->bad)
			check_vip_bound(conf, root, &bound[n], errors);
		n++;
	}
	return 0;
}

/* What is asked of clients by TLS, which there has to be. */
static void check_tls(const struct conf_listener *l, struct conf_node *node,
		      struct conf_errors *errors)
{
	struct conf_node *auth = conf_node_get(node, "client_auth");
	struct conf_node *tls = conf_node_get(node, "tls");

	if (l->tls.min_version > l->tls.max_version && !conf_node_is_bad(tls, "min_version") &&
	    !conf_node_is_bad(tls, "max_version"))
		conf_node_fail(errors, conf_node_or(tls, "min_version"),
			       "min_version is newer than max_version");
	if (l->client_auth.mode == CONF_CLIENT_AUTH_OFF)
		return;
	if (!l->n_certificates && !conf_node_is_bad(node, "certificates"))
		conf_node_fail(errors, conf_node_or(auth, "mode"),
			       "the listener has no certificates: it speaks no TLS");
	if (!l->client_auth.ca && !conf_node_is_bad(auth, "ca"))
		conf_node_fail(errors, conf_node_or(auth, "mode"),
			       "needs ca: the authorities that sign the certificates of clients");
}

static void check_listeners(const struct conf *conf, struct conf_node *root,
			    struct conf_errors *errors)
{
	struct conf_node *list = conf_node_get(root, "listeners");

	for (size_t i = 0; i < conf->n_listeners; i++) {
		const struct conf_listener *listener = &conf->listeners[i];
		struct conf_node *node = conf_node_item(list, i);

		check_tls(listener, node, errors);
		if (listener->max_uri_bytes > listener->max_header_bytes &&
		    !conf_node_is_bad(node, "max_uri_bytes") &&
		    !conf_node_is_bad(node, "max_header_bytes"))
			conf_node_fail(errors, conf_node_or(node, "max_uri_bytes"),
				       "max_uri_bytes is more than max_header_bytes, which holds "
				       "the target too");
	}
}

static void check_routes(const struct conf *conf, struct conf_node *root,
			 struct conf_errors *errors)
{
	struct conf_node *list = conf_node_get(root, "routes");

	for (size_t i = 0; i < conf->n_routes; i++) {
		const struct conf_policies *policies = &conf->routes[i].policies;
		struct conf_node *node = conf_node_get(conf_node_item(list, i), "policies");
		struct conf_node *key = conf_node_get(node, "api_key");

		if (policies->n_plans && !policies->api_key_header && !(key && key->bad))
			conf_node_fail(errors, conf_node_or(node, "authorise"),
				       "nobody has a plan unless api_key says who he is; add "
				       "api_key");
		/* off by default without a key: this one was written */
		if (policies->limit != CONF_OFF && !policies->api_key_header && !(key && key->bad))
			conf_node_fail(errors, conf_node_or(node, "limit"),
				       "limits are a consumer's, and nobody is known without "
				       "api_key; add api_key");
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Append a list as a set: its order does not matter, and none means what stands for all. */
static int add_set(char *const *texts, size_t n, const char *all, struct conf_arena *scratch,
		   struct buf *key)
{
	const char **sorted = conf_arena_alloc(scratch, n + 1, sizeof(*sorted));
	int err = sorted ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && !err; i++) {
		sorted[i] = texts[i];
		if (!texts[i]) /* could not be read: like no other */
			return -ENOENT;
	}
	if (!err && n)
		qsort(sorted, n, sizeof(*sorted), by_text);
	for (size_t i = 0; i < n && !err; i++) {
		if (!i || strcmp(sorted[i], sorted[i - 1]) != 0)
			err = buf_add(key, sorted[i], strlen(sorted[i]) + 1);
	}
	if (!err && !n)
		err = buf_add(key, all, strlen(all) + 1);
	return err ? err : buf_add(key, "", 1);
}

/* What a route matches, as bytes to compare; the empty text is what no name, host or path is. */
static int route_key(const struct conf_route *route, struct conf_arena *scratch,
		     struct conf_unique *ret)
{
	CLEANUP(buf_clear) struct buf key;
	char *copy;
	int err;

	buf_init(&key, CONF_FILE_MAX_BYTES);
	err = add_set(route->hosts, route->n_hosts, "*", scratch, &key);
	if (!err)
		err = add_set(route->paths, route->n_paths, "/", scratch, &key);
	if (!err)
		err = add_set(route->listeners, route->n_listeners, "*", scratch, &key);
	if (err)
		return err == -ENOENT ? 0 : -ENOMEM;
	copy = conf_arena_alloc(scratch, buf_len(&key), 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, buf_head(&key), buf_len(&key));
	ret->key = copy;
	ret->key_bytes = buf_len(&key);
	return 0;
}

/* Of two that match the same the first in the file wins always. */
static int check_same_routes(const struct conf *conf, struct conf_node *root,
			     struct conf_arena *scratch, struct conf_errors *errors)
{
	struct conf_node *list = conf_node_get(root, "routes");
	struct conf_unique *entries = conf_arena_alloc(scratch, conf->n_routes, sizeof(*entries));
	size_t n = 0;

	if (!entries)
		return -ENOMEM;
	for (size_t i = 0; i < conf->n_routes; i++) {
		struct conf_node *node = conf_node_item(list, i);

		if (conf_node_is_bad(node, "hosts") || conf_node_is_bad(node, "paths") ||
		    conf_node_is_bad(node, "listeners"))
			continue;
		entries[n] = (struct conf_unique) { .node = conf_node_or(node, "name") };
		if (route_key(&conf->routes[i], scratch, &entries[n]))
			return -ENOMEM;
		n += entries[n].key != NULL;
	}
	conf_check_unique(entries, n,
			  "is never reached: the same hosts, paths and listeners are those of",
			  errors);
	return 0;
}

/* Limits of plans are spent one request at a time: only the burst bounds how slow they may be. */
static void check_plan(const struct conf_plan *plan, struct conf_node *node,
		       struct conf_errors *errors)
{
	struct conf_node *list = conf_node_get(node, "limits");

	for (size_t i = 0; i < plan->n_limits; i++) {
		struct conf_node *limit = conf_node_item(list, i);
		struct gcra_rate compiled;

		if (conf_node_is_bad(limit, "rate") || conf_node_is_bad(limit, "burst") ||
		    !plan->limits[i].rate.count)
			continue;
		if (conf_rate_compile(&plan->limits[i].rate, &compiled))
			conf_node_fail(errors, conf_node_or(limit, "burst"),
				       "the bucket would take over 52 days to refill; lower the "
				       "burst or raise the rate");
	}
}

static void check_meters(const struct conf *conf, struct conf_node *root,
			 struct conf_errors *errors)
{
	uint64_t meters = 0;

	for (size_t i = 0; i < conf->n_consumers; i++) {
		const char *name = conf->consumers[i].plan;
		const struct conf_plan *plan = name ? conf_plan(conf, name) : NULL;

		meters += plan ? plan->n_limits : 0;
	}
	if (meters > conf->dataplane.max_meters - 1) /* word 0 belongs to nobody */
		conf_node_fail(errors, conf_node_get(root, "consumers"),
			       "need %" PRIu64
			       " meters; dataplane.max_meters is %u and has to be more",
			       meters, conf->dataplane.max_meters);
}

/* keys and keys_sha256 fill one list, in the order of their rows. */
static int check_keys(const struct conf *conf, struct conf_node *root, struct conf_arena *scratch,
		      struct conf_errors *errors)
{
	struct conf_node *list = conf_node_get(root, "consumers");
	struct conf_unique *entries;
	size_t n = 0;

	for (size_t i = 0; i < conf->n_consumers; i++)
		n += conf->consumers[i].n_keys;
	entries = conf_arena_alloc(scratch, n, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < conf->n_consumers; i++) {
		const struct conf_consumer *consumer = &conf->consumers[i];
		struct conf_node *node = conf_node_item(list, i);
		struct conf_node *clear = conf_node_get(node, "keys");
		struct conf_node *hashed = conf_node_get(node, "keys_sha256");
		size_t n_clear = clear && clear->kind == CONF_LIST && !clear->bad ? clear->n : 0;

		for (size_t j = 0; j < consumer->n_keys; j++)
			entries[n++] = (struct conf_unique) {
				consumer->keys_sha256[j], sizeof(consumer->keys_sha256[j]),
				j < n_clear ? conf_node_item(clear, j)
					    : conf_node_item(hashed, j - n_clear)
			};
	}
	conf_check_unique(entries, n, "a key belongs to one consumer; this one is also", errors);
	return 0;
}

/* A source that goes on must not be better off for it. Zero: a setting that could not be read. */
static void check_step(const struct conf_pushdown_step *last, const struct conf_pushdown_step *step,
		       struct conf_node *node, struct conf_errors *errors)
{
	if (last->action == VERDICT_DROP && step->action == VERDICT_DROP_NEW)
		conf_node_fail(errors, conf_node_or(node, "action"),
			       "drop_new is weaker than drop of the step before; write drop");
	if (last->ttl_ms && step->ttl_ms && step->ttl_ms < last->ttl_ms)
		conf_node_fail(errors, conf_node_or(node, "ttl"),
			       "shorter than the step before (%" PRIu64 " ms); write at least that",
			       last->ttl_ms);
}

static void check_pushdown(const struct conf *conf, struct conf_node *root,
			   struct conf_errors *errors)
{
	struct conf_node *node = conf_node_get(root, "pushdown");
	struct conf_node *steps = conf_node_get(node, "steps");

	if (conf->pushdown.mode != CONF_OFF && conf->pushdown.n_steps == 0 &&
	    !(steps && steps->bad))
		conf_node_fail(errors, conf_node_or(node, "steps"),
			       "there is no step to take; give one, or set mode to off");
	for (size_t i = 1; i < conf->pushdown.n_steps; i++)
		check_step(&conf->pushdown.steps[i - 1], &conf->pushdown.steps[i],
			   conf_node_item(steps, i), errors);
}

int conf_check_gateway(const struct conf *conf, struct conf_node *root, struct conf_arena *scratch,
		       struct conf_errors *errors)
{
	struct conf_node *plans = conf_node_get(root, "plans");
	int err = check_bound(conf, root, scratch, errors);

	if (err)
		return err;
	check_listeners(conf, root, errors);
	err = conf_check_steer(conf, root, errors);
	if (err)
		return err;
	conf_check_upstream(conf, root, errors);
	check_routes(conf, root, errors);
	err = check_same_routes(conf, root, scratch, errors);
	if (err)
		return err;
	for (size_t i = 0; i < conf->n_plans; i++)
		check_plan(&conf->plans[i], conf_node_item(plans, i), errors);
	check_meters(conf, root, errors);
	check_pushdown(conf, root, errors);
	return check_keys(conf, root, scratch, errors);
}
