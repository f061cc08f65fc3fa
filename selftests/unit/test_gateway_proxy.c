/* SPDX-License-Identifier: BSD-2-Clause */
/* The PROXY protocol at listeners: who is believed, and what an announced address is good for. */
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "base/metric.h"
#include "gateway_world.h"
#include "sluice/abi/presence.h"
#include "tls_pems.h"

#define LISTENER(more, certificates)                                                          \
	"listeners: [{name: web, address: 127.0.0.1, port: 80, proxy_protocol: {" more "}"    \
	", " certificates "}]\n"                                                              \
	"clusters: [{name: app, endpoints: [\"127.0.0.1:$0\"]}]\n"                            \
	"plans: [{name: p}]\n"                                                                \
	"consumers: [{name: c, plan: p, keys: [key-of-the-consumer-c]}]\n"                    \
	"routes: [{name: all, cluster: app},\n"                                               \
	"  {name: keys, paths: [/keys], cluster: app, policies: {api_key: {required: true}}}" \
	"]\n"
#define BELIEVED LISTENER("from: [127.0.0.0/8]", "")
#define GET	 "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
#define OK	 "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define V1	 "PROXY TCP4 192.0.2.7 198.51.100.2 1234 443\r\n"
#define V2_LOCAL "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"

static uint64_t refused(void)
{
	return metric_page->counter[METRIC_PROXY_REFUSED];
}

/* One request on c; whose it is for the endpoint. */
static void expect_client(struct world *w, struct peer *c, struct peer *e, const char *client)
{
	peer_send(c, GET);
	if (e->fd <= 0)
		peer_accept(e, w, 0);
	assert_string_equal(head_field(peer_head(e), "X-Forwarded-For"), client);
	peer_send(e, OK);
	peer_head(c);
}

static void the_announced_address_is_the_clients(void **state)
{
	struct world w = { 0 };
	struct peer c, e = { .fd = -1 };
	uint64_t before = metric_page->counter[METRIC_PROXY_ANNOUNCED];

	(void)state;
	world_start(&w, BELIEVED);
	peer_connect(&c, &w);
	peer_send(&c, V1);
	expect_client(&w, &c, &e, "192.0.2.7");
	expect_client(&w, &c, &e, "192.0.2.7"); /* the connection's, not the request's */
	world_expect_log(&w, "\"client\":\"192.0.2.7\",\"client_port\":1234,"
			     "\"proxy\":\"127.0.0.1\","
			     "\"local\":\"198.51.100.2\",\"local_port\":443");
	assert_int_equal(metric_page->counter[METRIC_PROXY_ANNOUNCED] - before, 1);
	peer_close(&c);
	peer_close(&e);
	world_stop(&w);
}

static void a_header_may_come_byte_by_byte(void **state)
{
	struct world w = { 0 };
	struct peer c, e = { .fd = -1 };

	(void)state;
	world_start(&w, BELIEVED);
	peer_connect(&c, &w);
	for (const char *at = V1; *at; at++) {
		peer_send_n(&c, at, 1);
		world_turn(&w);
	}
	expect_client(&w, &c, &e, "192.0.2.7");
	peer_close(&c);
	peer_close(&e);
	world_stop(&w);
}

static void a_connection_of_the_proxys_own_keeps_its_address(void **state)
{
	struct world w = { 0 };
	struct peer c, e = { .fd = -1 };

	(void)state;
	world_start(&w, BELIEVED);
	peer_connect(&c, &w);
	peer_send_n(&c, V2_LOCAL, sizeof(V2_LOCAL) - 1);
	expect_client(&w, &c, &e, "127.0.0.1");
	peer_close(&c);
	peer_close(&e);
	world_stop(&w);
}

static bool was_served(const struct world *w, const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	for (size_t i = 0; i < PRESENCE_SETS; i++) {
		for (size_t k = 0; k < PRESENCE_WAYS; k++) {
			const struct presence_entry *p = &w->presence->entry[i][k];

			if (p->consumer && addr_eq(&p->source, &a))
				return true;
		}
	}
	return false;
}

static void no_refusal_is_told_of_what_a_proxy_brings(void **state)
{
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	world_start(&w, BELIEVED);
	peer_connect(&c, &w);
	peer_send(&c, V1 "GET /keys HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(strncmp(peer_head(&c), "HTTP/1.1 401 ", 13), 0);
	peer_close(&c);
	/* nor where it speaks for itself */
	peer_connect(&c, &w);
	peer_send_n(&c, V2_LOCAL, sizeof(V2_LOCAL) - 1);
	peer_send(&c, "GET /keys HTTP/1.1\r\nHost: h\r\n\r\n");
	assert_int_equal(strncmp(peer_head(&c), "HTTP/1.1 401 ", 13), 0);
	peer_close(&c);
	assert_int_equal(w.n_refusals, 0);
	/* who was served protects both addresses */
	peer_connect(&c, &w);
	peer_send(&c,
		  V1 "GET /keys HTTP/1.1\r\nHost: h\r\nX-Api-Key: key-of-the-consumer-c\r\n\r\n");
	peer_accept(&e, &w, 0);
	peer_head(&e);
	assert_true(was_served(&w, "192.0.2.7"));
	assert_true(was_served(&w, "127.0.0.1"));
	peer_close(&c);
	peer_close(&e);
	world_stop(&w);
}

/* Send it and see the connection closed, counted once and logged with the reason. */
static void expect_refused(struct world *w, const char *bytes, size_t n, const char *reason)
{
	uint64_t before = refused();
	struct peer c;

	peer_connect(&c, w);
	peer_try_send(&c, bytes, n);
	WORLD_WAIT(w, (peer_receive(&c), c.ended || c.err));
	assert_int_equal(c.len, 0);
	assert_int_equal(refused() - before, 1);
	if (reason)
		world_expect_log(w, reason);
	peer_close(&c);
	WORLD_WAIT(w, gateway_connections(w->gateway) == 0);
}

static void without_a_header_a_proxy_is_refused(void **state)
{
	struct world w = { 0 };

	(void)state;
	world_start(&w, BELIEVED);
	expect_refused(&w, GET, strlen(GET), "there is no header");
	world_stop(&w);
	world_start(&w, BELIEVED);
	expect_refused(&w, "PROXY TCP4 a b c d\r\n", 20, "not an address of its family");
	expect_refused(&w, "PROXY TCP4 a b c d\r\n", 20, NULL);
	world_stop(&w);
	world_start(&w, LISTENER("from: [127.0.0.0/8], timeout: 30ms", ""));
	expect_refused(&w, "PROXY ", 6, "no header in time");
	world_stop(&w);
	world_start(&w, LISTENER("from: [192.0.2.0/24]", ""));
	expect_refused(&w, V1, strlen(V1), "not from a proxy that is trusted");
	world_stop(&w);
}

static void one_that_only_connects_did_nothing_wrong(void **state)
{
	struct world w = { 0 };
	struct peer c;
	uint64_t before = refused();

	(void)state;
	world_start(&w, BELIEVED);
	peer_connect(&c, &w);
	WORLD_WAIT(&w, gateway_connections(w.gateway) == 1);
	peer_close(&c);
	WORLD_WAIT(&w, gateway_connections(w.gateway) == 0);
	assert_int_equal(refused(), before);
	/* one that goes in the midst of it did */
	peer_connect(&c, &w);
	peer_send(&c, "PROXY TCP4");
	WORLD_WAIT(&w, gateway_connections(w.gateway) == 1);
	peer_close(&c);
	WORLD_WAIT(&w, gateway_connections(w.gateway) == 0);
	assert_int_equal(refused(), before + 1);
	world_stop(&w);
}

static void others_may_be_served_as_they_are(void **state)
{
	struct world w = { 0 };
	struct peer c, e = { .fd = -1 };

	(void)state;
	world_start(&w, LISTENER("from: [192.0.2.0/24], others: serve", ""));
	peer_connect(&c, &w);
	expect_client(&w, &c, &e, "127.0.0.1");
	peer_close(&c);
	/* and are not believed: it is a request line to them */
	peer_connect(&c, &w);
	peer_send(&c, V1 GET);
	assert_int_equal(strncmp(peer_head(&c), "HTTP/1.1 400 ", 13), 0);
	peer_close(&c);
	peer_connect(&c, &w);
	peer_send(&c, "GET /keys HTTP/1.1\r\nHost: h\r\n\r\n");
	peer_head(&c);
	assert_int_equal(w.n_refusals, 1); /* no proxy: it answers for itself */
	peer_close(&c);
	peer_close(&e);
	world_stop(&w);
}

static void where_it_is_not_required_a_request_may_come_first(void **state)
{
	struct world w = { 0 };
	struct peer c, e = { .fd = -1 };

	(void)state;
	world_start(&w, LISTENER("from: [127.0.0.0/8], required: false", ""));
	peer_connect(&c, &w);
	expect_client(&w, &c, &e, "127.0.0.1");
	peer_close(&c);
	peer_connect(&c, &w);
	peer_send(&c, V1);
	expect_client(&w, &c, &e, "192.0.2.7");
	peer_close(&c);
	peer_close(&e);
	world_stop(&w);
}

static void a_reload_changes_who_is_believed(void **state)
{
	struct world w = { 0 };
	struct peer c, e = { .fd = -1 };

	(void)state;
	world_start(&w, BELIEVED);
	peer_connect(&c, &w);
	peer_send(&c, V1);
	expect_client(&w, &c, &e, "192.0.2.7");
	assert_int_equal(world_apply(&w, LISTENER("from: [192.0.2.0/24]", "")), 0);
	expect_client(&w, &c, &e, "192.0.2.7"); /* a connection keeps what it began with */
	peer_close(&c);
	WORLD_WAIT(&w, gateway_connections(w.gateway) == 0);
	expect_refused(&w, V1, strlen(V1), NULL);
	peer_close(&e);
	world_stop(&w);
}

#define TELLING(version)                                                                      \
	"listeners: [{name: web, address: 127.0.0.1, port: 80}]\n"                            \
	"clusters: [{name: app, proxy_protocol: " version ", endpoints: [\"127.0.0.1:$0\"], " \
	"max_connections: 2, max_idle: 2}]\n"                                                 \
	"routes: [{name: all, cluster: app}]\n"

static uint16_t port_of(const struct peer *p)
{
	struct sockaddr_in in;
	socklen_t len = sizeof(in);

	assert_int_equal(getsockname(p->fd, (struct sockaddr *)&in, &len), 0);
	return ntohs(in.sin_port);
}

/* One request of c, told in a new connection. */
static void expect_told(struct world *w, struct peer *c, struct peer *e)
{
	char line[128];

	snprintf(line, sizeof(line), "PROXY TCP4 127.0.0.1 127.0.0.1 %u %u\r\n", port_of(c),
		 w->port);
	peer_send(c, GET);
	peer_accept(e, w, 0);
	peer_expect(e, line);
	peer_head(e);
	peer_send(e, OK);
	peer_head(c);
}

static void an_endpoint_is_told_whose_connection_it_is(void **state)
{
	struct world w = { 0 };
	struct peer a, b, c, ea, eb, ec, back;

	(void)state;
	world_start(&w, TELLING("v1"));
	peer_connect(&a, &w);
	peer_connect(&b, &w);
	peer_connect(&c, &w);
	expect_told(&w, &a, &ea);
	expect_told(&w, &b, &eb); /* a's is idle, and a's */
	expect_client(&w, &b, &eb, "127.0.0.1");
	/* at max_connections: the one that was idle longest makes room */
	expect_told(&w, &c, &ec);
	peer_expect_end(&ea);
	expect_client(&w, &b, &eb, "127.0.0.1");
	/* what was told one way is not told the other */
	assert_int_equal(world_apply(&w, TELLING("off")), 0);
	peer_send(&b, GET);
	peer_accept(&back, &w, 0);
	assert_int_equal(strncmp(peer_head(&back), "GET / ", 6), 0);
	peer_send(&back, OK);
	peer_head(&b);
	peer_close(&a);
	peer_close(&b);
	peer_close(&c);
	peer_close(&ea);
	peer_close(&eb);
	peer_close(&ec);
	peer_close(&back);
	world_stop(&w);
}

static void what_was_announced_is_told_on(void **state)
{
	static const char header[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07"
				     "\xc6\x33\x64\x02\x04\xd2\x01\xbb";
	struct world w = { 0 };
	struct peer c, e;

	(void)state;
	world_start(&w,
		    "listeners: [{name: web, address: 127.0.0.1, port: 80,"
		    " proxy_protocol: {from: [127.0.0.1]}}]\n"
		    "clusters: [{name: app, proxy_protocol: v2, endpoints: [\"127.0.0.1:$0\"]}]\n"
		    "routes: [{name: all, cluster: app}]\n");
	peer_connect(&c, &w);
	peer_send(&c, V1 GET);
	peer_accept(&e, &w, 0);
	WORLD_WAIT(&w, (peer_receive(&e), e.len >= sizeof(header) - 1 || e.ended || e.err));
	assert_memory_equal(e.data, header, sizeof(header) - 1);
	peer_take(&e, sizeof(header) - 1);
	assert_string_equal(head_field(peer_head(&e), "X-Forwarded-For"), "192.0.2.7");
	peer_close(&c);
	peer_close(&e);
	world_stop(&w);
}

static void tls_begins_behind_the_header(void **state)
{
	struct tls_pair pair = tls_pems_pair("a", tls_pems.ecdsa.cert, tls_pems.ecdsa.key);
	struct world w = { .pair = &pair };
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	struct peer c, e;

	(void)state;
	world_start(&w,
		    LISTENER("from: [127.0.0.0/8]", "certificates: [{certificate: /a, key: /b}]"));
	peer_connect(&c, &w);
	peer_send(&c, V1);
	assert_int_equal(SSL_set_fd(ssl, c.fd), 1);
	WORLD_WAIT(&w, SSL_connect(ssl) == 1);
	assert_int_equal(SSL_write(ssl, GET, strlen(GET)), strlen(GET));
	peer_accept(&e, &w, 0);
	assert_string_equal(head_field(peer_head(&e), "X-Forwarded-For"), "192.0.2.7");
	assert_string_equal(head_field(e.head, "X-Forwarded-Proto"), "https");
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	peer_close(&c);
	peer_close(&e);
	world_stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_announced_address_is_the_clients),
		cmocka_unit_test(a_header_may_come_byte_by_byte),
		cmocka_unit_test(a_connection_of_the_proxys_own_keeps_its_address),
		cmocka_unit_test(no_refusal_is_told_of_what_a_proxy_brings),
		cmocka_unit_test(without_a_header_a_proxy_is_refused),
		cmocka_unit_test(one_that_only_connects_did_nothing_wrong),
		cmocka_unit_test(others_may_be_served_as_they_are),
		cmocka_unit_test(where_it_is_not_required_a_request_may_come_first),
		cmocka_unit_test(a_reload_changes_who_is_believed),
		cmocka_unit_test(an_endpoint_is_told_whose_connection_it_is),
		cmocka_unit_test(what_was_announced_is_told_on),
		cmocka_unit_test(tls_begins_behind_the_header),
	};

	return cmocka_run_group_tests(tests, tls_pems_setup, tls_pems_teardown);
}
