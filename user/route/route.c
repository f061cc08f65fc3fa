/* SPDX-License-Identifier: BSD-2-Clause */
#include "route.h"

#include <errno.h>
#include <stdlib.h>

#include "../http/uri.h"
#include "index.h"

#define HOST_MAX_BYTES 255 /* no DNS name is longer; it bounds labels and the copy that is folded */
#define LABELS_MAX     (HOST_MAX_BYTES / 2 + 1)
#define ANY_HOST       0 /* number of the host of routes that name none */

/* Spaces of the index of hosts. */
enum { SPACE_EXACT, SPACE_WILDCARD };

struct route_table {
	struct route *routes;
	struct index hosts; /* folded names, hashed from the end; wildcards as ".example.com" */
	struct index paths; /* space: 2 * host for prefixes, + 1 for exact paths */
	uint32_t n_hosts;
	size_t longest_path; /* of all in paths: nothing beyond is looked at */
	char *text;	     /* folded hosts and normalised paths: the keys */
	size_t text_len;
};

static uint64_t hash_forward(struct str s)
{
	uint64_t hash = INDEX_HASH;

	for (size_t i = 0; i < s.len; i++)
		hash = index_hash_add(hash, s.ptr[i]);
	return hash;
}

static uint64_t hash_backward(struct str s)
{
	uint64_t hash = INDEX_HASH;

	for (size_t i = s.len; i > 0; i--)
		hash = index_hash_add(hash, s.ptr[i - 1]);
	return hash;
}

static char fold(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool on_listener(const struct conf_route *r, const char *listener)
{
	for (size_t i = 0; i < r->n_listeners; i++) {
		if (strcmp(r->listeners[i], listener) == 0)
			return true;
	}
	return r->n_listeners == 0;
}

/* The number of a host of the file, given out at its first use. */
static uint32_t host_number(struct route_table *t, const char *host)
{
	bool wildcard = host[0] == '*' && host[1] == '.';
	const char *from = wildcard ? host + 1 : host;
	struct str key = { t->text + t->text_len, strlen(from) };

	if (key.len > 1 && from[key.len - 1] == '.')
		key.len--;
	for (size_t i = 0; i < key.len; i++)
		t->text[t->text_len++] = fold(from[i]);
	uint32_t number = index_put(&t->hosts, wildcard ? SPACE_WILDCARD : SPACE_EXACT,
				    hash_backward(key), key, t->n_hosts);

	if (number == t->n_hosts)
		t->n_hosts++;
	return number;
}

/* Of two routes for the same host and path the first in the file stays. */
static int add_path(struct route_table *t, uint32_t host, const char *path, uint32_t route)
{
	bool exact = path[0] == '=';
	char *normal = t->text + t->text_len;
	int len = uri_normalize(str_of(exact ? path + 1 : path), normal);

	if (len < 0)
		return len;
	struct str key = { normal, (size_t)len };

	t->text_len += key.len + 1;
	if (key.len > t->longest_path)
		t->longest_path = key.len;
	index_put(&t->paths, host * 2 + exact, hash_forward(key), key, route);
	return 0;
}

static int add_route(struct route_table *t, const struct conf_route *r, uint32_t number)
{
	size_t n_hosts = r->n_hosts ? r->n_hosts : 1;
	size_t n_paths = r->n_paths ? r->n_paths : 1;

	for (size_t i = 0; i < n_hosts; i++) {
		uint32_t host = r->n_hosts ? host_number(t, r->hosts[i]) : ANY_HOST;

		for (size_t j = 0; j < n_paths; j++) {
			int err = add_path(t, host, r->n_paths ? r->paths[j] : "/", number);

			if (err)
				return err;
		}
	}
	return 0;
}

/* Bytes of keys, and entries, that a route can make at most. */
static void measure(const struct conf_route *r, size_t *text, size_t *hosts, size_t *paths)
{
	size_t path_bytes = 2; /* "/" */

	for (size_t j = 0; j < r->n_paths; j++)
		path_bytes += strlen(r->paths[j]) + 1;
	for (size_t i = 0; i < r->n_hosts; i++)
		*text += strlen(r->hosts[i]);
	*text += path_bytes * (r->n_hosts + 1);
	*hosts += r->n_hosts;
	*paths += (r->n_hosts + 1) * (r->n_paths + 1);
}

static int fill(struct route_table *t, const struct conf *conf, const char *listener)
{
	size_t text = 0, hosts = 0, paths = 0;

	for (size_t i = 0; i < conf->n_routes; i++)
		measure(&conf->routes[i], &text, &hosts, &paths);
	t->text = malloc(text + 1);
	if (!t->text || index_init(&t->hosts, hosts) || index_init(&t->paths, paths))
		return -ENOMEM;
	for (size_t i = 0; i < conf->n_routes; i++) {
		t->routes[i].conf = &conf->routes[i];
		t->routes[i].index = (uint32_t)i;
		if (!on_listener(&conf->routes[i], listener))
			continue;
		int err = add_route(t, &conf->routes[i], (uint32_t)i);

		if (err)
			return err;
	}
	return 0;
}

int route_table_new(const struct conf *conf, const char *listener, struct route *routes,
		    struct route_table **ret)
{
	struct route_table *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->routes = routes;
	t->n_hosts = ANY_HOST + 1;
	int err = fill(t, conf, listener);

	if (err) {
		route_table_free(t);
		return err;
	}
	*ret = t;
	return 0;
}

void route_table_free(struct route_table *t)
{
	if (!t)
		return;
	index_clear(&t->hosts);
	index_clear(&t->paths);
	free(t->text);
	free(t);
}

/*
 * The route of a path among those of one host. One pass: the hash of each prefix falls out on the
 * way, and is looked up where a prefix of the file may end: at the end, behind a '/', before one.
 */
static uint32_t match_path(const struct route_table *t, uint32_t host, struct str path)
{
	uint64_t hash = INDEX_HASH;
	uint32_t best = INDEX_NONE;
	size_t len = 0;

	for (;; len++) {
		bool boundary = len == path.len || path.ptr[len] == '/' ||
				(len > 0 && path.ptr[len - 1] == '/');

		if (len > 0 && boundary) {
			uint32_t hit = index_get(&t->paths, host * 2, hash,
						 (struct str) { path.ptr, len });

			if (hit != INDEX_NONE)
				best = hit;
		}
		if (len == path.len || len == t->longest_path)
			break;
		hash = index_hash_add(hash, path.ptr[len]);
	}
	if (len == path.len) {
		uint32_t exact = index_get(&t->paths, host * 2 + 1, hash, path);

		if (exact != INDEX_NONE)
			return exact;
	}
	return best;
}

/* Host without port and the root's dot, folded; 0 when it is too long to be one of ours. */
static size_t fold_host(struct str host, char out[HOST_MAX_BYTES])
{
	const char *from =
		host.len && host.ptr[0] == '[' ? memchr(host.ptr, ']', host.len) : host.ptr;
	const char *colon = from ? memchr(from, ':', (size_t)(host.ptr + host.len - from)) : NULL;
	size_t len = colon ? (size_t)(colon - host.ptr) : host.len;

	if (len > 1 && host.ptr[len - 1] == '.')
		len--;
	if (len > HOST_MAX_BYTES)
		return 0;
	for (size_t i = 0; i < len; i++)
		out[i] = fold(host.ptr[i]);
	return len;
}

/* Numbers of the hosts of the file that a name belongs to, least specific first. */
static size_t match_hosts(const struct route_table *t, struct str name,
			  uint32_t ret[LABELS_MAX + 2])
{
	uint64_t hash = INDEX_HASH;
	size_t n = 0;

	ret[n++] = ANY_HOST;
	for (size_t i = name.len; i > 0; i--) {
		hash = index_hash_add(hash, name.ptr[i - 1]);
		/* A wildcard stands for at least one byte: ".example.com" alone is no match. */
		if (name.ptr[i - 1] != '.' || i == 1)
			continue;
		uint32_t wild = index_get(&t->hosts, SPACE_WILDCARD, hash,
					  (struct str) { name.ptr + i - 1, name.len - i + 1 });

		if (wild != INDEX_NONE && n <= LABELS_MAX)
			ret[n++] = wild;
	}
	uint32_t exact = index_get(&t->hosts, SPACE_EXACT, hash, name);

	if (exact != INDEX_NONE)
		ret[n++] = exact;
	return n;
}

const struct route *route_match(const struct route_table *t, struct str host, struct str path)
{
	char folded[HOST_MAX_BYTES];
	uint32_t hosts[LABELS_MAX + 2];
	struct str name = { folded, fold_host(host, folded) };

	for (size_t n = match_hosts(t, name, hosts); n > 0; n--) {
		uint32_t route = match_path(t, hosts[n - 1], path);

		if (route != INDEX_NONE)
			return &t->routes[route];
	}
	return NULL;
}
