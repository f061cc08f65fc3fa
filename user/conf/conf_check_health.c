/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks across the settings of health checks. */
#include <errno.h>
#include <string.h>

#include "conf_check.h"
#include "sluice/abi/vip.h"

enum {
	TCP = 1 << CONF_HEALTH_TCP,
	HTTP = 1 << CONF_HEALTH_HTTP,
	HTTPS = 1 << CONF_HEALTH_HTTPS,
	UDP = 1 << CONF_HEALTH_UDP,
	DNS = 1 << CONF_HEALTH_DNS
};

/* A dump has null for what was left out. */
static struct conf_node *given_node(struct conf_node *map, const char *name)
{
	struct conf_node *node = conf_node_get(map, name);

	return node && !conf_node_is_null(node) ? node : NULL;
}

/* What says something only with some types; a setting that does nothing was meant otherwise. */
static void check_types(const struct conf_health *health, struct conf_node *node,
			struct conf_errors *errors)
{
	static const struct {
		const char *name;
		unsigned int types;
		const char *says;
	} rows[] = {
		{ "host", HTTP | HTTPS, "http and https" },
		{ "path", HTTP | HTTPS, "http and https" },
		{ "status", HTTP | HTTPS, "http and https" },
		{ "match", HTTP | HTTPS, "http and https" },
		{ "ca", HTTPS, "https" },
		{ "send", UDP, "udp" },
		{ "expect", UDP, "udp" },
		{ "query", DNS, "dns" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf_node *given = given_node(node, rows[i].name);

		if (given && !given->bad && !(rows[i].types & (1U << health->type)))
			conf_node_fail_key(errors, given, "is for type %s", rows[i].says);
	}
	if (health->type == CONF_HEALTH_UDP && !given_node(node, "send"))
		conf_node_fail(errors, node, "send is missing: what the backend has to answer to");
	if (health->type == CONF_HEALTH_DNS && !given_node(node, "query"))
		conf_node_fail(errors, node, "query is missing: the name to ask for");
}

/* host and query are names of one host; the gateway's hosts may be patterns. */
static void check_name(const char *name, struct conf_node *node, struct conf_errors *errors)
{
	if (name && node && !node->bad && name[0] == '*')
		conf_node_fail(errors, node, "is a pattern; give one name");
}

/* The promise "fall x (interval + jitter) + timeout" needs a probe to end before the next begins. */
static void check_times(const struct conf_health *health, struct conf_node *node,
			struct conf_errors *errors)
{
	struct conf_node *at = conf_node_or(node, "timeout");
	uint64_t shortest_ms = health->interval_ms * (100U - health->jitter_percent) / 100;

	if (at->bad || conf_node_is_bad(node, "interval") || conf_node_is_bad(node, "jitter"))
		return;
	if (health->timeout_ms > shortest_ms)
		conf_node_fail(errors, at,
			       "the timeout (%llu ms) is longer than the shortest interval "
			       "(%llu ms, the jitter taken off)",
			       (unsigned long long)health->timeout_ms,
			       (unsigned long long)shortest_ms);
}

void conf_check_health(const struct conf_vip *vip, struct conf_node *node,
		       struct conf_errors *errors)
{
	struct conf_node *health = conf_node_get(node, "health");
	struct conf_node *slow = conf_node_get(node, "slow_start");
	struct conf_node *all_down = conf_node_get(node, "all_down");

	if (health && health->kind == CONF_MAP) {
		if (conf_node_is_bad(health, "type") || !vip->health.type)
			return;
		check_types(&vip->health, health, errors);
		check_name(vip->health.host, conf_node_get(health, "host"), errors);
		check_name(vip->health.query, conf_node_get(health, "query"), errors);
		check_times(&vip->health, health, errors);
		if (vip->health.via == CONF_VIA_VIP && vip->mode == BACKEND_NAT)
			conf_node_fail(errors, conf_node_or(health, "via"),
				       "in mode nat backends are sent packets to their own "
				       "addresses; remove via");
		return;
	}
	if (slow && !slow->bad && vip->slow_start_ms)
		conf_node_fail(errors, slow, "needs health checks: nothing else says who came up");
	if (all_down && !all_down->bad && vip->all_down != CONF_ALL_DOWN_DROP)
		conf_node_fail(errors, all_down,
			       "needs health checks: nothing else takes one down");
}
