/* SPDX-License-Identifier: BSD-2-Clause */
#include "source_world.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/addr.h"
#include "dataplane/source_feed.h"

#define SPLIT_BYTES    sizeof(struct source_split)
#define V4_BYTES       (SOURCE_LINES * sizeof(struct source_line))
#define V6_LINES_BYTES (SOURCE_V6_LINES * sizeof(struct source_v6_line))

static int make_map(enum bpf_map_type type, const char *name, uint32_t key_bytes,
		    uint32_t value_bytes, uint32_t n, uint32_t flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = flags);
	int fd = bpf_map_create(type, name, key_bytes, value_bytes, n, &opts);

	assert_true(fd >= 0);
	return fd;
}

struct source_world *source_world_open(uint32_t max)
{
	struct source_world *w = calloc(1, sizeof(*w));
	const char *seed = getenv("TEST_SEED");

	assert_non_null(w);
	w->random = seed ? strtoull(seed, NULL, 0) | 1 : 0x9e3779b97f4a7c15ULL;
	w->maps.v4_fd = make_map(BPF_MAP_TYPE_ARRAY, "source_v4", 4, sizeof(struct source_line),
				 SOURCE_LINES, BPF_F_MMAPABLE);
	w->maps.split_fd =
		make_map(BPF_MAP_TYPE_HASH, "source_split", 4, SPLIT_BYTES, max, BPF_F_NO_PREALLOC);
	w->maps.long_fd = make_map(BPF_MAP_TYPE_LPM_TRIE, "source_long", sizeof(struct prefix),
				   sizeof(struct source_group), max, BPF_F_NO_PREALLOC);
	w->maps.v6_fd = make_map(BPF_MAP_TYPE_HASH, "source_v6", sizeof(struct source_v6_key),
				 sizeof(struct source_v6_answer), max, BPF_F_NO_PREALLOC);
	w->maps.v6_lines_fd =
		make_map(BPF_MAP_TYPE_ARRAY, "source_v6_lines", 4, sizeof(struct source_v6_line),
			 SOURCE_V6_LINES, BPF_F_MMAPABLE);
	w->v4 = mmap(NULL, V4_BYTES, PROT_READ, MAP_SHARED, w->maps.v4_fd, 0);
	w->v6_lines = mmap(NULL, V6_LINES_BYTES, PROT_READ, MAP_SHARED, w->maps.v6_lines_fd, 0);
	assert_true(w->v4 != MAP_FAILED && w->v6_lines != MAP_FAILED);
	assert_int_equal(source_table_open(&w->maps, &w->t), 0);
	return w;
}

void source_world_close(struct source_world *w)
{
	source_table_close(w->t);
	munmap((void *)(uintptr_t)w->v4, V4_BYTES);
	munmap((void *)(uintptr_t)w->v6_lines, V6_LINES_BYTES);
	close(w->maps.v4_fd);
	close(w->maps.split_fd);
	close(w->maps.long_fd);
	close(w->maps.v6_fd);
	close(w->maps.v6_lines_fd);
	free(w);
}

/* xorshift64* */
uint32_t source_world_draw(struct source_world *w, uint32_t below)
{
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return (uint32_t)((w->random * 0x2545f4914f6cdd1dULL >> 32) * below >> 32);
}

struct prefix source_world_prefix_of(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(text, &p), 0);
	return p;
}

struct addr source_world_addr_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static uint8_t look_up_split(const struct source_world *w, uint32_t number, uint32_t host,
			     const struct addr *a)
{
	struct prefix key = { 128, *a };
	struct source_group group;
	struct source_split s;

	if (bpf_map_lookup_elem(w->maps.split_fd, &number, &s))
		return LOST;
	if (s.allow[host / 64] >> (host % 64) & 1)
		return SOURCE_ALLOW;
	if (s.deny[host / 64] >> (host % 64) & 1)
		return SOURCE_DENY;
	if (s.longer && !bpf_map_lookup_elem(w->maps.long_fd, &key, &group))
		return (uint8_t)group.group;
	return (uint8_t)s.rest;
}

bool source_world_asks(const struct source_v6_line *lines, uint64_t addr, uint32_t len)
{
	const uint64_t bit = 1ULL << (64 - len), hash = source_v6_hash(addr, bit),
		       want = source_v6_filter_bits(hash);
	const struct source_v6_line *l =
		&lines[len < 32 ? source_v6_line_20(addr) : source_v6_line_32(addr)];
	const __u64 *word = &l->filter[source_v6_filter_word(hash)];

	return (__atomic_load_n(&l->lengths, __ATOMIC_ACQUIRE) & bit) &&
	       (__atomic_load_n(word, __ATOMIC_ACQUIRE) & want) == want;
}

static uint8_t look_up_v6(const struct source_world *w, const struct addr *a)
{
	const uint64_t addr = (uint64_t)ntohl(a->w[0]) << 32 | ntohl(a->w[1]);
	struct source_v6_answer answer;
	uint32_t len;

	for (len = 64; len; len--) {
		struct addr masked = addr_mask(a, len);
		struct source_v6_key key = { { masked.w[0], masked.w[1] }, len };

		if (source_world_asks(w->v6_lines, addr, len) &&
		    !bpf_map_lookup_elem(w->maps.v6_fd, &key, &answer))
			return (uint8_t)answer.answer;
	}
	return (uint8_t)__atomic_load_n(&w->v6_lines[SOURCE_V6_REST].lengths, __ATOMIC_ACQUIRE);
}

uint32_t source_world_v6_lines(const struct source_world *w)
{
	static const struct source_v6_line none;
	uint32_t n = 0, i;

	for (i = 0; i < SOURCE_V6_LINES; i++)
		n += memcmp(&w->v6_lines[i], &none, sizeof(none)) != 0;
	return n;
}

uint8_t source_world_look_up(const struct source_world *w, const struct addr *a)
{
	uint32_t number = (uint32_t)a->b[12] << 16 | (uint32_t)a->b[13] << 8 | a->b[14];
	uint8_t answer;

	if (!addr_is_v4(a))
		return look_up_v6(w, a);
	answer = __atomic_load_n(&w->v4[SOURCE_WIDE + number / 256], __ATOMIC_ACQUIRE);
	if (answer == SOURCE_SPLIT)
		answer = __atomic_load_n(&w->v4[number], __ATOMIC_ACQUIRE);
	return answer == SOURCE_SPLIT ? look_up_split(w, number, a->b[15], a) : answer;
}

static bool covers(const struct prefix *p, const struct addr *a)
{
	return (p->len_bits >= 96 || !addr_is_v4(a)) && prefix_contains(p, a);
}

uint8_t source_world_naive(const struct source_case *l, const struct addr *a)
{
	uint8_t answer = SOURCE_NONE;
	uint32_t len = 0;
	size_t i;

	for (i = 0; i < l->n_allow; i++) {
		if (covers(&l->allow[i], a))
			return SOURCE_ALLOW;
	}
	for (i = 0; i < l->n_deny; i++) {
		if (covers(&l->deny[i], a))
			return SOURCE_DENY;
	}
	for (i = 0; i < l->n_groups; i++) {
		if (covers(&l->group[i].prefix, a) && l->group[i].prefix.len_bits >= len) {
			len = l->group[i].prefix.len_bits;
			answer = l->group[i].group;
		}
	}
	return answer;
}

/* Few bits vary, so that prefixes meet: 10.0-3.0-3.x and words of 2001:db8::. */
struct prefix source_world_prefix(struct source_world *w)
{
	static const uint8_t bytes[] = { 0, 1, 0x80, 0xff };
	struct prefix p = { 0 };
	int i;

	if (source_world_draw(w, 2)) {
		uint32_t kind = source_world_draw(w, 8);

		p.addr = source_world_addr_of("10.0.0.0");
		p.addr.b[13] = (uint8_t)source_world_draw(w, 4);
		p.addr.b[14] = (uint8_t)source_world_draw(w, 4);
		p.addr.b[15] = (uint8_t)source_world_draw(w, 256);
		p.len_bits = 96 + (kind < 4   ? 25 + source_world_draw(w, 8)
				   : kind < 7 ? 14 + source_world_draw(w, 12)
					      : source_world_draw(w, 33));
	} else {
		p.addr = source_world_addr_of("2001:db8::");
		for (i = 2; i < 8; i++)
			p.addr.b[i] = bytes[source_world_draw(w, 4)];
		p.len_bits = source_world_draw(w, 4) ? 20 + source_world_draw(w, 45)
						     : source_world_draw(w, 65);
		p.len_bits = source_world_draw(w, 3) ? p.len_bits & ~7U : p.len_bits;
	}
	p.addr = addr_mask(&p.addr, p.len_bits);
	return p;
}

static bool has_group(const struct source_case *l, const struct prefix *p)
{
	size_t i;

	for (i = 0; i < l->n_groups; i++) {
		if (!memcmp(&l->group[i].prefix, p, sizeof(*p)))
			return true;
	}
	return false;
}

void source_world_lists(struct source_world *w, struct source_case *l)
{
	size_t n = source_world_draw(w, LIST_MAX);

	memset(l, 0, sizeof(*l));
	while (l->n_allow < n / 3)
		l->allow[l->n_allow++] = source_world_prefix(w);
	while (l->n_deny < n)
		l->deny[l->n_deny++] = source_world_prefix(w);
	for (n = source_world_draw(w, LIST_MAX); n; n--) {
		struct prefix p = source_world_prefix(w);

		if (!has_group(l, &p))
			l->group[l->n_groups++] = (struct source_group_prefix) {
				p, (uint8_t)source_world_draw(w, SOURCE_GROUP_MAX + 1)
			};
	}
}

void source_world_vary(struct source_world *w, const struct source_case *from,
		       struct source_case *to)
{
	struct source_case other;
	size_t i;

	source_world_lists(w, &other);
	*to = *from;
	for (i = 0; i < to->n_allow && i < other.n_allow; i++) {
		if (!source_world_draw(w, 3))
			to->allow[i] = other.allow[i];
	}
	for (i = 0; i < to->n_deny && i < other.n_deny; i++) {
		if (!source_world_draw(w, 3))
			to->deny[i] = other.deny[i];
	}
	for (i = 0; i < to->n_groups && i < other.n_groups; i++) {
		if (!source_world_draw(w, 3) && !has_group(to, &other.group[i].prefix))
			to->group[i] = other.group[i];
		else if (!source_world_draw(w, 3))
			to->group[i].group = (uint8_t)source_world_draw(w, SOURCE_GROUP_MAX + 1);
	}
}

/* Some prefixes are in both. */
static void apply_split(struct source_world *w, const struct source_case *l)
{
	size_t feed = source_world_draw(w, (uint32_t)l->n_deny + 1);
	size_t both = feed ? source_world_draw(w, (uint32_t)feed) : 0;
	struct source_feed *f;
	struct errmsg err;

	assert_int_equal(source_feed_new(l->deny, feed, &f), 0);
	source_feed_swap(f, w->t);
	source_feed_free(f);
	assert_int_equal(
		source_table_change(w->t, SOURCE_LIST_DENY, l->deny + both, l->n_deny - both, &err),
		0);
}

void source_world_apply(struct source_world *w, const struct source_case *l)
{
	struct errmsg err;

	assert_int_equal(source_table_set(w->t, SOURCE_LIST_ALLOW, l->allow, l->n_allow), 0);
	if (w->use_feed)
		apply_split(w, l);
	else
		assert_int_equal(source_table_set(w->t, SOURCE_LIST_DENY, l->deny, l->n_deny), 0);
	assert_int_equal(source_table_set_groups(w->t, l->group, l->n_groups), 0);
	assert_int_equal(source_table_apply(w->t, &err), 0);
}

struct addr source_world_probe(struct source_world *w, const struct prefix *p, int i)
{
	uint32_t last = addr_is_v4(&p->addr) && p->len_bits >= 96 ? 15 : 7;
	struct addr a = p->addr;
	uint32_t bit;

	for (bit = p->len_bits; bit < (last + 1) * 8; bit++) {
		if (i == 1 || i == 3 || (i == 4 && source_world_draw(w, 2)))
			a.b[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	}
	for (bit = last; i == 2 && a.b[bit]-- == 0 && bit > 0;)
		bit--;
	for (bit = last; i == 3 && ++a.b[bit] == 0 && bit > 0;)
		bit--;
	return a;
}

void source_world_check_at(struct source_world *w, const struct source_case *l,
			   const struct prefix *p)
{
	char text[ADDR_TEXT_MAX];
	int i;

	for (i = 0; i < 5; i++) {
		struct addr a = source_world_probe(w, p, i);
		uint8_t want = source_world_naive(l, &a), found = source_world_look_up(w, &a);

		if (found != want || source_table_answer(w->t, &a) != want)
			fail_msg("%s: the lists say %u, the maps %u, the agent %u",
				 addr_format(&a, text), want, found, source_table_answer(w->t, &a));
	}
}

void source_world_check(struct source_world *w, const struct source_case *l)
{
	size_t i;

	for (i = 0; i < l->n_allow; i++)
		source_world_check_at(w, l, &l->allow[i]);
	for (i = 0; i < l->n_deny; i++)
		source_world_check_at(w, l, &l->deny[i]);
	for (i = 0; i < l->n_groups; i++)
		source_world_check_at(w, l, &l->group[i].prefix);
}
