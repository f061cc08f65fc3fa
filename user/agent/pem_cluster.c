/* SPDX-License-Identifier: BSD-2-Clause */
#include "pem_cluster.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "feed_file.h"
#include "host_files.h"

static void complain(const struct conf_cluster *c, const struct conf_place *at, const char *setting,
		     const char *what, struct conf_errors *errors)
{
	conf_errors_add(errors, at->line, at->column, "clusters[%s].tls.%s: %s",
			c->name ? c->name : "?", setting, what);
}

void pem_cluster_name(struct revision *r)
{
	for (size_t i = 0; i < r->conf->n_clusters; i++) {
		if (r->cluster_pairs[i])
			r->cluster_pairs[i]->name = r->conf->clusters[i].tls.certificate;
		if (r->cluster_authorities[i])
			r->cluster_authorities[i]->name = r->conf->clusters[i].tls.ca;
	}
}

static int read_authority(const char *path, struct buf *to, size_t *ret_len, struct errmsg *err)
{
	CLEANUP_FREE char *text = NULL;
	int code = feed_file_read(path, HOST_FILES_PEM_MAX_BYTES, &text, ret_len, err);

	if (code)
		return code;
	return *ret_len && buf_add(to, text, *ret_len)
		       ? errmsg_set(err, -EFBIG, "%s: too large", path)
		       : 0;
}

bool pem_cluster_read(struct revision *r, const struct pem_source *source, struct buf *to)
{
	const struct tls_pair *last = NULL;
	struct errmsg err;

	for (size_t i = 0; i < r->conf->n_clusters; i++) {
		const struct conf_upstream_tls *tls = &r->conf->clusters[i].tls;
		struct tls_pair *p = r->cluster_pairs[i];

		if (p && (pem_read_file(tls->certificate, source, to, &p->certificate_len, &err) ||
			  pem_read_file(tls->key, source, to, &p->key_len, &err)))
			return false;
	}
	for (size_t i = 0; i < r->conf->n_clusters; i++) {
		struct tls_pair *p = r->cluster_authorities[i];

		if (!p || (last && p <= last))
			continue; /* read for a cluster before: they stand in the order of the first */
		if (read_authority(p->name, to, &p->certificate_len, &err))
			return false;
		last = p;
	}
	return true;
}

static bool try_pair(const struct conf_cluster *c, const struct tls_pair *pair,
		     struct pem_checked *checked, struct conf_errors *errors)
{
	struct errmsg err = { "not usable" };
	int ret = pem_checked_try(checked, pair, &err);
	bool is_key = ret == -EKEYREJECTED;

	if (ret)
		complain(c, is_key ? &c->tls.key_place : &c->tls.certificate_place,
			 is_key ? "key" : "certificate", err.text, errors);
	return !ret;
}

static bool try_authority(const struct conf_cluster *c, const char *text, size_t len,
			  struct conf_errors *errors)
{
	struct errmsg why = { "not usable" }, err;
	struct tls_client *client;
	int ret = tls_client_new(true, text, len, &client, &why);

	if (!ret) {
		tls_client_unref(client);
		return true;
	}
	errmsg_set(&err, ret, "%s: %s", c->tls.ca, why.text);
	complain(c, &c->tls.ca_place, "ca", err.text, errors);
	return false;
}

bool pem_cluster_try(const struct revision *r, struct pem_checked *checked,
		     struct conf_errors *errors)
{
	const struct tls_pair *last = NULL;
	bool good = true;

	for (size_t i = 0; i < r->conf->n_clusters; i++) {
		const struct conf_cluster *c = &r->conf->clusters[i];
		const struct tls_pair *ca = r->cluster_authorities[i];

		if (r->cluster_pairs[i])
			good &= try_pair(c, r->cluster_pairs[i], checked, errors);
		if (!ca || (last && ca <= last))
			continue;
		good &= try_authority(c, ca->certificate, ca->certificate_len, errors);
		last = ca;
	}
	return good;
}

static void check_pair(const struct conf_cluster *c, const struct pem_source *source,
		       struct conf_errors *errors)
{
	struct tls_pair pair = { .name = c->tls.certificate };
	struct errmsg err = { "cannot open" };
	struct buf files;

	buf_init_secret(&files, 4 * HOST_FILES_PEM_MAX_BYTES);
	if (pem_read_file(c->tls.certificate, source, &files, &pair.certificate_len, &err)) {
		complain(c, &c->tls.certificate_place, "certificate", err.text, errors);
	} else if (pem_read_file(c->tls.key, source, &files, &pair.key_len, &err)) {
		complain(c, &c->tls.key_place, "key", err.text, errors);
	} else {
		pair.certificate = buf_head(&files);
		pair.key = pair.certificate + pair.certificate_len;
		try_pair(c, &pair, NULL, errors);
	}
	buf_clear(&files);
}

static void check_authority(const struct conf_cluster *c, struct conf_errors *errors)
{
	CLEANUP_FREE char *text = NULL;
	struct errmsg err = { "cannot open" };
	size_t len;

	if (feed_file_read(c->tls.ca, HOST_FILES_PEM_MAX_BYTES, &text, &len, &err))
		complain(c, &c->tls.ca_place, "ca", err.text, errors);
	else
		try_authority(c, text, len, errors);
}

void pem_cluster_check(const struct conf *conf, const struct pem_source *source,
		       struct conf_errors *errors)
{
	for (size_t i = 0; i < conf->n_clusters; i++) {
		const struct conf_cluster *c = &conf->clusters[i];

		/* the configuration may have errors of its own: what it could not say is NULL */
		if (c->tls.certificate && c->tls.key)
			check_pair(c, source, errors);
		if (c->tls.min_version && c->tls.verify && c->tls.ca)
			check_authority(c, errors);
	}
}
