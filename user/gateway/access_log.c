/* SPDX-License-Identifier: BSD-2-Clause */
#include "access_log.h"
#include "base/addr.h"
#include "base/clock.h"
#include "base/json_write.h"
#include "base/log.h"
#include "tls/tls_identity.h"

#define PATH_MAX_LOGGED 1024 /* with HOST_MAX_LOGGED inside a line of the log, escaped or not */
#define HOST_MAX_LOGGED 255

static struct str cut(struct str s, size_t max)
{
	if (s.len > max)
		s.len = max;
	return s;
}

static void write_request(struct json_write *w, const struct exchange *x)
{
	const struct conn *c = x->conn;
	char text[ADDR_TEXT_MAX];

	json_write_str(w, "request_id", (struct str) { x->id, EXCHANGE_ID_LEN });
	json_write_str(w, "listener", str_of(c->listener->name));
	json_write_str(w, "client", str_of(addr_format(&c->client, text)));
	json_write_u64(w, "client_port", c->client_port);
	if (c->announced)
		json_write_str(w, "proxy", str_of(addr_format(&c->stream.peer, text)));
	if (c->has_local) {
		json_write_str(w, "local", str_of(addr_format(&c->local, text)));
		json_write_u64(w, "local_port", c->local_port);
	}
	if (x->method_text.len)
		json_write_str(w, "method", cut(x->method_text, 32));
	if (x->path.len)
		json_write_str(w, "path", cut(x->path, PATH_MAX_LOGGED));
	if (x->host.len)
		json_write_str(w, "host", cut(x->host, HOST_MAX_LOGGED));
	json_write_str(w, "protocol",
		       x->client.stream ? STR_LIT("HTTP/2")
		       : x->minor	? STR_LIT("HTTP/1.1")
					: STR_LIT("HTTP/1.0"));
	if (c->tls_version)
		json_write_str(w, "tls", str_of(c->tls_version));
	if (c->identity)
		json_write_str(w, "client_cert", str_of(c->identity->sha256));
}

static void write_decision(struct json_write *w, const struct exchange *x,
			   const struct exchange_facts *f)
{
	char text[ADDR_TEXT_MAX];

	if (f->route) {
		json_write_str(w, "route", str_of(f->route));
		json_write_str(w, "cluster", str_of(f->cluster));
	}
	if (x->pool)
		json_write_str(w, "upstream",
			       str_of(addr_format_port(&x->pool->address, x->pool->port, text)));
	if (f->consumer)
		json_write_str(w, "consumer", str_of(f->consumer));
}

static void write_outcome(struct json_write *w, const struct exchange *x)
{
	json_write_u64(w, "status", x->status);
	json_write_u64(w, "bytes_in", x->bytes_in);
	json_write_u64(w, "bytes_out", x->bytes_out);
	json_write_u64(w, "duration_us", (clock_now_ns() - x->begin_ns) / 1000);
	if (x->answered_ns > x->asked_ns)
		json_write_u64(w, "upstream_us", (x->answered_ns - x->asked_ns) / 1000);
	if (x->tries || x->retried_stale)
		json_write_u64(w, "retries", x->tries + (x->retried_stale ? 1U : 0U));
	json_write_str(w, "end", str_of(termination_row(x->end)->code));
}

void access_log_write(const struct exchange *x)
{
	struct buf *line = &x->gateway->line;
	struct exchange_facts f;
	struct json_write w;

	exchange_facts(x, &f);
	if (!f.logged)
		return;
	buf_consume(line, buf_len(line));
	json_write_open(&w, line);
	log_write_head(&w, LOG_INFO, "exchange.end");
	write_request(&w, x);
	write_decision(&w, x, &f);
	write_outcome(&w, x);
	if (json_write_close(&w) == 0)
		log_write_line(buf_head(line), buf_len(line));
}
