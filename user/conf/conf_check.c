/* SPDX-License-Identifier: BSD-2-Clause */
#include "conf_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/addr.h"
#include "conf_errors.h"

/* By key, then by place in the file. */
static int by_key(const void *a, const void *b)
{
	const struct conf_unique *x = a, *y = b;
	size_t n = x->key_bytes < y->key_bytes ? x->key_bytes : y->key_bytes;
	int order = memcmp(x->key, y->key, n);

	if (!order)
		order = (x->key_bytes > y->key_bytes) - (x->key_bytes < y->key_bytes);
	if (!order)
		order = (x->node->line > y->node->line) - (x->node->line < y->node->line);
	if (!order)
		order = (x->node->column > y->node->column) - (x->node->column < y->node->column);
	return order ? order : (x->key > y->key) - (x->key < y->key);
}

void conf_check_unique(struct conf_unique *entries, size_t n, const char *what,
		       struct conf_errors *errors)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (entries[i].node && !entries[i].node->bad)
			entries[kept++] = entries[i];
	if (kept)
		qsort(entries, kept, sizeof(*entries), by_key);
	for (size_t i = 1; i < kept; i++) {
		const struct conf_unique *first = &entries[i - 1];
		char path[128];

		if (first->key_bytes != entries[i].key_bytes ||
		    memcmp(first->key, entries[i].key, first->key_bytes) != 0)
			continue;
		conf_node_path(first->node, path, sizeof(path));
		if (first->node->line)
			conf_node_fail(errors, entries[i].node, "%s %s in line %u", what, path,
				       first->node->line);
		else
			conf_node_fail(errors, entries[i].node, "%s %s", what, path);
	}
}

bool conf_check_is_any(const struct addr *a)
{
	static const uint8_t zero[16];

	return memcmp(a->b, zero, sizeof(zero)) == 0 ||
	       (addr_is_v4(a) && memcmp(a->b + 12, zero, 4) == 0);
}

const char *conf_check_unroutable(const struct addr *a)
{
	static const uint8_t loopback[16] = { [15] = 1 };
	const bool v4 = addr_is_v4(a);

	if (conf_check_is_any(a))
		return "the unspecified address";
	if (v4 ? a->b[12] == 127 : memcmp(a->b, loopback, sizeof(loopback)) == 0)
		return "a loopback address";
	if (v4 ? (a->b[12] & 0xf0) == 0xe0 : a->b[0] == 0xff)
		return "a multicast address";
	if (v4 && memcmp(a->b + 12, "\xff\xff\xff\xff", 4) == 0)
		return "the broadcast address";
	return NULL;
}

static void check_user(const char *user, struct conf_node *node, struct conf_errors *errors)
{
	if (user && strcmp(user, "root") == 0)
		conf_node_fail(errors, node,
			       "is root, which the agent drops its rights to get away from; name a "
			       "user without any");
}

/* A worker that was taken over must not be able to trace the supervisor, or to read its files. */
static void check_agent(const struct conf_agent *agent, struct conf_node *node,
			struct conf_errors *errors)
{
	check_user(agent->user, conf_node_or(node, "user"), errors);
	check_user(agent->worker_user, conf_node_or(node, "worker_user"), errors);
	if (agent->user && agent->worker_user && strcmp(agent->user, agent->worker_user) == 0)
		conf_node_fail(errors, conf_node_or(node, "worker_user"),
			       "is agent.user too; workers need a user of their own");
}

int conf_check(const struct conf *conf, struct conf_node *root, struct conf_arena *scratch,
	       struct conf_errors *errors)
{
	int err;

	check_agent(&conf->agent, conf_node_get(root, "agent"), errors);
	err = conf_check_kernel(conf, root, scratch, errors);

	return err ? err : conf_check_gateway(conf, root, scratch, errors);
}
