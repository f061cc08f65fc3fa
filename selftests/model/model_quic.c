/* SPDX-License-Identifier: BSD-2-Clause */
/* docs/feature/quic.md: whom a connection id names (RFC 8999 s5; draft-ietf-quic-load-balancers-19). */
#include <string.h>

#include "model_bytes.h"
#include "model_quic_cipher.h"

/* The first byte of the connection id, and how long it is said to be: 0 where nothing says. */
static const uint8_t *connection_id(const uint8_t *quic, uint32_t bytes, uint32_t *length)
{
	*length = 0;
	if (bytes == 0)
		return NULL;
	if (!(quic[0] & 0x80))
		return bytes > 1 ? quic + 1 : NULL;
	if (bytes < 7 || quic[5] == 0)
		return NULL;
	*length = quic[5];
	return quic + 6;
}

static bool is_encrypted(const struct model_policy *policy, const struct model_packet *p,
			 uint32_t config)
{
	return policy->quic[p->vip->id].nonce_bytes[config] & QUIC_ENCRYPTED;
}

/* The server id out of what follows the first byte; false: it cannot be read. */
static bool read_id(const struct model_policy *policy, const struct model_packet *p,
		    const uint8_t *from, uint32_t bytes, uint32_t id_bytes, struct quic_server *ret)
{
	uint32_t key = policy->quic_key[ret->vip_id][ret->config];
	uint8_t body[QUIC_BODY_MAX];

	memcpy(body, from, bytes);
	if (is_encrypted(policy, p, ret->config)) {
		if (!policy->has_ciphers || !key)
			return false;
		model_quic_decrypt(key, body, bytes);
	}
	memcpy(ret->id, body, id_bytes);
	return true;
}

/* The backend, or NULL: none is named; *known: there was a server id. */
static const struct model_quic_server *named(const struct model_policy *policy,
					     const struct model_packet *p, bool *known)
{
	const struct quic *q = &policy->quic[p->vip->id];
	const uint8_t *udp = p->frame->bytes + p->headers_bytes, *cid;
	uint32_t bytes = p->l2_bytes + p->l3_bytes - p->headers_bytes, length, need, id_bytes, i;
	struct quic_server key = { .vip_id = p->vip->id };

	cid = connection_id(udp, bytes, &length);
	if (!cid)
		return NULL;
	key.config = cid[0] / 32;
	id_bytes = q->server_id_bytes[key.config];
	need = 1 + id_bytes + (q->nonce_bytes[key.config] & 0x7fU);
	if (id_bytes == 0 || (length && length != need) || (uint32_t)(cid - udp) + need > bytes ||
	    !read_id(policy, p, cid + 1, need - 1, id_bytes, &key))
		return NULL;
	*known = true;
	for (i = 0; i < policy->n_quic_server; i++) {
		if (memcmp(&policy->quic_server[i].key, &key, sizeof(key)) == 0)
			return &policy->quic_server[i];
	}
	return NULL;
}

uint32_t model_quic(struct model *m, struct model_packet *p)
{
	struct stats_quic *stats = &m->counters.quic[p->vip->id];
	const struct model_quic_server *server;
	bool known = false;

	if (!(p->vip->flags & VIP_QUIC) || p->fragment || p->quotes)
		return 0;
	server = named(&m->policy, p, &known);
	*(server ? &stats->routed : known ? &stats->unknown : &stats->unroutable) += p->packets;
	p->quic_encrypted = server && is_encrypted(&m->policy, p, server->key.config);
	return server ? server->backend : 0;
}
