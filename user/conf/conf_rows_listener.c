/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows of listeners: where they are, how they speak TLS, whom they believe, what they allow. */
#include <netinet/in.h>

#include "conf_node.h"
#include "conf_rows.h"
#include "sluice/abi/steer.h"

#define DAY_MS 86400000ULL

static const struct conf_row certificate_rows[] = {
	{ .name = "certificate",
	  CONF_AT(struct conf_certificate, certificate),
	  .type = &conf_type_path,
	  .flags = CONF_REQUIRED,
	  .help = "PEM file of the certificate and its chain." },
	{ .name = "key",
	  CONF_AT(struct conf_certificate, key),
	  .type = &conf_type_path,
	  .flags = CONF_REQUIRED,
	  .help = "PEM file of its private key." },
};

static void certificate_derive(void *item, const struct conf_node *node)
{
	struct conf_certificate *certificate = item;

	certificate->certificate_place = conf_node_place(node, "certificate");
	certificate->key_place = conf_node_place(node, "key");
}

static const struct conf_table conf_table_certificate = CONF_TABLE(
	"certificate", certificate_rows, struct conf_certificate, .derive = certificate_derive);

static const struct conf_word protocol_words[] = { { "tcp", IPPROTO_TCP },
						   { "udp", IPPROTO_UDP },
						   { NULL, 0 } };
static const struct conf_word absent_words[] = { { "drop", STEER_ABSENT_DROP },
						 { "pass", STEER_ABSENT_PASS },
						 { NULL, 0 } };

static const struct conf_row steer_rows[] = {
	{ .name = "prefix",
	  CONF_AT(struct conf_steer, prefix),
	  .type = &conf_type_prefix,
	  .flags = CONF_REQUIRED,
	  .help = "Addresses that connections are for; 0.0.0.0/0 and ::/0 are all that the host "
		  "has. What it has not becomes local to it by a route that the agent makes." },
	{ .name = "ports",
	  CONF_AT(struct conf_steer, ports),
	  .type = &conf_type_ports,
	  .def = "1-65535",
	  .help = "A port, or a range of them." },
	{ .name = "protocol",
	  CONF_AT(struct conf_steer, protocol),
	  .type = &conf_type_word,
	  .words = protocol_words,
	  .def = "tcp",
	  .help = "tcp; udp is refused, since no listener speaks it." },
	{ .name = "absent",
	  CONF_AT(struct conf_steer, absent),
	  .type = &conf_type_word,
	  .words = absent_words,
	  .def = "drop",
	  .help = "What becomes of a connection while the listener has no socket, as between two "
		  "runs of the agent: it is refused and counted, or passed to whoever else "
		  "listens there." },
};

static const struct conf_table conf_table_steer =
	CONF_TABLE("steer", steer_rows, struct conf_steer, .shorthand = "prefix");

static const struct conf_word tls_version_words[] = { { "TLSv1.2", 0x0303 },
						      { "TLSv1.3", 0x0304 },
						      { NULL, 0 } };
/* Forward secrecy throughout; the last four, without AEAD, for clients of before 2015. */
static const struct conf_word tls_cipher_words[] = { { "ECDHE-ECDSA-AES128-GCM-SHA256", 0 },
						     { "ECDHE-RSA-AES128-GCM-SHA256", 0 },
						     { "ECDHE-ECDSA-CHACHA20-POLY1305", 0 },
						     { "ECDHE-RSA-CHACHA20-POLY1305", 0 },
						     { "ECDHE-ECDSA-AES256-GCM-SHA384", 0 },
						     { "ECDHE-RSA-AES256-GCM-SHA384", 0 },
						     { "ECDHE-ECDSA-AES128-SHA", 0 },
						     { "ECDHE-RSA-AES128-SHA", 0 },
						     { "ECDHE-ECDSA-AES256-SHA", 0 },
						     { "ECDHE-RSA-AES256-SHA", 0 },
						     { NULL, 0 } };
static const struct conf_word tls_suite_words[] = { { "TLS_AES_128_GCM_SHA256", 0 },
						    { "TLS_CHACHA20_POLY1305_SHA256", 0 },
						    { "TLS_AES_256_GCM_SHA384", 0 },
						    { NULL, 0 } };
static const struct conf_word tls_group_words[] = { { "X25519", 0 }, { "P-256", 0 }, { "P-384", 0 },
						    { "P-521", 0 },  { "X448", 0 },  { NULL, 0 } };
static const struct conf_word client_auth_words[] = { { "off", CONF_CLIENT_AUTH_OFF },
						      { "optional", CONF_CLIENT_AUTH_OPTIONAL },
						      { "required", CONF_CLIENT_AUTH_REQUIRED },
						      { NULL, 0 } };

#define TLS(field) CONF_AT(struct conf_tls, field)

static const struct conf_row tls_rows[] = {
	{ .name = "min_version",
	  TLS(min_version),
	  .type = &conf_type_word,
	  .words = tls_version_words,
	  .def = "TLSv1.2",
	  .help = "The oldest version that is spoken." },
	{ .name = "max_version",
	  TLS(max_version),
	  .type = &conf_type_word,
	  .words = tls_version_words,
	  .def = "TLSv1.3",
	  .help = "The newest." },
	{ .name = "ciphers",
	  CONF_LIST_AT(struct conf_tls, ciphers, n_ciphers),
	  .type = &conf_type_string,
	  .words = tls_cipher_words,
	  .flags = CONF_ORDERED | CONF_FILLED,
	  .max_items = 16,
	  .def = "[ECDHE-ECDSA-AES128-GCM-SHA256, ECDHE-RSA-AES128-GCM-SHA256, "
		 "ECDHE-ECDSA-CHACHA20-POLY1305, ECDHE-RSA-CHACHA20-POLY1305, "
		 "ECDHE-ECDSA-AES256-GCM-SHA384, ECDHE-RSA-AES256-GCM-SHA384]",
	  .help = "Of TLS 1.2, best first: the listener's order decides, but ChaCha20 comes first "
		  "for clients that like it best." },
	{ .name = "suites",
	  CONF_LIST_AT(struct conf_tls, suites, n_suites),
	  .type = &conf_type_string,
	  .words = tls_suite_words,
	  .flags = CONF_ORDERED | CONF_FILLED,
	  .max_items = 8,
	  .def = "[TLS_AES_128_GCM_SHA256, TLS_CHACHA20_POLY1305_SHA256, TLS_AES_256_GCM_SHA384]",
	  .help = "The same of TLS 1.3." },
	{ .name = "groups",
	  CONF_LIST_AT(struct conf_tls, groups, n_groups),
	  .type = &conf_type_string,
	  .words = tls_group_words,
	  .flags = CONF_ORDERED | CONF_FILLED,
	  .max_items = 8,
	  .def = "[X25519, P-256, P-384]",
	  .help = "For the key exchange, best first." },
	{ .name = "session_lifetime",
	  TLS(lifetime_ms),
	  .type = &conf_type_duration,
	  .def = "2h",
	  .max = DAY_MS,
	  .help = "How long a client may resume a session, by tickets; in whole seconds. 0: not "
		  "at all." },
	{ .name = "strict_names",
	  TLS(strict_names),
	  .type = &conf_type_bool,
	  .def = "false",
	  .help = "Refuse clients that ask for a name that no certificate has, or for none "
		  "(unrecognized_name), instead of showing the first certificate." },
};

static const struct conf_table conf_table_tls = CONF_TABLE("tls", tls_rows, struct conf_tls, );

#define CLIENT_AUTH(field) CONF_AT(struct conf_client_auth, field)

static const struct conf_row client_auth_rows[] = {
	{ .name = "mode",
	  CLIENT_AUTH(mode),
	  .type = &conf_type_word,
	  .words = client_auth_words,
	  .def = "off",
	  .help = "Ask clients for a certificate; one that does not verify ends the handshake, none "
		  "where it is required does, too." },
	{ .name = "ca",
	  CLIENT_AUTH(ca),
	  .type = &conf_type_path,
	  .help = "PEM file of the authorities that are trusted to sign them; clients are told "
		  "their names." },
	{ .name = "crl",
	  CLIENT_AUTH(crl),
	  .type = &conf_type_path,
	  .help = "PEM file of revocation lists, one of each authority that may sign. None: nobody "
		  "is revoked." },
	{ .name = "depth",
	  CLIENT_AUTH(depth),
	  .type = &conf_type_number,
	  .def = "4",
	  .max = 16,
	  .help = "Authorities between the client's certificate and a trusted one." },
};

static void client_auth_derive(void *item, const struct conf_node *node)
{
	struct conf_client_auth *auth = item;

	auth->ca_place = conf_node_place(node, "ca");
	auth->crl_place = conf_node_place(node, "crl");
}

static const struct conf_table conf_table_client_auth = CONF_TABLE(
	"client_auth", client_auth_rows, struct conf_client_auth, .derive = client_auth_derive);

static const struct conf_word proxy_others_words[] = { { "refuse", CONF_PROXY_REFUSE },
						       { "serve", CONF_PROXY_SERVE },
						       { NULL, 0 } };

static const struct conf_row proxy_in_rows[] = {
	{ .name = "from",
	  CONF_LIST_AT(struct conf_proxy_in, from, n_from),
	  .type = &conf_type_prefix,
	  .flags = CONF_REQUIRED | CONF_FILLED,
	  .max_items = 256,
	  .help = "Proxies that are believed. Refusals of what they bring never become verdicts." },
	{ .name = "required",
	  CONF_AT(struct conf_proxy_in, required),
	  .type = &conf_type_bool,
	  .def = "true",
	  .help = "Close their connections that begin without a header. false is for the time "
		  "of a change: a client behind a proxy that adds none could write its own." },
	{ .name = "others",
	  CONF_AT(struct conf_proxy_in, others),
	  .type = &conf_type_word,
	  .words = proxy_others_words,
	  .def = "refuse",
	  .help = "Connections from elsewhere: close them, or serve them as they are, without "
		  "looking for a header." },
	{ .name = "timeout",
	  CONF_AT(struct conf_proxy_in, timeout_ms),
	  .type = &conf_type_duration,
	  .def = "5s",
	  .min = 10,
	  .max = DAY_MS,
	  .help = "For the header; the time for the TLS handshake begins behind it." },
};

static const struct conf_table conf_table_proxy_in =
	CONF_TABLE("proxy_protocol", proxy_in_rows, struct conf_proxy_in, );

#define LISTENER(field) CONF_AT(struct conf_listener, field)
#define TIMEOUT(field)	LISTENER(field), .type = &conf_type_duration, .min = 10, .max = DAY_MS

static const struct conf_row listener_rows[] = {
	{ .name = "name",
	  LISTENER(name),
	  .type = &conf_type_name,
	  .flags = CONF_REQUIRED,
	  .help = "Unique among listeners." },
	{ .name = "address",
	  LISTENER(address),
	  .type = &conf_type_address,
	  .flags = CONF_REQUIRED,
	  .help = "Address to listen at; 0.0.0.0 is every IPv4 address, :: every IPv6 one." },
	{ .name = "port",
	  LISTENER(port),
	  .type = &conf_type_number,
	  .flags = CONF_REQUIRED,
	  .min = 1,
	  .help = "TCP port to listen at." },
	{ .name = "steer",
	  CONF_SUBS_AT(struct conf_listener, steer, n_steer, &conf_table_steer),
	  .tier = CONF_TIER_DATA,
	  .max_items = 1024,
	  .help = "More addresses and ports whose connections are the listener's, without a socket "
		  "each. The longest prefix wins, within one the narrowest range. A lone word is "
		  "a prefix." },
	{ .name = "certificates",
	  CONF_SUBS_AT(struct conf_listener, certificates, n_certificates, &conf_table_certificate),
	  .tier = CONF_TIER_DATA,
	  .flags = CONF_ORDERED,
	  .max_items = CONF_CERTIFICATES_MAX,
	  .help = "Chosen by the name that the client asks for, the first where none matches. "
		  "Without any the listener speaks clear text." },
	{ .name = "tls",
	  CONF_SUB_AT(struct conf_listener, tls, &conf_table_tls),
	  .help = "How TLS is spoken; connections keep what they began with." },
	{ .name = "client_auth",
	  CONF_SUB_AT(struct conf_listener, client_auth, &conf_table_client_auth),
	  .help = "Certificates of clients." },
	{ .name = "proxy_protocol",
	  CONF_SUB_AT(struct conf_listener, proxy_protocol, &conf_table_proxy_in),
	  .flags = CONF_NULLABLE,
	  .help = "Take the client's address from a header of the PROXY protocol, version 1 or 2. "
		  "Left out: no header is looked for." },
	{ .name = "max_connections",
	  LISTENER(max_connections),
	  .type = &conf_type_number,
	  .def = "10000",
	  .min = 1,
	  .max = 1000000,
	  .help = "Open connections, per worker." },
	{ .name = "handshake_timeout",
	  TIMEOUT(handshake_timeout_ms),
	  .def = "10s",
	  .help = "For the TLS handshake." },
	{ .name = "header_timeout",
	  TIMEOUT(header_timeout_ms),
	  .def = "10s",
	  .help = "From the first byte of a request to the end of its header." },
	{ .name = "body_timeout",
	  TIMEOUT(body_timeout_ms),
	  .def = "30s",
	  .help = "Over which a client owes 512 bytes a second on the average, of a body or in "
		  "taking a response." },
	{ .name = "body_total_timeout",
	  LISTENER(body_total_timeout_ms),
	  .type = &conf_type_duration,
	  .def = "1h",
	  .max = DAY_MS,
	  .help = "From the header of a request to the end of its body, however fast; 0 is for "
		  "ever. Responses and WebSockets have none." },
	{ .name = "idle_timeout",
	  TIMEOUT(idle_timeout_ms),
	  .def = "60s",
	  .help = "Between two requests on a connection." },
	{ .name = "max_header_bytes",
	  LISTENER(max_header_bytes),
	  .type = &conf_type_size,
	  .def = "32KiB",
	  .min = 1024,
	  .max = 1 << 20,
	  .help = "Request line and header together; more is answered 431." },
	{ .name = "max_headers",
	  LISTENER(max_headers),
	  .type = &conf_type_number,
	  .def = "100",
	  .min = 1,
	  .max = CONF_HEADERS_MAX,
	  .help = "Header fields; more is answered 431." },
	{ .name = "max_uri_bytes",
	  LISTENER(max_uri_bytes),
	  .type = &conf_type_size,
	  .def = "8KiB",
	  .min = 64,
	  .max = 1 << 20,
	  .help = "Length of the target; more is answered 414." },
	{ .name = "max_body_bytes",
	  LISTENER(max_body_bytes),
	  .type = &conf_type_size,
	  .def = "1GiB",
	  .max = 1ULL << 50,
	  .help = "Length of a body; more is answered 413." },
	{ .name = "http2",
	  LISTENER(http2),
	  .type = &conf_type_bool,
	  .def = "true",
	  .help = "Speak HTTP/2 to clients that ask for it: by ALPN over TLS, by prior knowledge in "
		  "clear text. Holds for new connections." },
};

const struct conf_table conf_table_listener =
	CONF_TABLE("listener", listener_rows, struct conf_listener, );
