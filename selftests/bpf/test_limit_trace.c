/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bound of docs/feature/limit.md in the programs: random traces by CPUs whose clocks disagree, from
 * one packet a second to 400 Gbit/s, idle up to a day, out of shared cells and out of the source's own
 * meters. test_gcra_property.c has the same of the meter alone, over more rates.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/proto.h"
#include "plane_case.h"
#include "sluice/algo/maglev.h"

#define DAY_NS	   (86400 * PLANE_SECOND)
#define EVENTS	   8000
#define SKEW_NS	   200000
#define HEAD_BYTES 42 /* Ethernet, IPv4, UDP */
#define BYTES_MAX  1514

struct row {
	const char *what;
	enum limit_unit unit;
	uint64_t per_s, burst;
	bool proven;
};

#define ROWS(name, unit, per_s, burst)                    \
	{ "rows: " name, unit, per_s, burst, false },     \
	{                                                 \
		"proven: " name, unit, per_s, burst, true \
	}

static const struct row rows[] = {
	ROWS("1 packet a second", LIMIT_PACKETS, 1, 1),
	ROWS("1,000 packets a second", LIMIT_PACKETS, 1000, 50),
	ROWS("a million packets a second", LIMIT_PACKETS, 1000000, 1000),
	ROWS("ten million packets a second", LIMIT_PACKETS, 10000000, 3000),
	ROWS("1 kB/s", LIMIT_BYTES, 1000, 4000),
	ROWS("1 Gbit/s", LIMIT_BYTES, 125000000, 1000000),
	ROWS("400 Gbit/s", LIMIT_BYTES, 50000000000, 20000000),
};

static uint64_t random_state;

static uint64_t random_below(uint64_t limit)
{
	return maglev_mix(random_state++ * 0x9e3779b97f4a7c15ULL) % limit;
}

/* A source, in a class, for each unit and tier: the rows share the plane, and begin a day apart. */
static const char *const sources[2][2] = { { "10.0.1.7", "10.0.1.8" }, { "10.0.2.7", "10.0.2.8" } };

static const char *source_of(const struct row *row)
{
	return sources[row->unit == LIMIT_BYTES][row->proven];
}

static void begin(struct plane *p, const struct row *row)
{
	uint32_t class = row->unit == LIMIT_BYTES ? 2 : 1, i;

	for (i = 0; p->n_groups < 2; i++) {
		plane_limit_prefix(p, sources[i][0], 24, i + 1);
		plane_prove(p, sources[i][1], i + 1);
	}
	plane_limit(p, class, row->unit, row->per_s, row->burst, false);
	*p->now_ns += DAY_NS;
}

/* Most packets follow at once, some after about as long as one lasts, one after up to a day. */
static uint64_t gap(const struct row *row, uint32_t units)
{
	uint64_t kind = random_below(2000);

	if (kind == 0)
		return random_below(DAY_NS);
	if (kind < 800)
		return random_below(1 + 3 * units * PLANE_SECOND / row->per_s);
	return 0;
}

/* What one packet costs, and the packet. */
static uint32_t make(const struct row *row, struct packet *packet)
{
	uint32_t bytes = 60 + (uint32_t)random_below(BYTES_MAX - 60 + 1);
	const struct packet_spec spec = { .src = source_of(row),
					  .dst = "192.0.2.10",
					  .proto = PROTO_UDP,
					  .payload_bytes = row->unit == LIMIT_BYTES
								   ? bytes - HEAD_BYTES
								   : 20 };

	packet_build(&spec, packet);
	return row->unit == LIMIT_BYTES ? bytes : 1;
}

/* From a CPU whose clock is ahead by 0..SKEW_NS. */
static bool is_admitted(struct plane *p, const struct packet *packet, uint64_t true_ns)
{
	*p->now_ns = true_ns + random_below(SKEW_NS + 1);
	return plane_run(p, packet, NULL) != PLANE_DROP;
}

/* A bucket that leaks at the rate holds what the worst window so far had beyond rate * W. */
static void test_bound(struct plane *p, const void *at)
{
	const struct row *row = at;
	__int128 over = 0,
		 most = (__int128)row->burst * PLANE_SECOND + (__int128)row->per_s * SKEW_NS;
	uint64_t true_ns, admitted = 0;
	struct packet packet;
	int i;

	begin(p, row);
	true_ns = *p->now_ns;
	for (i = 0; i < EVENTS; i++) {
		uint32_t units = make(row, &packet);
		uint64_t step = gap(row, units);
		__int128 leaked = (__int128)row->per_s * step;

		true_ns += step;
		over = over > leaked ? over - leaked : 0;
		if (is_admitted(p, &packet, true_ns)) {
			over += (__int128)units * PLANE_SECOND;
			admitted++;
		}
		if (over > most)
			fail_msg("event %d is one too many", i);
	}
	assert_in_range(admitted, EVENTS / 100, EVENTS);
}

/* A bucket smaller by the skew's worth, a thousandth slower, and 1/256 ns a packet (as realised). */
static void test_conforming(struct plane *p, const void *at)
{
	const struct row *row = at;
	long double per_ns = (long double)row->per_s * 0.999L / 1e9L;
	long double rounding = (long double)row->per_s / 256e9L;
	long double most =
		(long double)row->burst - 1e-3L - (long double)row->per_s * SKEW_NS / 1e9L;
	uint64_t true_ns, sent = 0;
	long double level = most;
	struct packet packet;
	int i;

	begin(p, row);
	true_ns = *p->now_ns;
	for (i = 0; i < EVENTS; i++) {
		uint32_t units = make(row, &packet);
		uint64_t step = gap(row, units);

		true_ns += step;
		level += step * per_ns;
		if (level > most)
			level = most;
		if (level < units + rounding)
			continue;
		level -= units + rounding;
		if (!is_admitted(p, &packet, true_ns))
			fail_msg("event %d is refused", i);
		sent++;
	}
	/* One packet a second with a burst of one has no slack to give. */
	if (most >= 1)
		assert_in_range(sent, EVENTS / 100, EVENTS);
}

#define TABLE(fn) plane_case_table(fn, rows, sizeof(rows[0]), sizeof(rows) / sizeof(rows[0]))

int main(void)
{
	const char *seed = getenv("TEST_SEED");

	random_state = seed ? strtoull(seed, NULL, 0) : 1;
	plane_case_shared(true);
	TABLE(test_bound);
	TABLE(test_conforming);
	return plane_case_run("limit trace");
}
