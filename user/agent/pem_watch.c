/* SPDX-License-Identifier: BSD-2-Clause */
#include "pem_watch.h"

#include <sys/stat.h>

#include "base/cleanup.h"

#define PATHS_MAX 3 /* of one cluster */

static uint64_t mix(uint64_t h, uint64_t x)
{
	h = (h ^ x) * 0x9e3779b97f4a7c15ULL;
	return h ^ (h >> 29);
}

/* Another file, another content, or another reason why there is none. */
static uint64_t stamp(uint64_t h, const char *path, const struct pem_source *source)
{
	struct errmsg err;
	struct stat st;
	CLEANUP_FD int fd = source->open(path, &err, source->ctx);

	if (fd < 0 || fstat(fd, &st))
		return mix(h, (uint64_t)(int64_t)fd);
	h = mix(mix(h, st.st_dev), st.st_ino);
	h = mix(mix(h, (uint64_t)st.st_size), (uint64_t)st.st_mtim.tv_sec);
	return mix(h, (uint64_t)st.st_mtim.tv_nsec);
}

/* The paths in their order: skip counts down to the one that is wanted. NULL: there are not as many. */
static const char *listener_path(const struct conf_listener *l, size_t *skip)
{
	const bool asks = l->client_auth.mode != CONF_CLIENT_AUTH_OFF;
	const char *auth[] = { asks ? l->client_auth.ca : NULL, asks ? l->client_auth.crl : NULL };

	if (*skip < 2 * l->n_certificates) {
		const struct conf_certificate *c = &l->certificates[*skip / 2];

		return *skip % 2 ? c->key : c->certificate;
	}
	*skip -= 2 * l->n_certificates;
	for (size_t i = 0; i < 2; i++) {
		if (auth[i] && (*skip)-- == 0)
			return auth[i];
	}
	return NULL;
}

static const char *cluster_path(const struct conf_cluster *c, size_t *skip)
{
	const char *paths[PATHS_MAX] = { c->tls.certificate, c->tls.key, c->tls.ca };

	for (size_t i = 0; i < PATHS_MAX; i++) {
		if (paths[i] && (*skip)-- == 0)
			return paths[i];
	}
	return NULL;
}

static const char *path_at(const struct conf *conf, size_t skip)
{
	const char *path = NULL;

	for (size_t i = 0; !path && i < conf->n_listeners; i++)
		path = listener_path(&conf->listeners[i], &skip);
	for (size_t i = 0; !path && i < conf->n_clusters; i++)
		path = cluster_path(&conf->clusters[i], &skip);
	return path;
}

bool pem_watch_turn(struct pem_watch *w, const struct conf *conf, const struct pem_source *source)
{
	const char *path = NULL;
	uint64_t before = w->seen;

	for (int i = 0; i < PEM_WATCH_FILES; i++) {
		path = path_at(conf, w->at);
		if (!path)
			break;
		w->round = stamp(w->round, path, source);
		w->at++;
	}
	if (path) /* the next turn goes on */
		return false;
	w->seen = w->at ? w->round | 1 : 0; /* never 0 */
	w->at = 0;
	w->round = 0;
	if (!w->seen || w->seen != before || w->seen == w->settled)
		return false;
	w->settled = w->seen;
	return true;
}
