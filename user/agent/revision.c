/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Layout, native byte order (both ends are one binary): struct head, then in this order the arrays
 * of numbers, the configuration's text, and three texts, each with its 64-bit length in front, per
 * certificate of listeners: name, chain, key; per listener: name, authorities, CRLs; per certificate
 * and authorities of clusters: name, chain, key (an authority's is empty).
 */
#include "revision.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define REVISION_MAGIC 0x3276657265636c73ULL /* "slcerev2" */

struct head {
	uint64_t magic;
	uint64_t number;
	uint32_t n_routes;
	uint32_t n_clusters;
	uint32_t n_consumers;
	uint32_t n_pairs;
	struct tls_tickets tickets;
};

/* Authorities of clusters: each file once, in the order of the first cluster that names it. */
struct authorities {
	const char *path[CONF_AUTHORITIES_MAX];
	size_t n;
};

/* Its index; -1: the cluster has none, or the file is one too many (conf_check: never). */
static int authorities_add(struct authorities *a, const struct conf_upstream_tls *tls)
{
	if (!tls->min_version || !tls->verify || !tls->ca)
		return -1;
	for (size_t i = 0; i < a->n; i++) {
		if (strcmp(a->path[i], tls->ca) == 0)
			return (int)i;
	}
	if (a->n == CONF_AUTHORITIES_MAX)
		return -1;
	a->path[a->n] = tls->ca;
	return (int)a->n++;
}

static size_t count_listener_pairs(const struct conf *conf)
{
	size_t n = conf->n_listeners; /* authorities */

	for (size_t i = 0; i < conf->n_listeners; i++)
		n += conf->listeners[i].n_certificates;
	return n;
}

static size_t count_pairs(const struct conf *conf)
{
	struct authorities a = { .n = 0 };
	size_t n = count_listener_pairs(conf);

	for (size_t i = 0; i < conf->n_clusters; i++) {
		n += conf->clusters[i].tls.certificate != NULL;
		authorities_add(&a, &conf->clusters[i].tls);
	}
	return n + a.n;
}

/* Behind the pairs of listeners: those of clusters, then the authorities. */
static void place_clusters(struct revision *r)
{
	const struct conf *c = r->conf;
	struct authorities a = { .n = 0 };
	size_t at = count_listener_pairs(c);

	for (size_t i = 0; i < c->n_clusters; i++) {
		if (c->clusters[i].tls.certificate)
			r->cluster_pairs[i] = &r->flat_pairs[at++];
	}
	for (size_t i = 0; i < c->n_clusters; i++) {
		int n = authorities_add(&a, &c->clusters[i].tls);

		if (n >= 0)
			r->cluster_authorities[i] = &r->flat_pairs[at + (size_t)n];
	}
}

/* calloc that gives memory for nothing too: NULL always means "no memory". */
static void *array(size_t n, size_t bytes)
{
	return calloc(n ? n : 1, bytes);
}

static bool make_arrays(struct revision *r)
{
	const struct conf *c = r->conf;
	size_t at = 0;

	r->n_pairs = count_pairs(c);
	r->pairs = array(c->n_listeners, sizeof(*r->pairs));
	r->flat_pairs = array(r->n_pairs, sizeof(*r->flat_pairs));
	r->cluster_pairs = array(c->n_clusters, sizeof(*r->cluster_pairs));
	r->cluster_authorities = array(c->n_clusters, sizeof(*r->cluster_authorities));
	r->route_stat_ids = array(c->n_routes, sizeof(uint32_t));
	r->cluster_stat_ids = array(c->n_clusters, sizeof(uint32_t));
	r->consumer_ids = array(c->n_consumers, sizeof(uint32_t));
	r->meter_slots = array(c->n_consumers * CONF_PLAN_LIMITS_MAX, sizeof(uint32_t));
	if (!r->pairs || !r->flat_pairs || !r->cluster_pairs || !r->cluster_authorities ||
	    !r->route_stat_ids || !r->cluster_stat_ids || !r->consumer_ids || !r->meter_slots)
		return false;
	for (size_t i = 0; i < c->n_listeners; at += c->listeners[i++].n_certificates)
		r->pairs[i] = r->flat_pairs + at;
	r->authorities = r->flat_pairs + at;
	for (size_t i = 0; i < c->n_listeners; i++)
		r->authorities[i].name = "";
	place_clusters(r);
	return true;
}

struct revision *revision_new(struct conf *conf)
{
	struct revision *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->conf = conf;
	if (make_arrays(r))
		return r;
	r->conf = NULL;
	revision_free(r);
	return NULL;
}

void revision_free(struct revision *r)
{
	if (!r)
		return;
	free(r->pairs);
	free(r->flat_pairs);
	free(r->cluster_pairs);
	free(r->cluster_authorities);
	free(r->route_stat_ids);
	free(r->cluster_stat_ids);
	free(r->consumer_ids);
	free(r->meter_slots);
	if (r->blob)
		explicit_bzero(r->blob, r->blob_bytes);
	free(r->blob);
	if (r->conf)
		conf_free(r->conf);
	explicit_bzero(&r->tickets, sizeof(r->tickets));
	free(r);
}

static int add_text(struct buf *out, const char *text, size_t len)
{
	uint64_t n = len;

	if (buf_add(out, &n, sizeof(n)))
		return -ENOSPC;
	return len ? buf_add(out, text, len) : 0;
}

static int add_numbers(struct buf *out, const uint32_t *numbers, size_t n)
{
	return n ? buf_add(out, numbers, n * sizeof(*numbers)) : 0;
}

static int add_conf(struct buf *out, const struct conf *conf)
{
	struct buf text;
	int ret;

	buf_init(&text, REVISION_MAX_BYTES);
	ret = conf_dump(conf, CONF_DUMP_FULL, &text);
	if (!ret)
		ret = add_text(out, buf_head(&text), buf_len(&text));
	buf_clear(&text);
	return ret;
}

int revision_encode(const struct revision *r, struct buf *out)
{
	const struct conf *c = r->conf;
	const struct head head = {
		.magic = REVISION_MAGIC,
		.number = r->number,
		.n_routes = (uint32_t)c->n_routes,
		.n_clusters = (uint32_t)c->n_clusters,
		.n_consumers = (uint32_t)c->n_consumers,
		.n_pairs = (uint32_t)r->n_pairs,
		.tickets = r->tickets,
	};

	if (buf_add(out, &head, sizeof(head)) || add_numbers(out, r->route_stat_ids, c->n_routes) ||
	    add_numbers(out, r->cluster_stat_ids, c->n_clusters) ||
	    add_numbers(out, r->consumer_ids, c->n_consumers) ||
	    add_numbers(out, r->meter_slots, c->n_consumers * CONF_PLAN_LIMITS_MAX) ||
	    add_conf(out, c))
		return -ENOSPC;
	for (size_t i = 0; i < r->n_pairs; i++) {
		const struct tls_pair *p = &r->flat_pairs[i];

		if (add_text(out, p->name, strlen(p->name) + 1) ||
		    add_text(out, p->certificate, p->certificate_len) ||
		    add_text(out, p->key, p->key_len))
			return -ENOSPC;
	}
	return 0;
}

struct reader {
	const char *at;
	const char *end;
};

static bool take(struct reader *in, void *to, size_t n)
{
	if ((size_t)(in->end - in->at) < n)
		return false;
	if (n)
		memcpy(to, in->at, n);
	in->at += n;
	return true;
}

static bool take_text(struct reader *in, const char **ret, size_t *ret_len)
{
	uint64_t n;

	if (!take(in, &n, sizeof(n)) || n > (uint64_t)(in->end - in->at))
		return false;
	*ret = in->at;
	*ret_len = (size_t)n;
	in->at += n;
	return true;
}

/* Skip the numbers, whose sizes only the text behind them confirms; 32-bit counts cannot overflow. */
static bool skip_numbers(struct reader *in, const struct head *head)
{
	uint64_t n = (uint64_t)head->n_routes + head->n_clusters +
		     (uint64_t)head->n_consumers * (1 + CONF_PLAN_LIMITS_MAX);

	if (n * sizeof(uint32_t) > (uint64_t)(in->end - in->at))
		return false;
	in->at += n * sizeof(uint32_t);
	return true;
}

static bool take_numbers(struct reader *in, struct revision *r)
{
	const struct conf *c = r->conf;

	return take(in, r->route_stat_ids, c->n_routes * sizeof(uint32_t)) &&
	       take(in, r->cluster_stat_ids, c->n_clusters * sizeof(uint32_t)) &&
	       take(in, r->consumer_ids, c->n_consumers * sizeof(uint32_t)) &&
	       take(in, r->meter_slots, c->n_consumers * CONF_PLAN_LIMITS_MAX * sizeof(uint32_t));
}

static bool take_pairs(struct reader *in, struct revision *r)
{
	for (size_t i = 0; i < r->n_pairs; i++) {
		struct tls_pair *p = &r->flat_pairs[i];
		size_t name_len;

		if (!take_text(in, &p->name, &name_len) || !name_len || p->name[name_len - 1] ||
		    !take_text(in, &p->certificate, &p->certificate_len) ||
		    !take_text(in, &p->key, &p->key_len))
			return false;
	}
	return in->at == in->end;
}

static bool matches(const struct head *head, const struct conf *c)
{
	return head->n_routes == c->n_routes && head->n_clusters == c->n_clusters &&
	       head->n_consumers == c->n_consumers && head->n_pairs == count_pairs(c);
}

static bool ids_ok(const struct revision *r)
{
	for (size_t i = 0; i < r->conf->n_consumers; i++) {
		if (!r->consumer_ids[i])
			return false;
	}
	return true;
}

static int parse_conf(struct reader *in, struct conf **ret, struct errmsg *err)
{
	struct conf_errors errors;
	const char *text;
	size_t len;

	if (!take_text(in, &text, &len))
		return errmsg_set(err, -EPROTO, "revision: cut short");
	if (conf_parse(text, len, ret, &errors))
		return errmsg_set(err, -EPROTO, "revision: line %u: %s", errors.error[0].line,
				  errors.n ? errors.error[0].text : "does not parse");
	return 0;
}

int revision_decode(char *data, size_t len, struct revision **ret, struct errmsg *err)
{
	struct reader in = { data, data + len }, numbers;
	struct revision *r;
	struct conf *conf;
	struct head head;
	int code;

	if (!take(&in, &head, sizeof(head)) || head.magic != REVISION_MAGIC ||
	    head.tickets.n > sizeof(head.tickets.key) / sizeof(head.tickets.key[0]))
		return errmsg_set(err, -EPROTO, "revision: not one of this version");
	numbers = in;
	if (!skip_numbers(&in, &head))
		return errmsg_set(err, -EPROTO, "revision: cut short");
	code = parse_conf(&in, &conf, err);
	if (code)
		return code;
	r = matches(&head, conf) ? revision_new(conf) : NULL;
	if (!r) {
		conf_free(conf);
		return errmsg_set(err, -EPROTO, "revision: its numbers are not its text's");
	}
	r->number = head.number;
	r->tickets = head.tickets;
	if (!take_numbers(&numbers, r) || !ids_ok(r) || !take_pairs(&in, r)) {
		revision_free(r);
		return errmsg_set(err, -EPROTO, "revision: damaged");
	}
	r->blob = data;
	r->blob_bytes = len;
	*ret = r;
	return 0;
}
