/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <string.h>

#include "tls_ticket.h"

#define NAME_BYTES 16
#define AES_BYTES  32
#define MAC_BYTES  32
#define IV_BYTES   16

_Static_assert(NAME_BYTES + AES_BYTES + MAC_BYTES == TLS_TICKET_KEY_BYTES, "ticket key layout");

static EVP_CIPHER *cipher; /* fetched once: the lookup costs more than the encryption */
static const struct tls_tickets *(*tickets_of)(SSL *ssl);

static const uint8_t *find_key(const struct tls_tickets *t, const unsigned char *name)
{
	for (uint32_t i = 0; i < t->n; i++) {
		if (memcmp(t->key[i], name, NAME_BYTES) == 0)
			return t->key[i];
	}
	return NULL;
}

static int init_mac(EVP_MAC_CTX *mac, const uint8_t *key)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, sizeof(digest) - 1),
		OSSL_PARAM_END,
	};

	return EVP_MAC_init(mac, key + NAME_BYTES + AES_BYTES, MAC_BYTES, params) == 1;
}

/* Returns as SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 1, 2 renew it, 0 full handshake, -1 fail. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *crypt,
		     EVP_MAC_CTX *mac, int encrypt)
{
	const struct tls_tickets *tickets = tickets_of(ssl);
	const uint8_t *key;

	if (!tickets->n)
		return 0;
	if (encrypt) {
		key = tickets->key[0];
		memcpy(name, key, NAME_BYTES);
		if (RAND_bytes(iv, IV_BYTES) != 1)
			return -1;
		if (EVP_EncryptInit_ex2(crypt, cipher, key + NAME_BYTES, iv, NULL) != 1)
			return -1;
		return init_mac(mac, key) ? 1 : -1;
	}
	key = find_key(tickets, name);
	if (!key)
		return 0;
	if (!init_mac(mac, key) ||
	    EVP_DecryptInit_ex2(crypt, cipher, key + NAME_BYTES, iv, NULL) != 1)
		return -1;
	/* clients use a TLS 1.3 ticket once (RFC 8446 appendix C.4): they need the next one */
	return key == tickets->key[0] && SSL_version(ssl) < TLS1_3_VERSION ? 1 : 2;
}

int tls_ticket_use(SSL_CTX *ctx, const struct tls_tickets *(*keys_of)(SSL *ssl))
{
	if (!cipher)
		cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
	if (!cipher)
		return -ENOMEM;
	tickets_of = keys_of;
	return SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket) == 1 ? 0 : -ENOMEM;
}
