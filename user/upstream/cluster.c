/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdlib.h>

#include "cluster.h"

int cluster_new(struct upstream *u, const struct conf_cluster *conf, uint32_t stat_id,
		struct cluster **ret)
{
	struct cluster *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->conf = conf;
	c->stat_id = stat_id;
	c->retry_milli = CLUSTER_RETRIES_START * 1000;
	c->endpoints = calloc(conf->n_endpoints + 1, sizeof(*c->endpoints));
	if (!c->endpoints) {
		free(c);
		return -ENOMEM;
	}
	for (size_t i = 0; i < conf->n_endpoints; i++) {
		int err = pool_get(u, conf->name, &conf->endpoints[i], &c->endpoints[i].pool);

		if (err) {
			cluster_free(c);
			return err;
		}
		c->endpoints[i].weight = conf->endpoints[i].weight;
		c->n_endpoints++;
	}
	*ret = c;
	return 0;
}

int cluster_set_tls(struct cluster *c, struct upstream *u, const struct upstream_tls_files *files,
		    struct errmsg *err)
{
	return upstream_tls_get(u, &c->conf->tls, files, &c->tls, err);
}

void cluster_activate(struct cluster *c)
{
	for (size_t i = 0; i < c->n_endpoints; i++) {
		struct pool *p = c->endpoints[i].pool;

		p->max_idle = c->conf->max_idle;
		p->max_connections = c->conf->max_connections;
		p->idle_timeout_ms = c->conf->idle_timeout_ms;
		p->connect_timeout_ms = c->conf->connect_timeout_ms;
		pool_set_tls(p, c->tls);
	}
}

void cluster_free(struct cluster *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_endpoints; i++)
		pool_put(c->endpoints[i].pool);
	upstream_tls_unref(c->tls);
	free(c->endpoints);
	free(c);
}

void cluster_count_request(struct cluster *c)
{
	c->retry_milli += c->conf->retry_budget_percent * 10;
	if (c->retry_milli > CLUSTER_RETRIES_MAX * 1000)
		c->retry_milli = CLUSTER_RETRIES_MAX * 1000;
}

bool cluster_take_retry(struct cluster *c)
{
	if (!c->conf->retry_budget_percent || c->retry_milli < 1000)
		return false;
	c->retry_milli -= 1000;
	return true;
}
