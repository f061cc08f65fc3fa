/* SPDX-License-Identifier: BSD-2-Clause */
/* Guards, and the network whose listeners they protect. */
#include <string.h>

#include "world_part.h"

struct model_host world_host(void)
{
	/* Of world_destination's addresses the third is somebody else's. */
	return (struct model_host) {
		.listener_port = { 80, 443 },
		.local = { { .b = { [10] = 0xff, 0xff, 192, 0, 2, 10 } },
			   { .b = { [10] = 0xff, 0xff, 192, 0, 2, 11 } },
			   { .b = { 0x20, 0x01, 0x0d, 0xb8, 0, 2, [15] = 10 } },
			   { .b = { 0x20, 0x01, 0x0d, 0xb8, 0, 2, [15] = 11 } } },
		.mtu = 1500,
	};
}

/* Often at a rate that packets reach, or nearly. */
static void guard_make(struct draw *d, struct guard *g)
{
	static const uint32_t modes[] = { GUARD_OFF,  GUARD_AUTO,   GUARD_AUTO,
					  GUARD_AUTO, GUARD_ALWAYS, GUARD_ALWAYS };

	*g = (struct guard) { .mode = modes[draw(d, 6)],
			      .reset = draw(d, 2),
			      .on_per_s = 1 + (uint32_t)draw_magnitude(d, 7),
			      .hold_ns = 2 * WORLD_SECOND_NS + draw_64(d) % (10 * WORLD_SECOND_NS),
			      .options = draw(d, 2) ? GUARD_OPTIONS | draw(d, 15) : 0 };
	g->off_per_s = 1 + draw(d, g->on_per_s);
}

void world_guard_make(struct draw *d, struct model_policy *w)
{
	uint32_t i;

	w->host = world_host();
	for (i = 0; i < MODEL_VIPS; i++)
		guard_make(d, &w->guard[i]);
}

void world_guard_change(struct draw *d, struct model_policy *w)
{
	guard_make(d, &w->guard[draw(d, MODEL_VIPS)]);
}
