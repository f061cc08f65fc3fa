/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks across the settings of clusters. */
#include <string.h>

#include "conf_check.h"
#include "conf_errors.h"

/* A dump has null for what was left out. */
static struct conf_node *given_node(struct conf_node *map, const char *name)
{
	struct conf_node *node = conf_node_get(map, name);

	return node && !conf_node_is_null(node) ? node : NULL;
}

static void check_pair(const struct conf_upstream_tls *tls, struct conf_node *node,
		       struct conf_errors *errors)
{
	struct conf_node *certificate = given_node(node, "certificate");
	struct conf_node *key = given_node(node, "key");

	if (tls->certificate && !key)
		conf_node_fail(errors, certificate, "has no key; add key");
	if (tls->key && !certificate)
		conf_node_fail(errors, key, "belongs to no certificate; add certificate");
}

static void check_name(const struct conf_upstream_tls *tls, struct conf_node *node,
		       struct conf_errors *errors)
{
	struct conf_node *name = given_node(node, "server_name");

	if (!tls->server_name || !name || name->bad)
		return;
	if (tls->server_name[0] == '*')
		conf_node_fail(errors, name, "is a pattern; give one name");
	else if (tls->name_from == CONF_TLS_NAME_REQUEST)
		conf_node_fail(errors, name,
			       "is never asked for: name_from says that the request's host is");
}

/* false: there are too many. seen: the different ones so far. */
static bool note_authority(const struct conf_upstream_tls *tls,
			   const char *seen[CONF_AUTHORITIES_MAX], size_t *n)
{
	if (!tls->verify || !tls->ca)
		return true;
	for (size_t i = 0; i < *n; i++) {
		if (strcmp(seen[i], tls->ca) == 0)
			return true;
	}
	if (*n == CONF_AUTHORITIES_MAX)
		return false;
	seen[(*n)++] = tls->ca;
	return true;
}

void conf_check_upstream(const struct conf *conf, struct conf_node *root,
			 struct conf_errors *errors)
{
	struct conf_node *list = conf_node_get(root, "clusters");
	const char *seen[CONF_AUTHORITIES_MAX];
	size_t n = 0;

	for (size_t i = 0; i < conf->n_clusters; i++) {
		const struct conf_upstream_tls *tls = &conf->clusters[i].tls;
		struct conf_node *node = conf_node_get(conf_node_item(list, i), "tls");

		if (!node || node->kind != CONF_MAP)
			continue;
		check_pair(tls, node, errors);
		check_name(tls, node, errors);
		if (!note_authority(tls, seen, &n))
			conf_node_fail(errors, conf_node_or(node, "ca"),
				       "is one file too many: clusters name at most %d different "
				       "ones",
				       CONF_AUTHORITIES_MAX);
	}
}
