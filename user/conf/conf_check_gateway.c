/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks across the settings of the gateway. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "../base/addr.h"
#include "conf_check.h"
#include "conf_errors.h"

/* One place to listen at; sockets are IPV6_V6ONLY, so the families do not meet. */
struct bound {
	const struct addr *address;
	uint16_t port;
	struct conf_node *node;
};

static bool is_any(const struct addr *a)
{
	static const uint8_t zero[16];

	return memcmp(a->b, zero, sizeof(zero)) == 0 ||
	       (addr_is_v4(a) && memcmp(a->b + 12, zero, 4) == 0);
}

static bool overlap(const struct bound *a, const struct bound *b)
{
	if (a->port != b->port || addr_is_v4(a->address) != addr_is_v4(b->address))
		return false;
	return is_any(a->address) || is_any(b->address) || addr_eq(a->address, b->address);
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
		n++;
	}
	return 0;
}

static void check_listeners(const struct conf *conf, struct conf_node *root,
			    struct conf_errors *errors)
{
	struct conf_node *list = conf_node_get(root, "listeners");

	for (size_t i = 0; i < conf->n_listeners; i++) {
		const struct conf_listener *listener = &conf->listeners[i];
		struct conf_node *node = conf_node_item(list, i);

		if (listener->max_uri_bytes > listener->max_header_bytes && !node->bad)
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
	}
}

/* Limits of plans are spent one request at a time: only the burst bounds how slow they may be. */
static void check_plan(const struct conf_plan *plan, struct conf_node *node,
		       struct conf_errors *errors)
{
	struct conf_node *list = conf_node_get(node, "limits");

	for (size_t i = 0; i < plan->n_limits; i++) {
		struct conf_node *limit = conf_node_item(list, i);
		struct gcra_rate compiled;

		if (limit->bad || conf_node_or(limit, "burst")->bad || !plan->limits[i].rate.count)
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

static void check_pushdown(const struct conf *conf, struct conf_node *root,
			   struct conf_errors *errors)
{
	struct conf_node *node = conf_node_get(root, "pushdown");
	struct conf_node *steps = conf_node_get(node, "steps");

	if (conf->pushdown.mode != CONF_OFF && conf->pushdown.n_steps == 0 &&
	    !(steps && steps->bad))
		conf_node_fail(errors, conf_node_or(node, "steps"),
			       "there is no step to take; give one, or set mode to off");
}

int conf_check_gateway(const struct conf *conf, struct conf_node *root, struct conf_arena *scratch,
		       struct conf_errors *errors)
{
	struct conf_node *plans = conf_node_get(root, "plans");
	int err = check_bound(conf, root, scratch, errors);

	if (err)
		return err;
	check_listeners(conf, root, errors);
	check_routes(conf, root, errors);
	for (size_t i = 0; i < conf->n_plans; i++)
		check_plan(&conf->plans[i], conf_node_item(plans, i), errors);
	check_meters(conf, root, errors);
	check_pushdown(conf, root, errors);
	return check_keys(conf, root, scratch, errors);
}
