/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/log.h"
#include "pool.h"
#include "upstream_conn.h"

int upstream_new(struct loop *l, struct upstream **ret)
{
	struct upstream *u = calloc(1, sizeof(*u));

	if (!u)
		return -ENOMEM;
	u->loop = l;
	u->keep_idle = true;
	/* only spreads load: when there is no entropy yet, any seed does */
	if (getrandom(&u->random, sizeof(u->random), GRND_NONBLOCK) < 0 || !u->random)
		u->random = clock_now_ns() | 1;
	*ret = u;
	return 0;
}

void upstream_free(struct upstream *u)
{
	if (!u)
		return;
	while (u->connections)
		upstream_conn_free(u->connections);
	free(u);
}

static void close_idle(struct pool *p)
{
	while (p->idle)
		upstream_conn_close(p->idle);
}

void upstream_drain(struct upstream *u)
{
	u->keep_idle = false;
	for (size_t i = 0; i < UPSTREAM_BUCKETS; i++) {
		for (struct pool *p = u->bucket[i]; p; p = p->next)
			close_idle(p); /* their references go with their memory, later */
	}
}

/* FNV-1a. Names and endpoints are the operator's: nobody else chooses what collides. */
static uint32_t hash_bytes(uint32_t h, const void *data, size_t n)
{
	const uint8_t *at = data;

	for (size_t i = 0; i < n; i++)
		h = (h ^ at[i]) * 16777619U;
	return h;
}

static struct pool **bucket_of(struct upstream *u, const char *cluster, const struct addr *a,
			       uint16_t port)
{
	uint32_t h = hash_bytes(2166136261U, cluster, strlen(cluster));

	h = hash_bytes(h, a, sizeof(*a));
	h = hash_bytes(h, &port, sizeof(port));
	return &u->bucket[h % UPSTREAM_BUCKETS];
}

int pool_get(struct upstream *u, const char *cluster, const struct conf_endpoint *e,
	     struct pool **ret)
{
	struct pool **head = bucket_of(u, cluster, &e->address, e->port), *p;

	for (p = *head; p; p = p->next) {
		if (p->port == e->port && addr_eq(&p->address, &e->address) &&
		    strcmp(p->cluster, cluster) == 0)
			break;
	}
	if (!p) {
		p = calloc(1, sizeof(*p));
		if (!p)
			return -ENOMEM;
		p->upstream = u;
		p->address = e->address;
		p->port = e->port;
		snprintf(p->cluster, sizeof(p->cluster), "%s", cluster);
		p->next = *head;
		*head = p;
	}
	p->refs++;
	p->clusters++;
	*ret = p;
	return 0;
}

void pool_unref(struct pool *p)
{
	struct pool **at;

	if (--p->refs)
		return;
	at = bucket_of(p->upstream, p->cluster, &p->address, p->port);
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	tls_session_unref(p->session);
	upstream_tls_unref(p->tls);
	free(p);
}

void pool_put(struct pool *p)
{
	if (--p->clusters == 0)
		close_idle(p); /* each connection holds a reference of its own */
	pool_unref(p);
}

void pool_set_tls(struct pool *p, struct upstream_tls *tls)
{
	if (p->tls == tls)
		return;
	close_idle(p);
	tls_session_unref(p->session);
	p->session = NULL;
	p->tls_warned_ns = 0;
	upstream_tls_unref(p->tls);
	p->tls = tls ? upstream_tls_ref(tls) : NULL;
}

bool pool_ejected(const struct pool *p, uint64_t now_ns)
{
	return p->ejected_until_ns > now_ns;
}

void pool_connect_failed(struct pool *p)
{
	uint64_t now_ns = loop_now_ns(p->upstream->loop), ms = POOL_EJECT_MIN_MS;
	char text[ADDR_TEXT_MAX];

	if (p->failures < UINT32_MAX)
		p->failures++;
	/* requests that were under way together fail together: that is one failure of the trial */
	if (p->failures < POOL_EJECT_AFTER || pool_ejected(p, now_ns))
		return;
	for (uint32_t i = POOL_EJECT_AFTER; i < p->failures && ms < POOL_EJECT_MAX_MS; i++)
		ms *= 2;
	if (ms > POOL_EJECT_MAX_MS)
		ms = POOL_EJECT_MAX_MS;
	p->ejected_until_ns = now_ns + ms * NS_PER_MS;
	log_warn("endpoint.ejected", LOG_STR("cluster", p->cluster),
		 LOG_STR("endpoint", addr_format_port(&p->address, p->port, text)),
		 LOG_U64("failures", p->failures), LOG_U64("for_ms", ms));
}

void pool_connect_ok(struct pool *p)
{
	char text[ADDR_TEXT_MAX];

	if (p->ejected_until_ns)
		log_info("endpoint.returned", LOG_STR("cluster", p->cluster),
			 LOG_STR("endpoint", addr_format_port(&p->address, p->port, text)));
	p->failures = 0;
	p->ejected_until_ns = 0;
}
