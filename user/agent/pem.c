/* SPDX-License-Identifier: BSD-2-Clause */
#include "pem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "host_files.h"

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

static size_t complain(const struct pem_source *source, const struct conf_listener *l,
		       const char *what)
{
	char text[640];

	snprintf(text, sizeof(text), "listeners[%s].certificates: %s", l->name, what);
	source->on_error(text, source->ctx);
	return 1;
}

static size_t read_file(const char *path, const struct conf_listener *l,
			const struct pem_source *source, struct buf *to, size_t *ret_len)
{
	struct errmsg err = { "cannot open" };
	CLEANUP_FD int fd = source->open(path, &err, source->ctx);

	if (fd < 0 || read_all(fd, path, to, ret_len, &err))
		return complain(source, l, err.text);
	return 0;
}

/* The paths belong to the configuration, which the revision has. */
static void name_pairs(struct revision *r)
{
	for (size_t i = 0; i < r->conf->n_listeners; i++) {
		for (size_t k = 0; k < r->conf->listeners[i].n_certificates; k++)
			r->pairs[i][k].name = r->conf->listeners[i].certificates[k].certificate;
	}
}

static size_t read_pairs(struct revision *r, const struct pem_source *source, struct buf *to)
{
	size_t errors = 0;

	for (size_t i = 0; i < r->conf->n_listeners; i++) {
		const struct conf_listener *l = &r->conf->listeners[i];

		for (size_t k = 0; k < l->n_certificates; k++) {
			const struct conf_certificate *c = &l->certificates[k];
			struct tls_pair *p = &r->pairs[i][k];

			errors += read_file(c->certificate, l, source, to, &p->certificate_len);
			errors += read_file(c->key, l, source, to, &p->key_len);
		}
	}
	return errors;
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

static size_t try_contexts(const struct revision *r, const struct pem_source *source)
{
	size_t errors = 0;

	for (size_t i = 0; i < r->conf->n_listeners; i++) {
		const struct conf_listener *l = &r->conf->listeners[i];
		struct tls_context *ctx;
		struct errmsg err = { "not usable" };

		if (!l->n_certificates)
			continue;
		if (tls_context_new(r->pairs[i], l->n_certificates, &r->tickets, &ctx, &err))
			errors += complain(source, l, err.text);
		else
			tls_context_unref(ctx);
	}
	return errors;
}

size_t pem_load(struct revision *r, const struct pem_source *source)
{
	struct buf files;
	size_t errors;

	name_pairs(r);
	buf_init_secret(&files, PEM_TOTAL_MAX_BYTES);
	errors = read_pairs(r, source, &files);
	r->blob_bytes = buf_len(&files);
	r->blob = malloc(r->blob_bytes ? r->blob_bytes : 1);
	if (!r->blob) {
		source->on_error("out of memory", source->ctx);
		errors++;
	} else if (r->blob_bytes) {
		memcpy(r->blob, buf_head(&files), r->blob_bytes);
		explicit_bzero(buf_head(&files), r->blob_bytes);
	}
	buf_clear(&files);
	if (errors)
		return errors;
	point(r);
	return try_contexts(r, source);
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
