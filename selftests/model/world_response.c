/* SPDX-License-Identifier: BSD-2-Clause */
/* Services whose answers are bounded; what is captured. */
#include <string.h>

#include "sluice/algo/gcra_rate.h"
#include "world_part.h"

static bool has_key(const struct model_response_policy *r, const struct response_key *key)
{
	uint32_t i;

	for (i = 0; i < r->n_service; i++) {
		if (memcmp(&r->service[i].key, key, sizeof(*key)) == 0)
			return true;
	}
	return false;
}

void world_response_make(struct draw *d, struct model_policy *w)
{
	struct model_response_policy *r = &w->response;
	uint32_t i, n = draw(d, MODEL_SERVICES + 1);

	memset(r, 0, sizeof(*r));
	for (; n; n--) {
		struct model_service s = {
			.key = { .address = world_destination(d, draw(d, 2)),
				 .port = draw(d, 3) ? world_dport(d) : 0 },
			.service = { .factor = 1 + (uint32_t)draw_magnitude(d, 9),
				     .flags = draw_one_in(d, 4) ? RESPONSE_DRY_RUN : 0 }
		};

		if (!has_key(r, &s.key))
			r->service[r->n_service++] = s;
	}
	for (i = 0; i < RESPONSE_KEY_WORDS; i++) {
		r->state.key.set[i] = draw_64(d);
		r->state.key.tag[i] = draw_64(d);
	}
	r->state.enabled = draw(d, 4) != 0;
	r->state.set_bits = draw(d, MODEL_SET_BITS + 1);
}

/* Every so often one runs, of a few reasons, at a rate that is soon over. */
void world_capture_make(struct draw *d, uint64_t now_ns, struct model_policy *w)
{
	struct capture *c = &w->capture;

	memset(c, 0, sizeof(*c));
	if (draw(d, 6)) /* the drop cache is asked only while none runs */
		return;
	/* For long, or over: where it ends, a clock that is behind would tell what the drop cache kept. */
	c->until_ns = draw(d, 4) ? now_ns + (1ULL << 55) : now_ns - WORLD_SECOND_NS;
	c->reasons = draw_64(d) | draw_64(d);
	while (gcra_rate_set(&c->rate, 1 + draw_magnitude(d, 20), WORLD_SECOND_NS,
			     1 + draw_magnitude(d, 5)))
		;
}
