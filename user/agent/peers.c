/* SPDX-License-Identifier: BSD-2-Clause */
#include "peers.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/addr.h"
#include "net/ipc.h"
#include "sluice/algo/siphash.h"

_Static_assert(PEERS_MAX * sizeof(struct addr) <= IPC_PAYLOAD_MAX, "one message");

bool peers_is_peer(const struct addr *a)
{
	static const uint8_t zero[8];

	if (addr_is_v4(a))
		return a->b[12] != 0 && a->b[12] != 127 && a->b[12] < 224;
	if (memcmp(a->b, zero, sizeof(zero)) == 0) /* ::, ::1, and other forms of IPv4 */
		return false;
	return a->b[0] != 0xff && !(a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80);
}

static size_t place_of(const struct peers *p, const struct addr *unit)
{
	uint64_t words[2];
	struct siphash h;

	memcpy(words, unit, sizeof(words));
	siphash_init(&h, (const __u64[2]) { p->hash_key[0], p->hash_key[1] });
	siphash_word(&h, words[0], 1);
	siphash_word(&h, words[1], 1);
	return siphash_end(&h, 3) % PEERS_REMEMBERED;
}

static void on_due(struct timer *t)
{
	struct peers *p = container_of(t, struct peers, due);

	if (p->send(p->row, p->n, p->ctx)) {
		for (size_t i = 0; i < p->n; i++)
			p->told[place_of(p, &p->row[i])].told_s = 0;
	}
	p->n = 0;
}

int peers_init(struct peers *p, struct loop *loop, int (*send)(const struct addr *, size_t, void *),
	       void *ctx)
{
	*p = (struct peers) { .loop = loop, .send = send, .ctx = ctx, .due.on_due = on_due };
	return getrandom(p->hash_key, sizeof(p->hash_key), 0) == sizeof(p->hash_key) ? 0 : -EIO;
}

void peers_add(struct peers *p, const struct addr *source, uint32_t now_s)
{
	const struct addr unit = addr_unit(source);
	const size_t at = place_of(p, &unit);

	if (!peers_is_peer(source) || p->n == PEERS_MAX)
		return;
	if (p->told[at].told_s && now_s - p->told[at].told_s < PEERS_AGAIN_S &&
	    addr_eq(&p->told[at].source, &unit))
		return;
	p->told[at].source = unit;
	p->told[at].told_s = now_s;
	p->row[p->n++] = unit;
	if (p->n == 1)
		timer_start(p->loop, &p->due, PEERS_FLUSH_MS);
}
