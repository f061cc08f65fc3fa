/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "snapshot.h"

static int allocate(struct snapshot *s)
{
	const struct conf *conf = s->conf;

	/* + 1: calloc(0) may be NULL */
	s->clusters = calloc(conf->n_clusters + 1, sizeof(struct cluster *));
	s->routes = calloc(conf->n_routes + 1, sizeof(*s->routes));
	s->table = calloc(conf->n_listeners + 1, sizeof(struct route_table *));
	s->tls = calloc(conf->n_listeners + 1, sizeof(struct tls_context *));
	return s->clusters && s->routes && s->table && s->tls ? 0 : -ENOMEM;
}

static int set_tls(struct snapshot *s, size_t i, const struct gateway_revision *r,
		   struct errmsg *err)
{
	const struct upstream_tls_files files = {
		.authority = r->cluster_authorities ? r->cluster_authorities[i] : NULL,
		.pair = r->cluster_pairs ? r->cluster_pairs[i] : NULL,
	};
	struct errmsg why = { "" };
	int code;

	if (!s->conf->clusters[i].tls.min_version)
		return 0; /* clear text */
	code = cluster_set_tls(s->clusters[i], s->gateway->upstream, &files, &why);
	return code ? errmsg_set(err, code, "cluster \"%s\": tls: %s", s->conf->clusters[i].name,
				 why.text)
		    : 0;
}

static int build_clusters(struct snapshot *s, const struct gateway_revision *r, struct errmsg *err)
{
	for (size_t i = 0; i < s->conf->n_clusters; i++) {
		int code = cluster_new(s->gateway->upstream, &s->conf->clusters[i],
				       r->cluster_stat_ids[i], &s->clusters[i]);

		if (code)
			return errmsg_set(err, code, "cluster \"%s\": %s",
					  s->conf->clusters[i].name, strerror(-code));
		code = set_tls(s, i, r, err);
		if (code)
			return code;
	}
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp((*(struct cluster *const *)a)->conf->name,
		      (*(struct cluster *const *)b)->conf->name);
}

/* There may be 10,000 of both, and requests wait while a revision is applied: no search in n^2. */
static struct cluster *find_cluster(struct cluster **sorted, size_t n, char *name)
{
	struct conf_cluster conf = { .name = name };
	struct cluster wanted = { .conf = &conf }, *key = &wanted;
	struct cluster **found = bsearch(&key, sorted, n, sizeof(struct cluster *), compare_names);

	return found ? *found : NULL;
}

static int build_route(struct snapshot *s, size_t i, uint32_t stat_id, struct cluster **sorted,
		       struct errmsg *err)
{
	const struct conf_route *conf = &s->conf->routes[i];
	struct policy_chain *chain = NULL;
	int code = policy_chain_new(s->policies, conf, &chain);

	s->routes[i] = (struct route) {
		.conf = conf,
		.index = (uint32_t)i,
		.stat_id = stat_id,
		.policies = chain,
		.cluster = find_cluster(sorted, s->conf->n_clusters, conf->cluster),
	};
	if (code)
		return errmsg_set(err, code, "route \"%s\": %s", conf->name, strerror(-code));
	if (!s->routes[i].cluster)
		return errmsg_set(err, -EINVAL, "route \"%s\": its cluster does not exist",
				  conf->name);
	return 0;
}

static int build_routes(struct snapshot *s, const struct gateway_revision *r, struct errmsg *err)
{
	size_t n = s->conf->n_clusters;
	CLEANUP_FREE struct cluster **sorted = calloc(n + 1, sizeof(struct cluster *));

	if (!sorted)
		return errmsg_set(err, -ENOMEM, "no memory for routes");
	memcpy(sorted, s->clusters, n * sizeof(struct cluster *));
	qsort(sorted, n, sizeof(struct cluster *), compare_names);
	for (size_t i = 0; i < s->conf->n_routes; i++) {
		int code = build_route(s, i, r->route_stat_ids[i], sorted, err);

		if (code)
			return code;
	}
	return 0;
}

static int build_tls(struct snapshot *s, const struct gateway_revision *r, size_t i,
		     struct errmsg *err)
{
	const struct conf_listener *conf = &s->conf->listeners[i];
	struct tls_policy_text text;

	tls_policy_make(conf, r->authorities ? &r->authorities[i] : NULL, &text);
	return tls_context_new_from(s->gateway->tls, r->pairs[i], conf->n_certificates,
				    &text.policy, r->tickets, &s->tls[i],
				    err); /* it names the pair */
}

static int build_listeners(struct snapshot *s, const struct gateway_revision *r, struct errmsg *err)
{
	for (size_t i = 0; i < s->conf->n_listeners; i++) {
		const struct conf_listener *conf = &s->conf->listeners[i];
		int code = route_table_new(s->conf, conf->name, s->routes, &s->table[i]);

		if (code)
			return errmsg_set(err, code, "routes of listener \"%s\": %s", conf->name,
					  strerror(-code));
		if (!conf->n_certificates)
			continue;
		code = build_tls(s, r, i, err);
		if (code)
			return code;
		tls_context_offer_http2(s->tls[i], conf->http2);
	}
	return 0;
}

int snapshot_new(struct gateway *g, const struct gateway_revision *r, struct snapshot **ret,
		 struct errmsg *err)
{
	struct snapshot *s = calloc(1, sizeof(*s));
	int code;

	if (!s)
		return errmsg_set(err, -ENOMEM, "no memory for revision");
	s->gateway = g;
	s->refs = 1;
	s->number = r->number;
	s->conf = r->conf;
	code = allocate(s);
	if (!code)
		code = policy_set_new(s->conf, r->consumer_ids, r->meter_slots, &s->policies);
	if (code)
		errmsg_set(err, code, "consumers and plans: %s", strerror(-code));
	if (!code)
		code = build_clusters(s, r, err);
	if (!code)
		code = build_routes(s, r, err);
	if (!code)
		code = build_listeners(s, r, err);
	if (code) {
		snapshot_discard(s);
		return code;
	}
	*ret = s;
	return 0;
}

static void free_arrays(struct snapshot *s)
{
	for (size_t i = 0; s->table && i < s->conf->n_listeners; i++)
		route_table_free(s->table[i]);
	for (size_t i = 0; s->tls && i < s->conf->n_listeners; i++) {
		if (s->tls[i])
			tls_context_unref(s->tls[i]);
	}
	for (size_t i = 0; s->routes && i < s->conf->n_routes; i++)
		policy_chain_free(s->routes[i].policies);
	for (size_t i = 0; s->clusters && i < s->conf->n_clusters; i++)
		cluster_free(s->clusters[i]);
	free(s->table);
	free(s->tls);
	free(s->routes);
	free(s->clusters);
}

void snapshot_discard(struct snapshot *s)
{
	free_arrays(s);
	policy_set_free(s->policies);
	free(s);
}

void snapshot_install(struct snapshot *s)
{
	struct gateway *g = s->gateway;
	struct snapshot *before = g->current;

	for (size_t i = 0; i < s->conf->n_clusters; i++)
		cluster_activate(s->clusters[i]);
	if (before)
		before->next = s;
	else
		g->oldest = s;
	g->current = s;
	if (before)
		snapshot_unref(before);
}

struct snapshot *snapshot_ref(struct snapshot *s)
{
	s->refs++;
	return s;
}

void snapshot_unref(struct snapshot *s)
{
	struct snapshot **at = &s->gateway->oldest, *before = NULL;
	struct conf *conf = s->conf;

	if (--s->refs)
		return;
	while (*at != s) {
		before = *at;
		at = &before->next;
	}
	*at = s->next;
	if (s->gateway->current == s)
		s->gateway->current = before;
	snapshot_discard(s);
	conf_free(conf);
}
