/* SPDX-License-Identifier: BSD-2-Clause */
#include "pem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "host_files.h"
#include "pem_cluster.h"

#define PEM_TOTAL_MAX_BYTES (64U << 20)

static int read_all(int fd, const char *path, struct buf *to, size_t *ret_len, struct errmsg *err)
{
	size_t total = 0;

	for (;;) {
		char *room = buf_reserve(to, 4096);
		ssize_t n;

		if (!room || total > HOST_FILES_PEM_MAX_BYTES)
			return errmsg_set(err, -EFBIG, "%s: too large", path);
		n = read(fd, room, 4096);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errmsg_set(err, -errno, "%s: cannot read: %s", path,
					  strerror(errno));
		if (n == 0)
			break;
		buf_commit(to, (size_t)n);
		total += (size_t)n;
	}
	*ret_len = total;
	return 0;
}

static void complain(const struct conf_listener *l, size_t k, bool is_key, const char *what,
		     struct conf_errors *errors)
{
	const struct conf_certificate *c = &l->certificates[k];
	const struct conf_place *at = is_key ? &c->key_place : &c->certificate_place;

	conf_errors_add(errors, at->line, at->column, "listeners[%s].certificates[%zu].%s: %s",
			l->name ? l->name : "?", k, is_key ? "key" : "certificate", what);
}

static void complain_auth(const struct conf_listener *l, bool is_crl, const char *what,
			  struct conf_errors *errors)
{
	const struct conf_client_auth *a = &l->client_auth;
	const struct conf_place *at = is_crl ? &a->crl_place : &a->ca_place;
	const char *path = is_crl ? a->crl : a->ca;

	if (!path) /* not what clients are checked by, but how TLS is spoken */
		conf_errors_add(errors, 0, 0, "listeners[%s].tls: %s", l->name ? l->name : "?",
				what);
	else
		conf_errors_add(errors, at->line, at->column, "listeners[%s].client_auth.%s: %s",
				l->name ? l->name : "?", is_crl ? "crl" : "ca", what);
}

int pem_read_file(const char *path, const struct pem_source *source, struct buf *to,
		  size_t *ret_len, struct errmsg *err)
{
	CLEANUP_FD int fd = source->open(path, err, source->ctx);

	return fd < 0 ? fd : read_all(fd, path, to, ret_len, err);
}

/* Append one of the pair's files. NULL: the configuration could not say which. */
static bool read_half(const struct conf_listener *l, size_t k, bool is_key,
		      const struct pem_source *source, struct buf *to, size_t *ret_len,
		      struct conf_errors *errors)
{
	const char *path = is_key ? l->certificates[k].key : l->certificates[k].certificate;
	struct errmsg err = { "cannot open" };

	if (!path)
		return false;
	if (pem_read_file(path, source, to, ret_len, &err) == 0)
		return true;
	complain(l, k, is_key, err.text, errors);
	return false;
}

/* As the workers will build it, one pair at a time: each that is wrong is to be named. */
static bool try_pair(const struct conf_listener *l, size_t k, const struct tls_pair *pair,
		     struct pem_checked *checked, struct conf_errors *errors)
{
	struct errmsg err = { "not usable" };
	int ret = pem_checked_try(checked, pair, &err);

	if (ret)
		complain(l, k, ret == -EKEYREJECTED, err.text, errors);
	return !ret;
}

static void check_pair(const struct conf_listener *l, size_t k, const struct pem_source *source,
		       struct conf_errors *errors)
{
	struct tls_pair pair = { .name = l->certificates[k].certificate };
	struct buf files;
	bool certificate, key;

	buf_init_secret(&files, 4 * HOST_FILES_PEM_MAX_BYTES);
	certificate = read_half(l, k, false, source, &files, &pair.certificate_len, errors);
	if (!certificate) { /* what came of it must not be taken for the key */
		buf_clear(&files);
		buf_init_secret(&files, 2 * HOST_FILES_PEM_MAX_BYTES);
	}
	key = read_half(l, k, true, source, &files, &pair.key_len, errors);
	if (certificate && key) {
		pair.certificate = buf_head(&files);
		pair.key = pair.certificate + pair.certificate_len;
		try_pair(l, k, &pair, NULL, errors);
	}
	buf_clear(&files);
}

static bool has_auth(const struct conf_listener *l)
{
	return l->client_auth.mode != CONF_CLIENT_AUTH_OFF && l->client_auth.ca;
}

/* Would TLS take what the listener says of it? Pairs are tried one by one, by themselves. */
static bool try_policy(const struct conf_listener *l, const struct tls_pair *authorities,
		       struct conf_errors *errors)
{
	struct errmsg err = { "not usable" };
	struct tls_policy_text text;
	int ret;

	if (!l->n_certificates || (l->client_auth.mode != CONF_CLIENT_AUTH_OFF && !has_auth(l)))
		return true; /* it speaks none, or conf has said what is missing */
	tls_policy_make(l, authorities, &text);
	ret = tls_policy_check(&text.policy, &err);
	if (ret)
		complain_auth(l, ret == -EKEYREJECTED, err.text, errors);
	return !ret;
}

/* Append what the listener's clients are checked by. */
static bool read_auth(const struct conf_listener *l, const struct pem_source *source,
		      struct buf *to, struct tls_pair *ret, struct conf_errors *errors)
{
	struct errmsg err = { "cannot open" };

	if (!has_auth(l))
		return true;
	if (pem_read_file(l->client_auth.ca, source, to, &ret->certificate_len, &err)) {
		if (errors)
			complain_auth(l, false, err.text, errors);
		return false;
	}
	if (!l->client_auth.crl ||
	    pem_read_file(l->client_auth.crl, source, to, &ret->key_len, &err) == 0)
		return true;
	if (errors)
		complain_auth(l, true, err.text, errors);
	return false;
}

static void check_auth(const struct conf_listener *l, const struct pem_source *source,
		       struct conf_errors *errors)
{
	struct tls_pair authorities = { .name = "" };
	struct buf files;

	buf_init(&files, 4 * HOST_FILES_PEM_MAX_BYTES);
	if (read_auth(l, source, &files, &authorities, errors)) {
		authorities.certificate = buf_head(&files);
		/* buf_head: NULL of an empty one */
		if (authorities.certificate)
			authorities.key = authorities.certificate + authorities.certificate_len;
		try_policy(l, &authorities, errors);
	}
	buf_clear(&files);
}

void pem_check(const struct conf *conf, const struct pem_source *source, struct conf_errors *errors)
{
	for (size_t i = 0; i < conf->n_listeners; i++) {
		for (size_t k = 0; k < conf->listeners[i].n_certificates; k++)
			check_pair(&conf->listeners[i], k, source, errors);
		check_auth(&conf->listeners[i], source, errors);
	}
	pem_cluster_check(conf, source, errors);
	conf_errors_sort(errors);
}

/* The paths belong to the configuration, which the revision has. */
static void name_pairs(struct revision *r)
{
	for (size_t i = 0; i < r->conf->n_listeners; i++) {
		for (size_t k = 0; k < r->conf->listeners[i].n_certificates; k++)
			r->pairs[i][k].name = r->conf->listeners[i].certificates[k].certificate;
		if (has_auth(&r->conf->listeners[i]))
			r->authorities[i].name = r->conf->listeners[i].client_auth.ca;
	}
	pem_cluster_name(r);
}

/* false: one of them, at least, cannot be read. */
static bool read_pairs(struct revision *r, const struct pem_source *source, struct buf *to)
{
	struct errmsg err;

	for (size_t i = 0; i < r->conf->n_listeners; i++) {
		const struct conf_listener *l = &r->conf->listeners[i];

		for (size_t k = 0; k < l->n_certificates; k++) {
			const struct conf_certificate *c = &l->certificates[k];
			struct tls_pair *p = &r->pairs[i][k];

			if (pem_read_file(c->certificate, source, to, &p->certificate_len, &err) ||
			    pem_read_file(c->key, source, to, &p->key_len, &err))
				return false;
		}
	}
	for (size_t i = 0; i < r->conf->n_listeners; i++) { /* behind all pairs of listeners */
		if (!read_auth(&r->conf->listeners[i], source, to, &r->authorities[i], NULL))
			return false;
	}
	return pem_cluster_read(r, source, to);
}

/* The texts lie in the blob in the order in which they were read. */
static void point(struct revision *r)
{
	const char *at = r->blob;

	for (size_t i = 0; i < r->n_pairs; i++) {
		r->flat_pairs[i].certificate = at;
		at += r->flat_pairs[i].certificate_len;
		r->flat_pairs[i].key = at;
		at += r->flat_pairs[i].key_len;
	}
}

static bool try_pairs(const struct revision *r, struct pem_checked *checked,
		      struct conf_errors *errors)
{
	bool good = true;

	for (size_t i = 0; i < r->conf->n_listeners; i++) {
		const struct conf_listener *l = &r->conf->listeners[i];

		for (size_t k = 0; k < l->n_certificates; k++)
			good &= try_pair(l, k, &r->pairs[i][k], checked, errors);
		good &= try_policy(l, &r->authorities[i], errors);
	}
	good &= pem_cluster_try(r, checked, errors);
	pem_checked_settle(checked, good);
	return good;
}

int pem_load(struct revision *r, const struct pem_source *source, struct pem_checked *checked,
	     struct conf_errors *errors)
{
	const size_t before = errors->n + errors->suppressed;
	struct buf files;
	bool read;

	name_pairs(r);
	buf_init_secret(&files, PEM_TOTAL_MAX_BYTES);
	read = read_pairs(r, source, &files);
	r->blob_bytes = buf_len(&files);
	r->blob = malloc(r->blob_bytes ? r->blob_bytes : 1);
	if (r->blob && r->blob_bytes)
		memcpy(r->blob, buf_head(&files), r->blob_bytes);
	buf_clear(&files);
	if (!r->blob)
		return -ENOMEM;
	if (read) {
		point(r);
		return try_pairs(r, checked, errors) ? 0 : -EINVAL;
	}
	pem_check(r->conf, source, errors);	      /* once more, one by one: it names them all */
	if (errors->n + errors->suppressed == before) /* all of them together, or one came back */
		conf_errors_add(errors, 0, 0,
				"certificates and keys cannot be read; together they "
				"have at most %u MiB",
				PEM_TOTAL_MAX_BYTES >> 20);
	return -EINVAL;
}

int pem_copy(const struct revision *from, struct revision *to)
{
	size_t bytes = 0;
	char *at;

	if (from->n_pairs != to->n_pairs)
		return -EINVAL;
	for (size_t i = 0; i < from->n_pairs; i++)
		bytes += from->flat_pairs[i].certificate_len + from->flat_pairs[i].key_len;
	to->blob = at = malloc(bytes ? bytes : 1);
	if (!at)
		return -ENOMEM;
	to->blob_bytes = bytes;
	for (size_t i = 0; i < from->n_pairs; i++) {
		const struct tls_pair *p = &from->flat_pairs[i];

		memcpy(at, p->certificate, p->certificate_len);
		memcpy(at + p->certificate_len, p->key, p->key_len);
		at += p->certificate_len + p->key_len;
		to->flat_pairs[i].certificate_len = p->certificate_len;
		to->flat_pairs[i].key_len = p->key_len;
	}
	name_pairs(to);
	point(to);
	return 0;
}

bool pem_differ(const struct revision *a, const struct revision *b)
{
	if (a->n_pairs != b->n_pairs)
		return true;
	for (size_t i = 0; i < a->n_pairs; i++) {
		const struct tls_pair *x = &a->flat_pairs[i], *y = &b->flat_pairs[i];

		if (x->certificate_len != y->certificate_len || x->key_len != y->key_len ||
		    memcmp(x->certificate, y->certificate, x->certificate_len) != 0 ||
		    memcmp(x->key, y->key, x->key_len) != 0)
			return true;
	}
	return false;
}
