/* SPDX-License-Identifier: BSD-2-Clause */
/* What a listener asks of TLS: versions, ciphers, groups, names, sessions, certificates of clients. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "base/metric.h"
#include "tls_peer.h"
#include "tls_pems.h"

static SSL_SESSION *kept_session;

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	SSL_SESSION_free(kept_session);
	kept_session = session;
	return 1;
}

/* From here on the server's context has this policy; ticket keys are the same each time. */
static void use_policy(struct tls_peer *f, const struct tls_policy *policy)
{
	struct tls_pair pairs[] = {
		tls_pems_pair("ecdsa", tls_pems.ecdsa.cert, tls_pems.ecdsa.key),
		tls_pems_pair("rsa", tls_pems.rsa_same.cert, tls_pems.rsa_same.key),
		tls_pems_pair("wild", tls_pems.wild.cert, tls_pems.wild.key),
	};
	struct tls_tickets tickets;
	struct tls_cache *cache;
	struct errmsg err;

	tls_peer_tickets(&tickets, 2, 'k');
	tls_context_unref(f->ctx);
	assert_int_equal(tls_cache_new(&cache), 0);
	if (tls_context_new_from(cache, pairs, 3, policy, &tickets, &f->ctx, &err))
		fail_msg("%s", err.text);
	tls_cache_unref(cache);
}

/* The handshake once: 1 done, 0 refused. Closed again, unless it was done and keep. */
static int shake_hands(struct tls_peer *f, const char *sni, bool keep)
{
	int done;

	tls_peer_close(f);
	tls_peer_open(f);
	if (sni)
		SSL_set_tlsext_host_name(f->client, sni);
	done = tls_peer_connect(f);
	if (done && !keep)
		tls_peer_close(f);
	return done;
}

static void versions_are_those_of_the_policy(void **state)
{
	struct tls_policy policy = TLS_POLICY_DEFAULT;
	struct tls_peer *f = *state;

	policy.max_version = TLS1_2_VERSION;
	use_policy(f, &policy);
	assert_int_equal(shake_hands(f, NULL, true), 1);
	assert_int_equal(SSL_version(f->client), TLS1_2_VERSION);
	SSL_CTX_set_min_proto_version(f->client_ctx, TLS1_3_VERSION);
	assert_int_equal(shake_hands(f, NULL, false), 0);
	SSL_CTX_set_min_proto_version(f->client_ctx, TLS1_2_VERSION);
	policy = TLS_POLICY_DEFAULT;
	policy.min_version = TLS1_3_VERSION;
	use_policy(f, &policy);
	assert_int_equal(shake_hands(f, NULL, true), 1);
	assert_int_equal(SSL_version(f->client), TLS1_3_VERSION);
	SSL_CTX_set_max_proto_version(f->client_ctx, TLS1_2_VERSION);
	assert_int_equal(shake_hands(f, NULL, false), 0);
}

static void ciphers_suites_and_groups_are_those_of_the_policy(void **state)
{
	struct tls_policy policy = TLS_POLICY_DEFAULT;
	struct tls_peer *f = *state;

	policy.ciphers = "ECDHE-RSA-AES256-GCM-SHA384";
	policy.suites = "TLS_CHACHA20_POLY1305_SHA256";
	policy.groups = "P-384:X25519";
	use_policy(f, &policy);
	assert_int_equal(shake_hands(f, NULL, true), 1);
	assert_string_equal(SSL_get_cipher(f->client), "TLS_CHACHA20_POLY1305_SHA256");
	SSL_CTX_set_max_proto_version(f->client_ctx, TLS1_2_VERSION);
	assert_int_equal(shake_hands(f, NULL, true), 1);
	assert_string_equal(SSL_get_cipher(f->client), "ECDHE-RSA-AES256-GCM-SHA384");
	assert_int_equal(SSL_get_negotiated_group(f->client), NID_secp384r1);
	SSL_CTX_set_cipher_list(f->client_ctx, "ECDHE-ECDSA-AES128-GCM-SHA256");
	assert_int_equal(shake_hands(f, NULL, false), 0);
}

static void lists_that_openssl_does_not_know_are_refused(void **state)
{
	struct tls_policy policy = TLS_POLICY_DEFAULT;
	struct errmsg err;

	(void)state;
	assert_int_equal(tls_policy_check(&policy, &err), 0);
	policy.ciphers = "no-such-cipher";
	assert_int_equal(tls_policy_check(&policy, &err), -EINVAL);
	assert_non_null(strstr(err.text, "ciphers"));
	policy = TLS_POLICY_DEFAULT;
	policy.groups = "P-1";
	assert_int_equal(tls_policy_check(&policy, &err), -EINVAL);
	assert_non_null(strstr(err.text, "groups"));
	assert_int_equal(ERR_peek_error(), 0);
}

static int last_alert;

static void on_info(const SSL *ssl, int where, int value)
{
	(void)ssl;
	if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT)
		last_alert = value & 0xff;
}

static void strict_names_refuse_what_no_certificate_has(void **state)
{
	uint64_t before = metric_page->counter[METRIC_TLS_UNKNOWN_NAMES];
	struct tls_policy policy = TLS_POLICY_DEFAULT;
	struct tls_peer *f = *state;

	SSL_CTX_set_info_callback(f->client_ctx, on_info);
	policy.strict_names = true;
	use_policy(f, &policy);
	assert_int_equal(shake_hands(f, "a.example", false), 1);
	assert_int_equal(shake_hands(f, "x.wild.example", false), 1);
	assert_int_equal(metric_page->counter[METRIC_TLS_UNKNOWN_NAMES] - before, 0);
	assert_int_equal(shake_hands(f, "unknown.example", false), 0);
	(void)SSL_connect(f->client); /* reads what has come */
	ERR_clear_error();
	assert_int_equal(last_alert, SSL_AD_UNRECOGNIZED_NAME);
	assert_int_equal(shake_hands(f, NULL, false), 0);
	assert_int_equal(metric_page->counter[METRIC_TLS_UNKNOWN_NAMES] - before, 2);
}

/* Does a connection with this session resume it? */
static bool resumes(struct tls_peer *f, SSL_SESSION *session)
{
	bool reused;

	tls_peer_close(f);
	tls_peer_open(f);
	if (session) { /* OpenSSL's client marks a session that it has used */
		SSL_SESSION *copy = SSL_SESSION_dup(session);

		SSL_set_session(f->client, copy);
		SSL_SESSION_free(copy);
	}
	assert_int_equal(tls_peer_connect(f), 1);
	tls_peer_echo(f, "x"); /* tickets of TLS 1.3 have come */
	reused = SSL_session_reused(f->client);
	SSL_shutdown(f->client);
	tls_peer_close(f);
	return reused;
}

static SSL_SESSION *take_session(void)
{
	SSL_SESSION *session = kept_session;

	kept_session = NULL;
	assert_non_null(session);
	return session;
}

static void keep_sessions(struct tls_peer *f)
{
	SSL_CTX_set_session_cache_mode(f->client_ctx, SSL_SESS_CACHE_CLIENT);
	SSL_CTX_sess_set_new_cb(f->client_ctx, keep_session);
}

static void drop_kept(void)
{
	SSL_SESSION_free(kept_session);
	kept_session = NULL;
}

static void sessions_live_as_long_as_the_policy_says(void **state)
{
	struct tls_policy policy = TLS_POLICY_DEFAULT;
	struct tls_peer *f = *state;
	SSL_SESSION *session;

	keep_sessions(f);
	policy.lifetime_s = 600;
	use_policy(f, &policy);
	assert_false(resumes(f, NULL));
	session = take_session();
	assert_int_equal(SSL_SESSION_get_ticket_lifetime_hint(session), 600);
	SSL_SESSION_free(session);
	policy.lifetime_s = 0;
	use_policy(f, &policy);
	assert_false(resumes(f, NULL));
	assert_true(!kept_session || !SSL_SESSION_has_ticket(kept_session));
	drop_kept();
}

static void check_bound(struct tls_peer *f, int version)
{
	struct tls_policy policy = TLS_POLICY_DEFAULT;
	SSL_SESSION *session;

	SSL_CTX_set_min_proto_version(f->client_ctx, version);
	SSL_CTX_set_max_proto_version(f->client_ctx, version);
	use_policy(f, &policy);
	assert_false(resumes(f, NULL));
	session = take_session();
	use_policy(f,
		   &policy); /* another context, of another cache, but the same policy and keys */
	assert_true(resumes(f, session));
	policy.client_auth = TLS_CLIENT_AUTH_OPTIONAL;
	policy.ca = tls_pems.ecdsa.cert;
	policy.ca_len = strlen(policy.ca);
	use_policy(f, &policy);
	assert_false(resumes(f, session));
	SSL_SESSION_free(session);
	session = take_session();
	assert_true(resumes(f, session));
	/* other authorities: who was trusted has to show it again */
	policy.ca = tls_pems.other.cert;
	policy.ca_len = strlen(policy.ca);
	use_policy(f, &policy);
	assert_false(resumes(f, session));
	SSL_SESSION_free(session);
	drop_kept();
}

static void no_session_is_resumed_under_another_policy(void **state)
{
	keep_sessions(*state);
	check_bound(*state, TLS1_3_VERSION);
	check_bound(*state, TLS1_2_VERSION);
}

static void show_certificate(struct tls_peer *f, const struct tls_pem *pem)
{
	BIO *cert = BIO_new_mem_buf(pem->cert, -1), *key = BIO_new_mem_buf(pem->key, -1);
	X509 *x = PEM_read_bio_X509(cert, NULL, NULL, NULL);
	EVP_PKEY *k = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);

	assert_int_equal(SSL_CTX_use_certificate(f->client_ctx, x), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(f->client_ctx, k), 1);
	X509_free(x);
	EVP_PKEY_free(k);
	BIO_free(cert);
	BIO_free(key);
}

/* A list by this authority of the certificate with serial number 1, or of none. */
static char *make_crl(const struct tls_pem *pem, bool revoked, long until_s)
{
	BIO *cert = BIO_new_mem_buf(pem->cert, -1), *key = BIO_new_mem_buf(pem->key, -1);
	X509 *x = PEM_read_bio_X509(cert, NULL, NULL, NULL);
	EVP_PKEY *k = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);
	ASN1_TIME *from = X509_gmtime_adj(NULL, -DAY_S), *until = X509_gmtime_adj(NULL, until_s);
	BIO *out = BIO_new(BIO_s_mem());
	X509_CRL *crl = X509_CRL_new();

	X509_CRL_set_version(crl, X509_CRL_VERSION_2);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(x));
	X509_CRL_set1_lastUpdate(crl, from);
	X509_CRL_set1_nextUpdate(crl, until);
	if (revoked) {
		X509_REVOKED *row = X509_REVOKED_new();

		X509_REVOKED_set_serialNumber(row, X509_get_serialNumber(x));
		X509_REVOKED_set_revocationDate(row, from);
		X509_CRL_add0_revoked(crl, row);
	}
	X509_CRL_sort(crl);
	assert_true(X509_CRL_sign(crl, k, EVP_sha256()) > 0);
	PEM_write_bio_X509_CRL(out, crl);
	X509_CRL_free(crl);
	ASN1_TIME_free(from);
	ASN1_TIME_free(until);
	X509_free(x);
	EVP_PKEY_free(k);
	BIO_free(cert);
	BIO_free(key);
	return tls_pems_text(out);
}

static struct tls_policy asking(uint8_t mode)
{
	struct tls_policy policy = TLS_POLICY_DEFAULT;

	policy.client_auth = mode;
	policy.depth = 4;
	policy.ca = tls_pems.other.cert;
	policy.ca_len = strlen(policy.ca);
	return policy;
}

static uint64_t refused(void)
{
	return metric_page->counter[METRIC_TLS_CLIENT_CERTS_REFUSED];
}

/* In TLS 1.3 a client is done before the server has looked at its certificate. */
static void expect_refused(struct tls_peer *f, const char *why)
{
	uint64_t before = refused();
	struct tls_info info;

	tls_peer_close(f);
	tls_peer_open(f);
	(void)tls_peer_connect(f);
	TLS_PEER_UNTIL(f, f->ends);
	assert_int_equal(f->opens, 0);
	assert_int_equal(f->end_err, -EPROTO);
	assert_int_equal(refused() - before, 1);
	tls_info(&f->stream, &info);
	assert_string_equal(info.failure, why);
	assert_int_equal(ERR_peek_error(), 0);
}

static void check_certificates(struct tls_peer *f, int version)
{
	struct tls_policy policy = asking(TLS_CLIENT_AUTH_REQUIRED);
	SSL_CTX *bare = f->client_ctx;

	SSL_CTX_set_min_proto_version(f->client_ctx, version);
	SSL_CTX_set_max_proto_version(f->client_ctx, version);
	use_policy(f, &policy);
	expect_refused(f, "peer did not return a certificate");
	policy = asking(TLS_CLIENT_AUTH_OPTIONAL);
	use_policy(f, &policy);
	assert_int_equal(shake_hands(f, NULL, false), 1);
	/* one that verifies, and one that does not, which is refused although none would not be */
	f->client_ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_min_proto_version(f->client_ctx, version);
	SSL_CTX_set_max_proto_version(f->client_ctx, version);
	show_certificate(f, &tls_pems.other);
	assert_int_equal(shake_hands(f, NULL, true), 1);
	tls_peer_echo(f, "known");
	show_certificate(f, &tls_pems.ecdsa);
	expect_refused(f, "self-signed certificate");
	tls_peer_close(f);
	SSL_CTX_free(f->client_ctx);
	f->client_ctx = bare;
}

static void certificates_of_clients_are_checked(void **state)
{
	check_certificates(*state, TLS1_3_VERSION);
	check_certificates(*state, TLS1_2_VERSION);
}

static void who_is_revoked_does_not_get_in(void **state)
{
	struct tls_policy policy = asking(TLS_CLIENT_AUTH_REQUIRED);
	char *nobody = make_crl(&tls_pems.other, false, DAY_S);
	char *everybody = make_crl(&tls_pems.other, true, DAY_S);
	struct tls_peer *f = *state;

	show_certificate(f, &tls_pems.other);
	policy.crl = nobody;
	policy.crl_len = strlen(nobody);
	use_policy(f, &policy);
	assert_int_equal(shake_hands(f, NULL, false), 1);
	policy.crl = everybody;
	policy.crl_len = strlen(everybody);
	use_policy(f, &policy);
	expect_refused(f, "certificate revoked");
	free(nobody);
	free(everybody);
}

static void expect_bad(struct tls_policy *policy, int code, const char *what)
{
	struct errmsg err = { "" };

	assert_int_equal(tls_policy_check(policy, &err), code);
	if (!strstr(err.text, what))
		fail_msg("\"%s\" is not in \"%s\"", what, err.text);
	assert_int_equal(ERR_peek_error(), 0);
}

static void bad_files_are_named(void **state)
{
	struct tls_policy policy = asking(TLS_CLIENT_AUTH_REQUIRED);
	char *old = make_crl(&tls_pems.other, false, -1);
	char *crl = make_crl(&tls_pems.other, false, DAY_S);
	char *cut = strdup(tls_pems.other.cert);

	(void)state;
	strcpy(cut + strlen(cut) / 2, "\n");
	policy.ca = "";
	policy.ca_len = 0;
	expect_bad(&policy, -EINVAL, "there is no certificate of an authority");
	policy.ca = cut;
	policy.ca_len = strlen(cut);
	expect_bad(&policy, -EINVAL, "an authority does not parse");
	policy = asking(TLS_CLIENT_AUTH_REQUIRED);
	policy.crl = old;
	policy.crl_len = strlen(old);
	expect_bad(&policy, -EKEYREJECTED, "past its next update");
	policy.crl = tls_pems.other.cert;
	policy.crl_len = strlen(policy.crl);
	expect_bad(&policy, -EKEYREJECTED, "there is no CRL");
	strcpy(crl + strlen(crl) / 2, "\n");
	policy.crl = crl;
	policy.crl_len = strlen(crl);
	expect_bad(&policy, -EKEYREJECTED, "a CRL does not parse");
	free(old);
	free(crl);
	free(cut);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TLS_PEER_TEST(versions_are_those_of_the_policy),
		TLS_PEER_TEST(ciphers_suites_and_groups_are_those_of_the_policy),
		cmocka_unit_test(lists_that_openssl_does_not_know_are_refused),
		TLS_PEER_TEST(strict_names_refuse_what_no_certificate_has),
		TLS_PEER_TEST(sessions_live_as_long_as_the_policy_says),
		TLS_PEER_TEST(no_session_is_resumed_under_another_policy),
		TLS_PEER_TEST(certificates_of_clients_are_checked),
		TLS_PEER_TEST(who_is_revoked_does_not_get_in),
		cmocka_unit_test(bad_files_are_named),
	};

	return cmocka_run_group_tests(tests, tls_pems_setup, tls_pems_teardown);
}
