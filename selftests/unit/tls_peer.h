/* SPDX-License-Identifier: BSD-2-Clause */
/* A stream of ours with TLS below it, and OpenSSL's client at the other end of a loopback connection. */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>

#include "event/loop.h"
#include "net/stream.h"
#include "tls/tls.h"

#define TLS_PEER_BUF_MAX   65536U
#define TLS_PEER_TURNS_MAX 200000

struct tls_peer {
	struct loop *loop;
	struct timer guard;
	struct tls_context *ctx;
	struct stream stream;
	SSL_CTX *client_ctx;
	SSL *client;
	int client_fd;
	size_t out_max; /* of the stream; 0: TLS_PEER_BUF_MAX */
	unsigned int opens, ends, closes;
	int end_err;
	size_t received;
	bool echo, hold;
};

/* Setup and teardown of a test: a loop and a context with all of tls_pems; no connection yet. */
int tls_peer_setup(void **state);
int tls_peer_teardown(void **state);

void tls_peer_open(struct tls_peer *f);
void tls_peer_close(struct tls_peer *f);
int tls_peer_connect(struct tls_peer *f); /* the handshake: 1 done, 0 refused */
size_t tls_peer_read(struct tls_peer *f, void *data, size_t n); /* the client; 0 at its end */
/* Send and get it back; also lets the client see its tickets. */
void tls_peer_echo(struct tls_peer *f, const char *text);
/* Connect with this name (NULL: none) and see whose certificate serves. */
void tls_peer_expect(struct tls_peer *f, const char *sni, const char *cn);
/* n keys that are first, first + 1, … throughout. */
void tls_peer_tickets(struct tls_tickets *t, uint32_t n, uint8_t first);

#define TLS_PEER_UNTIL(f, condition)                          \
	for (int t_ = 0; !(condition); t_++) {                \
		assert_true(t_ < TLS_PEER_TURNS_MAX);         \
		assert_int_equal(loop_turn((f)->loop, 1), 0); \
	}

#define TLS_PEER_TEST(name) cmocka_unit_test_setup_teardown(name, tls_peer_setup, tls_peer_teardown)
