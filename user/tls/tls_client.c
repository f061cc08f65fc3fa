/* SPDX-License-Identifier: BSD-2-Clause */
#include "tls_client.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "../base/addr.h"
#include "tls_cert.h"

struct tls_client {
	unsigned int refs; /* not atomic: a process has one thread */
	SSL_CTX *ctx;
	bool verify;
};

/* All certificates of the text; what stands between them is skipped, as OpenSSL does. */
static int add_authorities(SSL_CTX *ctx, const char *ca, size_t len, struct errmsg *err)
{
	BIO *bio = BIO_new_mem_buf(ca, (int)len);
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	int n = 0, ret = bio ? 0 : -ENOMEM;
	X509 *cert;

	while (!ret && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		if (X509_STORE_add_cert(store, cert) != 1)
			ret = errmsg_set(err, -EINVAL, "certificate %d is not usable", n + 1);
		X509_free(cert);
		n++;
	}
	/* The end of the text is no error; a certificate that is cut or mangled is. */
	if (!ret && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		ret = errmsg_set(err, -EINVAL, "certificate %d does not parse", n + 1);
	if (!ret && !n)
		ret = errmsg_set(err, -EINVAL, "has no certificate");
	BIO_free(bio);
	ERR_clear_error();
	return ret;
}

/* One chain and its key, checked as a listener's are. */
static int add_pair(SSL_CTX *ctx, const struct tls_pair *pair, struct errmsg *err)
{
	struct tls_cert cert;
	int code = tls_cert_load(pair, &cert, err);

	if (code)
		return code;
	if (SSL_CTX_use_cert_and_key(ctx, cert.leaf, cert.key, cert.chain, 1) != 1)
		code = errmsg_set(err, -EINVAL, "OpenSSL does not take it");
	tls_cert_clear(&cert);
	return code;
}

static int set_up_trust(struct tls_client *c, const struct tls_pair *ca, struct errmsg *err)
{
	SSL_CTX_set_verify(c->ctx, c->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	if (!c->verify)
		return 0;
	if (ca)
		return add_authorities(c->ctx, ca->certificate, ca->certificate_len, err);
	if (SSL_CTX_set_default_verify_paths(c->ctx) != 1)
		return errmsg_set(err, -EINVAL, "the system's authorities cannot be read");
	return 0;
}

static int set_up(struct tls_client *c, const struct tls_client_setup *setup, struct errmsg *err)
{
	static const unsigned char http1[] = "\x08http/1.1";
	int code;

	SSL_CTX_set_options(c->ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_mode(c->ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(c->ctx, tls_session_on_new);
	if (SSL_CTX_set_min_proto_version(c->ctx, setup->min_version ? setup->min_version
								     : TLS1_2_VERSION) != 1)
		return errmsg_set(err, -ENOMEM, "no memory for a TLS context");
	if (setup->alpn_http1 && SSL_CTX_set_alpn_protos(c->ctx, http1, sizeof(http1) - 1) != 0)
		return errmsg_set(err, -ENOMEM, "no memory for a TLS context");
	code = set_up_trust(c, setup->authority, err);
	return code || !setup->pair ? code : add_pair(c->ctx, setup->pair, err);
}

int tls_client_new_from(const struct tls_client_setup *setup, struct tls_client **ret,
			struct errmsg *err)
{
	struct tls_client *c = calloc(1, sizeof(*c));
	int code = -ENOMEM;

	if (c) {
		c->refs = 1;
		c->verify = setup->verify;
		c->ctx = SSL_CTX_new(TLS_client_method());
	}
	if (c && c->ctx)
		code = set_up(c, setup, err);
	else
		errmsg_set(err, code, "no memory for a TLS context");
	ERR_clear_error();
	if (code) {
		tls_client_unref(c);
		return code;
	}
	*ret = c;
	return 0;
}

int tls_client_new(bool verify, const char *ca, size_t len, struct tls_client **ret,
		   struct errmsg *err)
{
	const struct tls_pair authority = { .certificate = ca, .certificate_len = len };
	const struct tls_client_setup setup = { .verify = verify,
						.authority = ca ? &authority : NULL };

	return tls_client_new_from(&setup, ret, err);
}

void tls_client_sha256(const struct tls_client_setup *setup, uint8_t ret[TLS_PAIR_HASH_BYTES])
{
	static const struct tls_pair none;
	struct {
		uint8_t pair[TLS_PAIR_HASH_BYTES], authority[TLS_PAIR_HASH_BYTES];
		uint16_t min_version;
		bool verify, alpn_http1, has_pair, has_authority;
	} all;

	memset(&all, 0, sizeof(all)); /* padding is hashed too */
	tls_pair_sha256(setup->pair ? setup->pair : &none, all.pair);
	tls_pair_sha256(setup->authority ? setup->authority : &none, all.authority);
	all.min_version = setup->min_version;
	all.verify = setup->verify;
	all.alpn_http1 = setup->alpn_http1;
	all.has_pair = setup->pair != NULL;
	all.has_authority = setup->authority != NULL;
	SHA256((const unsigned char *)&all, sizeof(all), ret);
}

struct tls_client *tls_client_ref(struct tls_client *c)
{
	c->refs++;
	return c;
}

void tls_client_unref(struct tls_client *c)
{
	if (!c || --c->refs)
		return;
	SSL_CTX_free(c->ctx);
	free(c);
}

SSL *tls_client_ssl(struct tls_client *c, const char *name, struct tls_session *session)
{
	SSL *ssl = SSL_new(c->ctx);
	struct addr a;
	int ok;

	if (!ssl)
		return NULL;
	if (addr_parse(name, &a) == 0) /* RFC 6066 s3: literal addresses are no server names */
		ok = !c->verify || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name);
	else
		ok = SSL_set_tlsext_host_name(ssl, name) == 1 &&
		     (!c->verify || SSL_set1_host(ssl, name) == 1);
	if (ok && session)
		tls_session_use(session, ssl);
	if (ok)
		return ssl;
	SSL_free(ssl);
	return NULL;
}
