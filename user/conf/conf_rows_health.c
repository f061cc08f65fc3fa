/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows of the health checks of a vip. What belongs to one type alone has no default to be dumped. */
#include "conf_node.h"
#include "conf_rows.h"

static const struct conf_word type_words[] = {
	{ "tcp", CONF_HEALTH_TCP }, { "http", CONF_HEALTH_HTTP }, { "https", CONF_HEALTH_HTTPS },
	{ "udp", CONF_HEALTH_UDP }, { "dns", CONF_HEALTH_DNS },	  { NULL, 0 },
};

/* RFC 1035 s3.2.2, RFC 3596. */
static const struct conf_word record_words[] = {
	{ "A", 1 },    { "NS", 2 },    { "SOA", 6 }, { "MX", 15 },
	{ "TXT", 16 }, { "AAAA", 28 }, { NULL, 0 },
};

static const struct conf_word via_words[] = { { "auto", CONF_VIA_AUTO },
					      { "vip", CONF_VIA_VIP },
					      { "address", CONF_VIA_ADDRESS },
					      { NULL, 0 } };

#define HEALTH(field) CONF_AT(struct conf_health, field)

static const struct conf_row health_rows[] = {
	{ .name = "type",
	  HEALTH(type),
	  .type = &conf_type_word,
	  .words = type_words,
	  .flags = CONF_REQUIRED,
	  .help = "A TCP connection, an HTTP or HTTPS request, a UDP datagram with an answer, or a "
		  "DNS query over UDP." },
	{ .name = "port",
	  HEALTH(port),
	  .type = &conf_type_number,
	  .def = "0",
	  .help = "Port of the backend that is probed; 0 is the vip's, or in mode nat the backend's "
		  "own." },
	{ .name = "via",
	  HEALTH(via),
	  .type = &conf_type_word,
	  .words = via_words,
	  .def = "auto",
	  .help = "Where probes go: to the vip's address, by the way and in the outer headers of its "
		  "packets to the backend (vip); to the backend's own (address); auto is vip in "
		  "modes ipip and gue, and address in others." },
	{ .name = "host",
	  HEALTH(host),
	  .type = &conf_type_host,
	  .def_help = "the backend's address",
	  .help = "Host of the request, server name of TLS and name that the certificate has to "
		  "have." },
	{ .name = "path",
	  HEALTH(path),
	  .type = &conf_type_target,
	  .def_help = "/",
	  .help = "Path of the GET request, with its query." },
	{ .name = "status",
	  HEALTH(status),
	  .type = &conf_type_status,
	  .def_help = "200-299",
	  .help = "Statuses that pass, and ranges of them, with commas between." },
	{ .name = "match",
	  HEALTH(match),
	  .type = &conf_type_bytes,
	  .max = CONF_HEALTH_BYTES_MAX,
	  .help = "What has to be in the first 16 KiB of the body: text, or hex: and digits." },
	{ .name = "verify",
	  HEALTH(verify),
	  .type = &conf_type_bool,
	  .def = "true",
	  .help = "Check the certificate of https." },
	{ .name = "ca",
	  HEALTH(ca),
	  .type = &conf_type_path,
	  .def_help = "the system's",
	  .help = "PEM file of the authorities that certificates are checked by; one that "
		  "agent.user can read, owned by it or by root and writable by nobody else." },
	{ .name = "send",
	  HEALTH(send),
	  .type = &conf_type_bytes,
	  .max = 2 * CONF_HEALTH_BYTES_MAX + 4,
	  .help = "Datagram that udp sends: text, or hex: and digits." },
	{ .name = "expect",
	  HEALTH(expect),
	  .type = &conf_type_bytes,
	  .max = 2 * CONF_HEALTH_BYTES_MAX + 4,
	  .def_help = "any answer",
	  .help = "What the answer to it has to begin with." },
	{ .name = "query",
	  HEALTH(query),
	  .type = &conf_type_host,
	  .help = "Name that dns asks for." },
	{ .name = "record",
	  HEALTH(record),
	  .type = &conf_type_word,
	  .words = record_words,
	  .def = "A",
	  .help = "Type of the record that dns asks for." },
	{ .name = "rcode",
	  HEALTH(rcode),
	  .type = &conf_type_number,
	  .def = "0",
	  .max = 15,
	  .help = "Response code that passes: 0 is no error, 3 no such name." },
	{ .name = "interval",
	  HEALTH(interval_ms),
	  .type = &conf_type_duration,
	  .def = "2s",
	  .min = 100,
	  .max = 3600ULL * 1000,
	  .help = "From the beginning of a probe to that of the next one." },
	{ .name = "jitter",
	  HEALTH(jitter_percent),
	  .type = &conf_type_percent,
	  .def = "10%",
	  .max = 50,
	  .help = "By how much of it each interval may be longer or shorter, at random, so that "
		  "probes do not come in bursts." },
	{ .name = "timeout",
	  HEALTH(timeout_ms),
	  .type = &conf_type_duration,
	  .def = "1s",
	  .min = 10,
	  .max = 60ULL * 1000,
	  .help = "For a whole probe; at most the shortest interval." },
	{ .name = "rise",
	  HEALTH(rise),
	  .type = &conf_type_number,
	  .def = "2",
	  .min = 1,
	  .max = 100,
	  .help = "Probes in a row that have to pass to bring a backend up; twice as many after "
		  "each failure of one that fails often." },
	{ .name = "fall",
	  HEALTH(fall),
	  .type = &conf_type_number,
	  .def = "3",
	  .min = 1,
	  .max = 100,
	  .help = "Probes in a row that have to fail to take it down." },
};

static void health_derive(void *item, const struct conf_node *node)
{
	struct conf_health *health = item;

	health->ca_place = conf_node_place(node, "ca");
}

const struct conf_table conf_table_health =
	CONF_TABLE("health check", health_rows, struct conf_health, .derive = health_derive);
