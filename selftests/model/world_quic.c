/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connection ids of few kinds, so that packets meet those of a vip: the bytes of a server id are all the
 * same, and those of the nonce behind it too.
 */
#include <string.h>

#include "world_part.h"

#define ID_VALUES 3

static void lengths(struct draw *d, uint8_t *server_id_bytes, uint8_t *nonce_bytes)
{
	static const uint8_t known[][2] = { { 1, 4 }, { 2, 6 }, { 15, 4 }, { 1, 18 } };
	uint32_t i = draw(d, 2) ? 1 : draw(d, 4);

	*server_id_bytes = known[i][0];
	*nonce_bytes = known[i][1];
}

static uint8_t config_of(struct draw *d)
{
	return draw(d, 2) ? 0 : (uint8_t)draw(d, QUIC_CONFIGS);
}

void world_quic_make(struct draw *d, struct model_policy *w)
{
	uint32_t vip, config, n = draw(d, MODEL_QUIC_SERVERS + 1), i;

	memset(w->quic, 0, sizeof(w->quic));
	w->n_quic_server = 0;
	for (vip = 1; vip < MODEL_VIPS; vip++) {
		for (config = 0; config < QUIC_CONFIGS - 1; config++) {
			if (draw(d, 3))
				lengths(d, &w->quic[vip].server_id_bytes[config],
					&w->quic[vip].nonce_bytes[config]);
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
	uint8_t id_bytes, nonce_bytes;

	lengths(d, &id_bytes, &nonce_bytes);
	cid_bytes = 1U + id_bytes + nonce_bytes;
	memset(ret, (int)draw(d, ID_VALUES), WORLD_QUIC_BYTES);
	ret[0] = (uint8_t)(draw(d, 128) | (is_long ? 0x80 : 0));
	if (is_long) /* mostly what it is */
		ret[5] = (uint8_t)(draw_one_in(d, 8) ? draw(d, 256) : cid_bytes);
	ret[at] = (uint8_t)(config_of(d) << 5 | draw(d, 32));
	return at + cid_bytes;
}
