/* SPDX-License-Identifier: BSD-2-Clause */
#include "quic_secret.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#define FILE_MAX_BYTES 4096
#define LABEL	       "QUIC-LB KEY"

/* One key between BEGIN and END; what is around them is not looked at. */
static int decode(const char *text, size_t len, uint8_t ret[QUIC_KEY_BYTES], struct errmsg *err)
{
	BIO *bio = BIO_new_mem_buf(text, (int)len);
	char *name = NULL, *header = NULL;
	unsigned char *data = NULL;
	long bytes = 0;
	int e = 0;

	if (!bio || !PEM_read_bio(bio, &name, &header, &data, &bytes))
		e = errmsg_set(err, -EINVAL, "is not PEM");
	else if (strcmp(name, LABEL) != 0)
		e = errmsg_set(err, -EINVAL, "is not a " LABEL);
	else if (bytes != QUIC_KEY_BYTES)
		e = errmsg_set(err, -EINVAL, "has %ld bytes of key; AES-128 takes %d", bytes,
			       QUIC_KEY_BYTES);
	else
		memcpy(ret, data, QUIC_KEY_BYTES);
	if (data)
		OPENSSL_cleanse(data, (size_t)bytes);
	OPENSSL_free(data);
	OPENSSL_free(header);
	OPENSSL_free(name);
	BIO_free(bio);
	ERR_clear_error(); /* else the next to ask would find what is not its */
	return e;
}

static int read_key(const char *path, const struct pem_source *source, uint8_t ret[QUIC_KEY_BYTES],
		    struct errmsg *err)
{
	CLEANUP_FD int fd = source->open(path, err, source->ctx);
	char text[FILE_MAX_BYTES];
	struct errmsg why;
	ssize_t n;
	int e;

	if (fd < 0)
		return fd;
	n = pread(fd, text, sizeof(text), 0); /* a regular file: all of it, or as much as fits */
	if (n < 0)
		return errmsg_set(err, -errno, "%s: cannot read: %s", path, strerror(errno));
	e = n == sizeof(text) ? errmsg_set(&why, -EFBIG, "is too long for a key")
			      : decode(text, (size_t)n, ret, &why);
	explicit_bzero(text, sizeof(text));
	return e ? errmsg_set(err, e, "%s: %s", path, why.text) : 0;
}

static const struct conf_quic *find(const struct conf *conf, const char *path)
{
	for (size_t i = 0; conf && i < conf->n_vips; i++) {
		for (size_t j = 0; j < conf->vips[i].n_quic; j++) {
			const struct conf_quic *q = &conf->vips[i].quic[j];

			if (q->has_secret && strcmp(q->key, path) == 0)
				return q;
		}
	}
	return NULL;
}

/* false, and an error at its place. */
static bool load_one(const struct conf_vip *v, size_t k, const struct pem_source *source,
		     uint8_t ret[QUIC_KEY_BYTES], struct conf_errors *errors)
{
	const struct conf_quic *q = &v->quic[k];
	struct errmsg err = { "cannot open" };

	if (read_key(q->key, source, ret, &err) == 0)
		return true;
	conf_errors_add(errors, q->key_place.line, q->key_place.column,
			"vips[%s].quic[%zu].key: %s", v->name ? v->name : "?", k, err.text);
	return false;
}

int quic_secret_load(struct conf *conf, const struct conf *was, const struct pem_source *source,
		     struct conf_errors *errors)
{
	bool good = true;

	for (size_t i = 0; i < conf->n_vips; i++) {
		for (size_t k = 0; k < conf->vips[i].n_quic; k++) {
			struct conf_quic *q = &conf->vips[i].quic[k];
			const struct conf_quic *known = q->key ? find(was, q->key) : NULL;

			if (!q->key)
				continue;
			if (known)
				memcpy(q->secret, known->secret, sizeof(q->secret));
			q->has_secret =
				known || load_one(&conf->vips[i], k, source, q->secret, errors);
			good &= q->has_secret;
		}
	}
	return good ? 0 : -EINVAL;
}

void quic_secret_check(const struct conf *conf, const struct pem_source *source,
		       struct conf_errors *errors)
{
	uint8_t key[QUIC_KEY_BYTES];

	for (size_t i = 0; i < conf->n_vips; i++) {
		for (size_t k = 0; k < conf->vips[i].n_quic; k++) {
			if (conf->vips[i].quic[k].key)
				load_one(&conf->vips[i], k, source, key, errors);
		}
	}
	explicit_bzero(key, sizeof(key));
	conf_errors_sort(errors);
}

bool quic_secret_differ(const struct conf *a, const struct conf *b)
{
	for (size_t i = 0; i < a->n_vips && i < b->n_vips; i++) {
		const struct conf_vip *x = &a->vips[i], *y = &b->vips[i];

		for (size_t k = 0; k < x->n_quic && k < y->n_quic; k++) {
			if (x->quic[k].has_secret != y->quic[k].has_secret ||
			    CRYPTO_memcmp(x->quic[k].secret, y->quic[k].secret, QUIC_KEY_BYTES))
				return true;
		}
	}
	return false;
}
