/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connection ids of few kinds, so that packets meet those of a vip: the bytes of a server id are all the
 * same, and those of the nonce behind it too.
 */
#include <string.h>

#include "model_quic_cipher.h"
#include "world_part.h"

#define ID_VALUES 3

/* Mostly the same for a configuration, whosever it is. */
static void lengths(struct draw *d, uint32_t config, uint8_t *server_id_bytes, uint8_t *nonce_bytes)
{
	static const uint8_t known[][2] = { { 2, 6 },  { 8, 8 },  { 1, 4 }, { 15, 4 },
					    { 10, 5 }, { 1, 18 }, { 9, 9 } };
	uint32_t i = draw(d, 4) ? config % 7 : draw(d, 7);

	*server_id_bytes = known[i][0];
	*nonce_bytes = known[i][1];
}

static bool encrypts(struct draw *d, uint32_t config)
{
	return draw(d, 4) ? config == 1 || config > 3 : draw(d, 2);
}

static uint8_t config_of(struct draw *d)
{
	return (uint8_t)draw(d, draw(d, 2) ? 2 : QUIC_CONFIGS);
}

/* With which key backends encrypt. */
static uint32_t key_of(uint32_t config)
{
	return 1 + config % (MODEL_QUIC_KEYS - 1);
}

static void kind(struct draw *d, struct model_policy *w, uint32_t vip, uint32_t config)
{
	struct quic *q = &w->quic[vip];

	lengths(d, config, &q->server_id_bytes[config], &q->nonce_bytes[config]);
	if (!encrypts(d, config))
		return;
	q->nonce_bytes[config] |= QUIC_ENCRYPTED;
	/* The edge may have another key, or none that it could use. */
	w->quic_key[vip][config] =
		(uint8_t)(draw_one_in(d, 6) ? draw(d, MODEL_QUIC_KEYS) : key_of(config));
}

void world_quic_make(struct draw *d, struct model_policy *w)
{
	uint32_t vip, config, n = draw(d, MODEL_QUIC_SERVERS + 1), i;

	memset(w->quic, 0, sizeof(w->quic));
	memset(w->quic_key, 0, sizeof(w->quic_key));
	w->n_quic_server = 0;
	for (vip = 1; vip < MODEL_VIPS; vip++) {
		for (config = 0; config < QUIC_CONFIGS - 1; config++) {
			if (draw(d, 3))
				kind(d, w, vip, config);
		}
	}
	for (; n; n--) {
		struct model_quic_server s = { .key = { .vip_id = 1 + draw(d, MODEL_VIPS - 1),
							.config = config_of(d) },
					       .backend = 1 + draw(d, MODEL_BACKENDS) };

		memset(s.key.id, (int)draw(d, ID_VALUES),
		       w->quic[s.key.vip_id].server_id_bytes[s.key.config]);
		for (i = 0; i < w->n_quic_server; i++) {
			if (memcmp(&w->quic_server[i].key, &s.key, sizeof(s.key)) == 0)
				break;
		}
		if (i == w->n_quic_server)
			w->quic_server[w->n_quic_server++] = s;
	}
}

uint32_t world_quic(struct draw *d, uint8_t ret[WORLD_QUIC_BYTES])
{
	bool is_long = draw(d, 2);
	uint32_t at = is_long ? 6 : 1, cid_bytes;
	uint8_t id_bytes, nonce_bytes, config = config_of(d);

	lengths(d, config, &id_bytes, &nonce_bytes);
	cid_bytes = 1U + id_bytes + nonce_bytes;
	memset(ret, (int)draw(d, ID_VALUES), WORLD_QUIC_BYTES);
	ret[0] = (uint8_t)(draw(d, 128) | (is_long ? 0x80 : 0));
	if (is_long) /* mostly what it is */
		ret[5] = (uint8_t)(draw_one_in(d, 8) ? draw(d, 256) : cid_bytes);
	ret[at] = (uint8_t)(config << 5 | draw(d, 32));
	if (encrypts(d, config))
		model_quic_encrypt(key_of(config), ret + at + 1, cid_bytes - 1);
	return at + cid_bytes;
}
