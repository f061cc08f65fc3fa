/* SPDX-License-Identifier: BSD-2-Clause */
#include "certificate.h"

#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/log.h"
#include "http/h1/write.h"
#include "tls/tls.h"
#include "tls/tls_identity.h"

#define F(s)	     STR_LIT(s)
#define LOG_EVERY_NS NS_PER_S

int certificate_take(struct conn *c)
{
	return tls_identity_get(&c->stream, &c->identity);
}

void certificate_refused(struct conn *c)
{
	uint64_t now_ns = loop_now_ns(c->gateway->env.loop);
	struct listener *l = c->listener;
	char text[ADDR_TEXT_MAX];
	struct tls_info info;

	tls_info(&c->stream, &info);
	if (!info.failure)
		return;
	l->tls_unlogged++;
	if (l->tls_logged_ns && now_ns - l->tls_logged_ns < LOG_EVERY_NS)
		return;
	log_info("tls.refused", LOG_STR("listener", l->name),
		 LOG_STR("client", addr_format(&c->client, text)), LOG_STR("reason", info.failure),
		 LOG_STR("sni", info.sni ? info.sni : ""), LOG_U64("connections", l->tls_unlogged));
	l->tls_logged_ns = now_ns;
	l->tls_unlogged = 0;
}

/* Without its port. */
static struct str host_of(struct str authority)
{
	const char *end = authority.len ? memrchr(authority.ptr, ':', authority.len) : NULL;

	if (!end || (authority.ptr[0] == '[' && authority.ptr[authority.len - 1] == ']'))
		return authority;
	return (struct str) { authority.ptr, (size_t)(end - authority.ptr) };
}

static bool is_address(struct str host)
{
	char text[ADDR_TEXT_MAX];
	struct addr a;

	if (host.len > 2 && host.ptr[0] == '[')
		host = (struct str) { host.ptr + 1, host.len - 2 };
	if (!host.len || host.len >= sizeof(text))
		return false;
	memcpy(text, host.ptr, host.len);
	text[host.len] = '\0';
	return addr_parse(text, &a) == 0;
}

/*
 * A name that was asked for in the handshake and another in the request: what the handshake decided
 * was not decided for this host. Addresses are no SNI (RFC 6066 s3).
 */
static bool names_agree(struct exchange *x)
{
	struct str host = host_of(x->host);
	struct tls_info info;

	tls_info(&x->conn->stream, &info);
	if (!info.sni)
		return is_address(host);
	if (host.len && host.ptr[host.len - 1] == '.')
		host.len--;
	return str_ieq(host, str_of(info.sni));
}

bool certificate_check(struct exchange *x)
{
	if (!x->route->conf->policies.client_certificate)
		return true;
	if (x->conn->tls && !names_agree(x)) {
		exchange_fail(x, TERMINATION_MISDIRECTED, 0, NULL);
		return false;
	}
	if (!x->conn->identity) {
		exchange_fail(x, TERMINATION_CERTIFICATE_MISSING, 0, NULL);
		return false;
	}
	return true;
}

static int write_text(struct buf *out, struct str name, const char *value)
{
	return value ? h1_write_field(out, name, str_of(value)) : 0;
}

int certificate_write(const struct conn *c, struct buf *out)
{
	const struct tls_identity *id = c->identity;
	char field[TLS_IDENTITY_DER_MAX / 3 * 4 + 8];
	int err, n;

	if (!id)
		return 0;
	err = write_text(out, F("X-Client-Cert-SHA256"), id->sha256);
	if (!err)
		err = write_text(out, F("X-Client-Cert-Subject"), id->subject);
	if (!err)
		err = write_text(out, F("X-Client-Cert-Issuer"), id->issuer);
	if (!err)
		err = write_text(out, F("X-Client-Cert-Serial"), id->serial);
	if (err || !id->base64)
		return err;
	n = snprintf(field, sizeof(field), ":%s:", id->base64);
	return h1_write_field(out, F("Client-Cert"), (struct str) { field, (size_t)n });
}
