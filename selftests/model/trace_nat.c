/* SPDX-License-Identifier: BSD-2-Clause */
/* The other side of translated flows: what is answered to packets that went on, and errors about them. */
#include <string.h>

#include "model_bytes.h"
#include "trace.h"
#include "world.h"

/* From who got it, or a router before him: as much of it as an error has, or just so. */
static void quote(struct draw *d, const struct lane_sent *s, struct frame *f)
{
	static const uint8_t types[2][4] = { { 3, 3, 11, 12 }, { 1, 2, 3, 4 } };
	uint32_t l3 = s->ipv6 ? 40 : 20, address = s->ipv6 ? 16 : 4, from = s->ipv6 ? 8 : 12;
	uint32_t most = s->len - s->l3_at, bytes = s->l4_at - s->l3_at + 8 + draw(d, 20);
	const uint8_t *about = s->bytes + s->l3_at;
	uint8_t *ip = f->bytes + s->l3_at, *icmp = ip + l3;
	struct addr router = world_source(d, s->ipv6);

	if (bytes > most)
		bytes = most;
	memset(ip, 0, l3 + 8);
	ip[0] = s->ipv6 ? 0x60 : 0x45;
	bytes_put_16(ip + (s->ipv6 ? 4 : 2), (s->ipv6 ? 0 : l3) + 8 + bytes);
	ip[s->ipv6 ? 6 : 9] = s->ipv6 ? 58 : 1;
	ip[s->ipv6 ? 7 : 8] = 64;
	memcpy(ip + from, draw(d, 2) ? about + from + address : router.b + 16 - address, address);
	memcpy(ip + from + address, about + from, address);
	icmp[0] = types[s->ipv6][draw(d, 4)];
	bytes_put_16(icmp + 2, draw(d, 65536));
	memcpy(icmp + 8, about, bytes);
	f->len = s->l3_at + l3 + 8 + bytes;
	memset(f->ip_at, 0, sizeof(f->ip_at));
	memset(f->ports_at, 0, sizeof(f->ports_at));
}

/* Which port a flow has differs from run to run: nothing is drawn by what is in it. */
void trace_nat(struct draw *d, const struct lane *l, struct frame *f)
{
	static const uint8_t flags[] = { 0x12, 0x10, 0x10, 0x18, 0x11, 0x04, 0x02, 0x14 };
	uint32_t kept = l->n_sent < LANE_SENT ? l->n_sent : LANE_SENT;
	const struct lane_sent *s = &l->sent[(l->n_sent - 1 - draw(d, kept)) % LANE_SENT];
	uint32_t kind = draw(d, 8), flag = draw(d, 8);

	memcpy(f->bytes, s->bytes, s->len);
	f->len = s->len;
	*f->ip_at = s->l3_at;
	*f->ports_at = s->l4_at;
	f->ip_at[1] = f->ports_at[1] = 0;
	f->ipv6 = s->ipv6;
	if (kind < 2) {
		quote(d, s, f);
		return;
	}
	frame_turn(f);
	f->bytes[s->l3_at + (s->ipv6 ? 7 : 8)] = kind == 2 ? 2 : 64;
	if (s->proto == 6)
		f->bytes[s->l4_at + 13] = flags[flag];
}

void trace_nat_aim(struct draw *d, const struct lane *l, struct frame *f)
{
	const struct model_policy *w = &l->model.policy;
	uint32_t bytes = f->ipv6 ? 16 : 4, i = draw(d, w->n_vip ? w->n_vip : 1);
	const struct vip_key *key = &w->vip_key[i];

	if (!f->ip_at[0] || !f->ports_at[0] || f->ip_at[1] || f->ipv6 != w->nat.ipv6 ||
	    !(w->vip[i].flags & VIP_NAT))
		return;
	memcpy(f->bytes + f->ip_at[0] + (f->ipv6 ? 24 : 16), key->addr.b + 16 - bytes, bytes);
	memcpy(f->bytes + f->ports_at[0] + 2, &key->port, 2);
	if (f->bytes[f->ip_at[0] + (f->ipv6 ? 6 : 9)] == 6 && draw(d, 2))
		f->bytes[f->ports_at[0] + 13] = 0x02; /* SYN */
}
