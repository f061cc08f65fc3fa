/* SPDX-License-Identifier: BSD-2-Clause */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "source_net.h"

#define ROOM_FIRST 64

/* Least significant digit first; the length is digit 0, the address the others. */
#define DIGIT_BITS 11
#define DIGITS	   (1 + (64 + DIGIT_BITS - 1) / DIGIT_BITS)

static const struct prefix all_v4 = { ADDR_V4_BITS, { .b = { [10] = 0xff, [11] = 0xff } } };

int source_net_from(const struct prefix *p, bool *ret_v4, struct source_net *ret)
{
	bool v4 = p->len_bits >= ADDR_V4_BITS && prefix_contains(&all_v4, &p->addr);
	uint32_t len = v4 ? p->len_bits - ADDR_V4_BITS : p->len_bits;
	uint64_t half;

	if (len > (v4 ? SOURCE_NET_BITS_V4 : SOURCE_NET_BITS_V6))
		return -EINVAL;
	memcpy(&half, p->addr.b + (v4 ? 8 : 0), sizeof(half));
	half = be64toh(half);
	if (v4)
		half <<= 32; /* behind 00 00 ff ff */
	*ret_v4 = v4;
	*ret = (struct source_net) { .addr = source_net_mask(half, len), .len = (uint8_t)len };
	return 0;
}

struct prefix source_net_to(const struct source_net *net, bool v4)
{
	struct prefix p = { .len_bits = net->len };
	uint64_t half = htobe64(v4 ? net->addr >> 32 : net->addr);

	if (v4) {
		p = all_v4;
		p.len_bits += net->len;
		memcpy(p.addr.b + 12, (const char *)&half + 4, 4);
	} else {
		memcpy(p.addr.b, &half, sizeof(half));
	}
	return p;
}

void source_nets_clear(struct source_nets *s)
{
	free(s->v);
	*s = (struct source_nets) { 0 };
}

static int reserve(struct source_nets *s)
{
	size_t room = s->room ? s->room * 2 : ROOM_FIRST;
	void *p;

	if (s->n < s->room)
		return 0;
	p = realloc(s->v, room * sizeof(*s->v));
	if (!p)
		return -ENOMEM;
	s->v = p;
	s->room = room;
	return 0;
}

int source_nets_push(struct source_nets *s, const struct source_net *net)
{
	int err = reserve(s);

	if (!err)
		s->v[s->n++] = *net;
	return err;
}

static uint32_t digit(const struct source_net *net, uint32_t which)
{
	if (which == 0)
		return net->len;
	return (uint32_t)(net->addr >> ((which - 1) * DIGIT_BITS)) & ((1U << DIGIT_BITS) - 1);
}

/* One pass of the radix sort, stable. False: all have the same digit, nothing was moved. */
static bool sort_by_digit(const struct source_net *from, struct source_net *to, size_t n,
			  uint32_t which)
{
	size_t at[1U << DIGIT_BITS] = { 0 }, sum = 0, i;

	for (i = 0; i < n; i++)
		at[digit(&from[i], which)]++;
	if (at[digit(&from[0], which)] == n)
		return false;
	for (i = 0; i < 1U << DIGIT_BITS; i++) {
		size_t count = at[i];

		at[i] = sum;
		sum += count;
	}
	for (i = 0; i < n; i++)
		to[at[digit(&from[i], which)]++] = from[i];
	return true;
}

static bool is_sorted(const struct source_nets *s)
{
	size_t i;

	for (i = 1; i < s->n; i++) {
		if (source_net_cmp(&s->v[i - 1], &s->v[i]) >= 0)
			return false;
	}
	return true;
}

int source_nets_sort(struct source_nets *s)
{
	struct source_net *other;
	size_t i, n = 0;
	uint32_t which;

	if (is_sorted(s))
		return 0;
	other = malloc(s->room * sizeof(*other));
	if (!other)
		return -ENOMEM;
	for (which = 0; which < DIGITS; which++) {
		if (sort_by_digit(s->v, other, s->n, which)) {
			struct source_net *was = s->v;

			s->v = other;
			other = was;
		}
	}
	free(other);
	for (i = 0; i < s->n; i++) {
		if (i + 1 == s->n || source_net_cmp(&s->v[i], &s->v[i + 1]) != 0)
			s->v[n++] = s->v[i];
	}
	s->n = n;
	return 0;
}

size_t source_nets_lower(const struct source_nets *s, const struct source_net *net)
{
	size_t from = 0, to = s->n;

	while (from < to) {
		size_t mid = (from + to) / 2;

		if (source_net_cmp(&s->v[mid], net) < 0)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

size_t source_nets_end(const struct source_nets *s, const struct source_net *net)
{
	struct source_net behind = { .addr = source_net_last(net), .len = UINT8_MAX };

	return source_nets_lower(s, &behind);
}

struct source_net *source_nets_find(const struct source_nets *s, const struct source_net *net)
{
	size_t i = source_nets_lower(s, net);

	return i < s->n && source_net_cmp(&s->v[i], net) == 0 ? &s->v[i] : NULL;
}

struct source_net *source_nets_cover(const struct source_nets *s, uint64_t addr, uint32_t len)
{
	struct source_net net = { .addr = source_net_mask(addr, len), .len = (uint8_t)len };

	return s->n ? source_nets_find(s, &net) : NULL;
}

int source_nets_insert(struct source_nets *s, const struct source_net *net)
{
	size_t i = source_nets_lower(s, net);
	int err = reserve(s);

	if (err)
		return err;
	memmove(&s->v[i + 1], &s->v[i], (s->n - i) * sizeof(*s->v));
	s->v[i] = *net;
	s->n++;
	return 0;
}

void source_nets_remove(struct source_nets *s, size_t i)
{
	s->n--;
	memmove(&s->v[i], &s->v[i + 1], (s->n - i) * sizeof(*s->v));
}

void source_pair_clear(struct source_pair *pair)
{
	source_nets_clear(&pair->v4);
	source_nets_clear(&pair->v6);
}

int source_pair_push(struct source_pair *pair, const struct prefix *p, uint8_t tag)
{
	struct source_net net;
	bool v4;
	int err = source_net_from(p, &v4, &net);

	net.tag = tag;
	return err ? err : source_nets_push(v4 ? &pair->v4 : &pair->v6, &net);
}

int source_pair_sort(struct source_pair *pair)
{
	int err = source_nets_sort(&pair->v4);

	return err ? err : source_nets_sort(&pair->v6);
}
