/* SPDX-License-Identifier: BSD-2-Clause */
/* Accepting: TLS, handshakes that do not come, descriptors that are used up. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/metric.h"
#include "gateway/conn.h"
#include "gateway/gateway_state.h"
#include "gateway_world.h"
#include "tls_pems.h"

#define SECURE	SECURE_WITHIN("60ms")
#define PATIENT SECURE_WITHIN("10s")
#define SECURE_WITHIN(time)                                                                   \
	"listeners: [{name: web, address: 127.0.0.1, port: 443, handshake_timeout: " time "," \
	" certificates: [{certificate: /a, key: /b}]}]\n"                                     \
	"clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"]}]\n"                            \
	"routes: [{name: all, cluster: app}]\n"
#define PLAIN                                                      \
	"listeners: [{name: web, address: 127.0.0.1, port: 80}]\n" \
	"clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"]}]\n" \
	"routes: [{name: all, cluster: app}]\n"
#define GET "GET / HTTP/1.1\r\nHost: h\r\n\r\n"

/* OpenSSL's client on the peer's socket. */
struct secure {
	struct peer peer;
	SSL_CTX *ctx;
	SSL *ssl;
};

static void secure_start(struct world *w, struct tls_pair *pair)
{
	*pair = tls_pems_pair("a", tls_pems.ecdsa.cert, tls_pems.ecdsa.key);
	*w = (struct world) { .pair = pair };
	world_start(w, SECURE);
}

static void secure_connect(struct secure *s, struct world *w)
{
	peer_connect(&s->peer, w);
	s->ctx = SSL_CTX_new(TLS_client_method());
	s->ssl = SSL_new(s->ctx);
	assert_non_null(s->ssl);
	assert_int_equal(SSL_set_fd(s->ssl, s->peer.fd), 1);
	WORLD_WAIT(w, SSL_connect(s->ssl) == 1);
}

static void secure_read(struct secure *s, char *text, size_t max)
{
	size_t n = 0, got;

	memset(text, 0, max);
	WORLD_WAIT(s->peer.w, ({
			   if (SSL_read_ex(s->ssl, text + n, max - 1 - n, &got))
				   n += got;
			   strstr(text, "\r\n\r\n") != NULL;
		   }));
}

static void secure_close(struct secure *s)
{
	SSL_free(s->ssl);
	SSL_CTX_free(s->ctx);
	peer_close(&s->peer);
}

static void requests_come_over_tls_too(void **state)
{
	struct tls_pair pair;
	struct world w;
	struct secure s;
	struct peer e;
	char text[2048];
	uint64_t before = metric_page->counter[METRIC_TLS_HANDSHAKES];

	(void)state;
	secure_start(&w, &pair);
	secure_connect(&s, &w);
	assert_int_equal(SSL_write(s.ssl, GET, strlen(GET)), strlen(GET));
	peer_accept(&e, &w, 0);
	assert_string_equal(head_field(peer_head(&e), "X-Forwarded-Proto"), "https");
	peer_send(&e, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	secure_read(&s, text, sizeof(text));
	assert_int_equal(strncmp(text, "HTTP/1.1 200 ", 13), 0);
	world_expect_log(&w, "\"tls\":\"TLSv1.3\"");
	assert_int_equal(metric_page->counter[METRIC_TLS_HANDSHAKES] - before, 1);
	/* a change of certificates leaves the connection alone */
	pair = tls_pems_pair("b", tls_pems.other.cert, tls_pems.other.key);
	assert_int_equal(world_apply(&w, SECURE), 0);
	assert_int_equal(SSL_write(s.ssl, GET, strlen(GET)), strlen(GET));
	peer_head(&e);
	peer_send(&e, "HTTP/1.1 204 No Content\r\n\r\n");
	secure_read(&s, text, sizeof(text));
	assert_int_equal(strncmp(text, "HTTP/1.1 204 ", 13), 0);
	secure_close(&s);
	peer_close(&e);
	world_stop(&w);
}

static void a_drain_does_not_wait_for_a_handshake_that_never_began(void **state)
{
	struct tls_pair pair;
	struct world w;
	struct peer silent, begun;
	uint64_t begin_ns = clock_now_ns();

	(void)state;
	secure_start(&w, &pair);
	assert_int_equal(world_apply(&w, PATIENT), 0);
	peer_connect(&silent, &w);
	peer_connect(&begun, &w);
	WORLD_WAIT(&w, gateway_connections(w.gateway) == 2);
	gateway_drain(w.gateway, NULL, NULL);
	peer_send_n(&begun, "\x16\x03\x01\x02\x00", 5); /* the head of a record to come */
	peer_expect_end(&silent);
	assert_true(clock_now_ns() - begin_ns < 5000 * NS_PER_MS);
	peer_expect_silence(&begun); /* it has its time, as ever */
	peer_close(&silent);
	peer_close(&begun);
	world_stop(&w);
}

static void a_certificate_that_does_not_load_changes_nothing(void **state)
{
	struct tls_pair pair;
	struct world w;
	struct secure s;

	(void)state;
	secure_start(&w, &pair);
	pair = tls_pems_pair("bad", tls_pems.other.cert, tls_pems.ecdsa.key);
	assert_int_equal(world_apply(&w, SECURE), -EKEYREJECTED);
	assert_int_equal(gateway_revision(w.gateway), 1);
	secure_connect(&s, &w);
	secure_close(&s);
	world_stop(&w);
}

static void who_does_not_shake_hands_is_closed(void **state)
{
	struct tls_pair pair;
	struct world w;
	struct peer c;
	uint64_t slow = metric_page->counter[METRIC_TIMEOUTS_CLIENT];
	uint64_t failed = metric_page->counter[METRIC_TLS_HANDSHAKE_FAILURES];

	(void)state;
	secure_start(&w, &pair);
	/* silence */
	peer_connect(&c, &w);
	WORLD_WAIT(&w, (peer_receive(&c), c.ended || c.err));
	peer_close(&c);
	/* clear text */
	peer_connect(&c, &w);
	peer_send(&c, GET);
	WORLD_WAIT(&w, (peer_receive(&c), c.ended || c.err));
	peer_close(&c);
	assert_int_equal(metric_page->counter[METRIC_TIMEOUTS_CLIENT] - slow, 1);
	assert_int_equal(metric_page->counter[METRIC_TLS_HANDSHAKE_FAILURES] - failed, 1);
	WORLD_WAIT(&w, gateway_connections(w.gateway) == 0);
	world_stop(&w);
}

static void without_descriptors_it_waits_and_goes_on(void **state)
{
	struct world w = { 0 };
	struct peer c, e;
	struct rlimit full, low;
	unsigned int turns = 0;
	uint64_t begin;
	int fill[64], n = 0;

	(void)state;
	world_start(&w, PLAIN);
	peer_connect(&c, &w); /* in the backlog; accepting it needs a descriptor */
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &full), 0);
	low = full;
	low.rlim_cur = 64;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	while (n < 64 && (fill[n] = open("/dev/null", O_RDONLY)) >= 0)
		n++;
	assert_int_equal(errno, EMFILE);
	/* 50 ms in which the loop must wait, not spin */
	for (begin = clock_now_ns(); clock_now_ns() - begin < 50 * NS_PER_MS; turns++)
		assert_int_equal(loop_turn(w.loop, 10), 0);
	assert_true(turns < 20);
	assert_int_equal(gateway_connections(w.gateway), 0);
	while (n)
		close(fill[--n]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &full), 0);
	/* no new event tells of the client that waits */
	WORLD_WAIT(&w, gateway_connections(w.gateway) == 1);
	peer_send(&c, GET);
	peer_accept(&e, &w, 0);
	peer_head(&e);
	peer_close(&e);
	peer_close(&c);
	world_stop(&w);
}

static void hundreds_are_accepted_from_one_event(void **state)
{
	struct world w = { 0 };
	struct peer c[300];

	(void)state;
	world_start(&w, PLAIN);
	for (int i = 0; i < 300; i++)
		peer_connect(&c[i], &w); /* more than the share of a turn, without a turn */
	WORLD_WAIT(&w, gateway_connections(w.gateway) == 300);
	for (int i = 0; i < 300; i++)
		peer_close(&c[i]);
	WORLD_WAIT(&w, gateway_connections(w.gateway) == 0);
	world_stop(&w);
}

static void an_idle_connection_holds_no_buffers(void **state)
{
	struct world w = { 0 };
	struct peer c;

	(void)state;
	world_start(&w, PLAIN);
	peer_connect(&c, &w);
	peer_send(&c, "GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n");
	peer_head(&c);
	peer_take(&c, strtoul(head_field(c.head, "Content-Length"), NULL, 10));
	peer_expect_silence(&c);
	assert_null(w.gateway->conns->stream.in.data);
	assert_null(w.gateway->conns->stream.out.data);
	peer_close(&c);
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_come_over_tls_too),
		cmocka_unit_test(a_drain_does_not_wait_for_a_handshake_that_never_began),
		cmocka_unit_test(a_certificate_that_does_not_load_changes_nothing),
		cmocka_unit_test(who_does_not_shake_hands_is_closed),
		cmocka_unit_test(without_descriptors_it_waits_and_goes_on),
		cmocka_unit_test(hundreds_are_accepted_from_one_event),
		cmocka_unit_test(an_idle_connection_holds_no_buffers),
	};

	return cmocka_run_group_tests(tests, tls_pems_setup, tls_pems_teardown);
}
