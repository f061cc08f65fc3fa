/* SPDX-License-Identifier: BSD-2-Clause */
#include "race_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "bpf/nat_lab.h"
#include "sluice/abi/limit_concurrent.h"

#define CONCURRENT_BYTES (8192 * sizeof(struct limit_concurrent_set)) /* as it is by default */

/* Of all slots. */
struct flows {
	struct nat_flow flow[NAT_LAB_FLOWS];
	uint32_t n, young, counted;
};

static void say(struct race *r, const char *what, uint64_t is, uint64_t expected)
{
	if (!r->said[0])
		snprintf(r->said, sizeof(r->said), "%s: %llu, and not %llu", what,
			 (unsigned long long)is, (unsigned long long)expected);
}

static void want(struct race *r, const char *what, uint64_t is, uint64_t expected)
{
	if (is != expected)
		say(r, what, is, expected);
}

static void want_most(struct race *r, const char *what, uint64_t is, uint64_t most)
{
	if (is > most)
		say(r, what, is, most);
}

static bool has_tuple(const struct race *r, const struct flow_key *key, uint32_t slot,
		      const struct nat_flow *f, uint32_t is_back)
{
	struct nat_ref ref;

	return bpf_map_lookup_elem(plane_map(&r->plane, "nat_tuple"), key, &ref) == 0 &&
	       ref.slot == slot && ref.life == f->life && ref.is_back == is_back;
}

static void read_flows(struct race *r, struct flows *ret)
{
	uint32_t i;

	memset(ret, 0, sizeof(*ret));
	for (i = 0; i < NAT_LAB_FLOWS; i++) {
		struct nat_flow *f = &ret->flow[i];

		assert_int_equal(bpf_map_lookup_elem(plane_map(&r->plane, "nat_flow"), &i, f), 0);
		want(r, "slots that somebody has not given back", f->phase == NAT_BUSY, 0);
		if (f->phase < NAT_OPENING)
			continue;
		ret->n++;
		ret->young += f->is_young;
		ret->counted += f->place.word[0] != 0;
		want(r, "tuples of a flow",
		     has_tuple(r, &f->client, i, f, 0) + has_tuple(r, &f->answer, i, f, 1), 2);
	}
}

/* No port is two flows', no client has two flows from one port, nor more than he may. */
static void check_pairs(struct race *r, const struct flows *s)
{
	uint32_t i, k, same;

	for (i = 0; i < NAT_LAB_FLOWS; i++) {
		const struct nat_flow *a = &s->flow[i];

		if (a->phase < NAT_OPENING)
			continue;
		for (same = 0, k = 0; k < NAT_LAB_FLOWS; k++) {
			const struct nat_flow *b = &s->flow[k];

			if (b->phase < NAT_OPENING)
				continue;
			same += b->place.word[0] && a->client.proto == PROTO_TCP &&
				memcmp(&a->client.src, &b->client.src, sizeof(struct addr)) == 0;
			want(r, "flows with one tuple",
			     k != i && (memcmp(&a->client, &b->client, sizeof(a->client)) == 0 ||
					memcmp(&a->answer, &b->answer, sizeof(a->answer)) == 0),
			     0);
		}
		/* The look and the count are two steps: each other CPU may be between them. */
		want_most(r, "connections of a source", same, RACE_CONCURRENT + RACE_CPUS - 1);
	}
}

static uint64_t count_tuples(const struct race *r)
{
	struct flow_key key, *at = NULL;
	uint64_t n = 0;

	for (; bpf_map_get_next_key(plane_map(&r->plane, "nat_tuple"), at, &key) == 0; at = &key)
		n++;
	return n;
}

static uint64_t count_connections(const struct race *r)
{
	const uint64_t *word = mmap(NULL, CONCURRENT_BYTES, PROT_READ, MAP_SHARED,
				    plane_map(&r->plane, "limit_concurrent"), 0);
	uint64_t sum = 0;
	size_t i;

	assert_ptr_not_equal(word, MAP_FAILED);
	for (i = 0; i < CONCURRENT_BYTES / 8; i++)
		sum += word[i] & LIMIT_CONCURRENT_COUNT;
	munmap((void *)(uintptr_t)word, CONCURRENT_BYTES);
	return sum;
}

static void check_counters(struct race *r)
{
	uint64_t dropped = 0, all = 0;
	uint32_t i;

	for (i = 1; i < DROP_REASON_COUNT; i++)
		dropped += plane_drops(&r->plane, i).packets;
	for (i = 0; i < STATS_ACTIONS; i++)
		all += plane_actions(&r->plane, i).packets;
	want(r, "packets by what became of them", all, r->sent);
	want(r, "packets by why they were dropped", dropped,
	     plane_actions(&r->plane, STATS_DROP).packets);
}

/* A meter of its own is exact; of cells each CPU may have one packet under way. */
static void check_rates(struct race *r)
{
	uint64_t ns = *r->plane.now_ns - r->begin_ns;
	uint64_t most = RACE_BURST + (ns * RACE_PER_S + PLANE_SECOND - 1) / PLANE_SECOND;

	want_most(r, "packets that an exact meter admits", r->admitted[0], most);
	want_most(r, "packets that cells admit", r->admitted[1], most + RACE_CPUS);
}

void race_check(struct race *r)
{
	static struct flows s;
	struct stats_nat stats = nat_lab_stats(&r->plane, false);
	struct nat_state state;

	read_flows(r, &s);
	check_pairs(r, &s);
	check_counters(r);
	check_rates(r);
	nat_lab_state(&r->plane, &state);
	want(r, "flows that are young", state.young, s.young);
	want(r, "tuples", count_tuples(r), 2ULL * s.n);
	want(r, "flows by counters", stats.opened - stats.ended, s.n);
	want(r, "connections at a time", count_connections(r), s.counted);
}

void race_check_end(struct race *r)
{
	want(r, "tuples at the end", count_tuples(r), 2);
	want(r, "connections at the end", count_connections(r), 0);
}
