/* SPDX-License-Identifier: BSD-2-Clause */
/* The meter: its bound and its fairness as properties over random traces, its edges one by one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sluice/algo/gcra_rate.h"
#include "sluice/algo/maglev.h"

#define NS_PER_S 1000000000ULL
#define DAY_NS	 (86400 * NS_PER_S)
#define TRIES	 8

/* Deterministic, and good enough: SplitMix64. */
static __u64 random_state;

static __u64 random_u64(void)
{
	return maglev_mix(random_state++ * 0x9e3779b97f4a7c15ULL);
}

static __u64 random_below(__u64 limit)
{
	return random_u64() % limit;
}

struct rate_row {
	__u64 units, burst;
	uint32_t packet_max; /* units of one decision */
};

static const struct rate_row rates[] = {
	{ 1, 1, 1 },
	{ 1, 20, 1 },
	{ 7, 3, 1 },
	{ 1000, 50, 1 },
	{ 3000, 1, 1 },
	{ 999983, 1000, 64 },
	{ 10000000, 10000, 64 },
	{ 1000, 1500, 1500 },			    /* 1 kB/s */
	{ 125000, 100000, 1514 },		    /* 1 Mbit/s */
	{ 125000000, 1000000, 1514 },		    /* 1 Gbit/s */
	{ 312500000, 1000000, 9014 },		    /* 2.5 Gbit/s */
	{ 1250000000ULL, 10000000, 65549 },	    /* 10 Gbit/s */
	{ 12500000000ULL, 100000000, 65549 },	    /* 100 Gbit/s */
	{ 50000000000ULL, 500000000, 524288 + 14 }, /* 400 Gbit/s */
};

#define RATES (sizeof(rates) / sizeof(rates[0]))

static struct gcra_rate rate_of(const struct rate_row *row)
{
	struct gcra_rate rate = { 0 };

	assert_int_equal(gcra_rate_set(&rate, row->units, NS_PER_S, row->burst), 0);
	return rate;
}

/* units <= burst + rate * window, all exact. */
static int within_bound(const struct rate_row *row, __u64 units, __u64 window_ns)
{
	unsigned __int128 earned = (unsigned __int128)row->units * window_ns;

	return (unsigned __int128)units * NS_PER_S <=
	       earned + (unsigned __int128)row->burst * NS_PER_S;
}

static void a_realised_rate_is_never_above_and_at_most_a_thousandth_below(void **state)
{
	static const __u64 periods[] = { NS_PER_S, 60 * NS_PER_S, 3600 * NS_PER_S, DAY_NS };
	struct gcra_rate rate = { 0 };
	__u64 units, period, i, k;

	(void)state;
	for (i = 0; i < 20000; i++) {
		unsigned __int128 want, got;

		units = 1 + random_u64() % (1ULL << (1 + random_below(40)));
		period = periods[random_below(4)];
		assert_int_equal(gcra_rate_set(&rate, units, period, 1), 0);
		/* The cost of 2^20 units against what they should cost, in 1/256 ns. */
		k = rate.shift ? 1ULL << 20 : 1;
		got = ((unsigned __int128)rate.mult * k * units) >> rate.shift;
		want = (unsigned __int128)period * 256 * k;
		assert_true(got >= want - units);
		assert_true(got * 1000 <= want * 1001 + 1000 * (unsigned __int128)units);
	}
}

static void a_rate_is_shown_as_it_is_realised(void **state)
{
	struct gcra_rate rate;
	__u64 shown;
	size_t i;

	(void)state;
	for (i = 0; i < RATES; i++) {
		rate = rate_of(&rates[i]);
		shown = gcra_rate_per_1000_s(&rate);
		assert_true(shown <= rates[i].units * 1000);
		assert_true(shown >= rates[i].units * 999);
		assert_int_equal(gcra_burst(&rate), rates[i].burst);
	}
	assert_int_equal(gcra_rate_set(&rate, 10, 3600 * NS_PER_S, 10), 0);
	assert_int_equal(gcra_rate_per_1000_s(&rate), 2); /* 2.77 */
	memset(&rate, 0, sizeof(rate));
	assert_int_equal(gcra_rate_per_1000_s(&rate), 0);
	assert_int_equal(gcra_burst(&rate), 0);
}

static void what_cannot_be_encoded_is_refused(void **state)
{
	static const struct {
		__u64 units, period_ns, burst;
		int want;
	} cases[] = {
		{ 0, NS_PER_S, 1, -ERANGE },
		{ 1, 0, 1, -ERANGE },
		{ 1, NS_PER_S, 0, -ERANGE },
		{ 1ULL << 63, NS_PER_S, 1, -ERANGE },
		{ 1, 1ULL << 55, 1, -ERANGE },
		{ 1, 52 * DAY_NS, 1, 0 },
		{ 1, 53 * DAY_NS, 1, -ERANGE }, /* one unit takes over 52 days */
		{ 1, DAY_NS, 52, 0 },
		{ 1, DAY_NS, 53, -ERANGE },
		{ 1, NS_PER_S, 4500000, 0 },
		{ 1, NS_PER_S, 4600000, -ERANGE },
		{ 1, NS_PER_S, UINT64_MAX, -ERANGE },
		{ 50000000000ULL, NS_PER_S, UINT64_MAX, -ERANGE },
		{ 1ULL << 52, NS_PER_S, 1ULL << 40, 0 },
		{ 1ULL << 62, NS_PER_S, 1, 0 },
		{ 1ULL << 62, 1, 1, -ERANGE },
	};
	struct gcra_rate rate = { .mult = 77 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		rate.mult = 77;
		if (gcra_rate_set(&rate, cases[i].units, cases[i].period_ns, cases[i].burst) !=
		    cases[i].want)
			fail_msg("case %zu", i);
		if (cases[i].want)
			assert_int_equal(rate.mult, 77);
	}
}

/*
 * Greedy, idle and in-between, with gaps up to a day. The bound is checked for every window that
 * starts at a decision: what is left of it never exceeds burst after any admitted prefix.
 */
static void trace(const struct rate_row *row, __u64 decisions)
{
	struct gcra_rate rate = rate_of(row);
	__u64 now = 1 + random_below(DAY_NS), word = 0, i;
	/* Excess over the rate, in units * NS_PER_S: admitted since its own lowest point. */
	__int128 debt = 0;

	for (i = 0; i < decisions; i++) {
		uint32_t n = 1 + (uint32_t)random_below(row->packet_max);
		__u64 gap = 0;

		if (random_below(4) == 0)
			gap = random_below(1 + NS_PER_S / row->units * 2 * n);
		if (random_below(2000) == 0)
			gap = random_below(DAY_NS);
		now += gap;
		debt -= (__int128)gap * row->units;
		if (debt < 0)
			debt = 0; /* the window that starts here is the worst from now on */
		if (gcra_spend(&word, &rate, gcra_now_fp(now), n, TRIES) == GCRA_ADMIT)
			debt += (__int128)n * NS_PER_S;
		if (debt > (__int128)row->burst * NS_PER_S)
			fail_msg("rate %llu, decision %llu", (unsigned long long)row->units,
				 (unsigned long long)i);
	}
}

static void no_window_admits_more_than_burst_and_rate(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < RATES; i++)
		trace(&rates[i], 200000);
}

/* Sends whenever a bucket that loses 0.1 % and 1/256 ns a packet has it: never refused. */
static void a_conforming_source_is_never_refused(void **state)
{
	size_t i;
	int k;

	(void)state;
	for (i = 0; i < RATES; i++) {
		const struct rate_row *row = &rates[i];
		struct gcra_rate rate = rate_of(row);
		__u64 now = NS_PER_S, word = 0;
		double level = (double)row->burst;

		for (k = 0; k < 100000; k++) {
			__u64 gap = random_below(1 + 2 * NS_PER_S / row->units * row->packet_max);
			uint32_t n = 1 + (uint32_t)random_below(row->packet_max);

			now += gap;
			level += (double)gap * 0.999 * (double)row->units / 1e9;
			if (level > (double)row->burst)
				level = (double)row->burst;
			if (level < n)
				continue;
			level -= n + (double)row->units / 256e9;
			if (gcra_spend(&word, &rate, gcra_now_fp(now), n, TRIES) != GCRA_ADMIT)
				fail_msg("rate %llu, packet %d", (unsigned long long)row->units, k);
		}
	}
}

static void a_greedy_source_gets_all_that_it_may(void **state)
{
	const struct rate_row row = { 1000, 50, 1 };
	struct gcra_rate rate = rate_of(&row);
	__u64 word = 0, admitted = 0, now = 5 * NS_PER_S, i;

	(void)state;
	for (i = 0; i < 100000; i++) {
		admitted += gcra_spend(&word, &rate, gcra_now_fp(now), 1, TRIES) == GCRA_ADMIT;
		assert_true(within_bound(&row, admitted, now - 5 * NS_PER_S));
		now += 100000;
	}
	assert_int_equal(admitted, 50 + 9999);
}

static void a_refusal_writes_nothing_but_a_clamp(void **state)
{
	struct gcra_rate rate = rate_of(&(struct rate_row) { 1000, 10, 1 });
	__u64 now_fp = gcra_now_fp(NS_PER_S), full = now_fp + rate.tolerance_fp, word = full;

	(void)state;
	assert_int_equal(gcra_spend(&word, &rate, now_fp, 1, TRIES), GCRA_REFUSE);
	assert_int_equal(word, full);
	assert_int_equal(gcra_peek(&word, &rate, now_fp, 1), 0);
	assert_int_equal(word, full);
	word = full + GCRA_CLAMP_FP; /* another CPU's, whose clock is ahead */
	assert_int_equal(gcra_spend(&word, &rate, now_fp, 1, TRIES), GCRA_REFUSE);
	assert_int_equal(gcra_peek(&word, &rate, now_fp, 1), 0);
	assert_int_equal(word, full + GCRA_CLAMP_FP);
	word++; /* of a larger burst: an empty bucket of this one */
	assert_int_equal(gcra_spend(&word, &rate, now_fp, 1, TRIES), GCRA_REFUSE);
	assert_int_equal(word, full);
	word = full + GCRA_CLAMP_FP + 1;
	assert_int_equal(gcra_peek(&word, &rate, now_fp, 1), 0);
	assert_int_equal(word, full);
	word = now_fp + (1ULL << 63) - 1; /* corrupt: empty, never full */
	assert_int_equal(gcra_spend(&word, &rate, now_fp, 1, TRIES), GCRA_REFUSE);
	assert_int_equal(word, full);
}

/* A CPU that lags by 20 ms is refused often; it must not give the other one its tokens back. */
/* What the agent carried over to a slower rate is ahead of an empty bucket of the rate in force. */
static void a_charge_takes_no_debt_back(void **state)
{
	struct gcra_rate rate = rate_of(&(struct rate_row) { 1000, 10, 1 });
	__u64 now_fp = gcra_now_fp(NS_PER_S), empty = now_fp + rate.tolerance_fp;
	__u64 word = empty + 2 * GCRA_CLAMP_FP;

	(void)state;
	gcra_charge(&word, &rate, now_fp, 1, TRIES);
	assert_int_equal(word, empty + 2 * GCRA_CLAMP_FP);
	assert_int_equal(gcra_take(&word, &rate, now_fp, 1, TRIES, 0), GCRA_REFUSE);
	assert_int_equal(word, empty + 2 * GCRA_CLAMP_FP);
	word = now_fp;
	gcra_charge(&word, &rate, now_fp, 1, TRIES);
	assert_int_equal(word, now_fp + gcra_cost_fp(&rate, 1));
	gcra_charge(&word, &rate, now_fp, 100, TRIES);
	assert_int_equal(word, empty);
}

static void a_rate_is_slower_by_any_part_of_a_unit(void **state)
{
	const struct gcra_rate whole = { .mult = 2000, .tolerance_fp = 1 };
	const struct gcra_rate same = { .mult = 2000ULL << 10, .shift = 10, .tolerance_fp = 1 };
	const struct gcra_rate slower = { .mult = same.mult + 1, .shift = 10, .tolerance_fp = 1 };
	const struct gcra_rate faster = { .mult = same.mult - 1, .shift = 10, .tolerance_fp = 1 };

	(void)state;
	assert_false(gcra_is_slower(&whole, &same));
	assert_true(gcra_is_slower(&whole, &slower));
	assert_false(gcra_is_slower(&whole, &faster));
	assert_false(gcra_is_slower(&same, &whole));
	assert_false(gcra_is_slower(&slower, &whole));
	assert_true(gcra_is_slower(&faster, &whole));
}

static void a_clock_that_lags_hands_nothing_back(void **state)
{
	struct gcra_rate rate = rate_of(&(struct rate_row) { 1000, 10, 1 });
	__u64 now, word = 0, admitted = 0, lag = NS_PER_S / 50;

	(void)state;
	for (now = NS_PER_S; now < 2 * NS_PER_S; now += 100000) {
		admitted += gcra_spend(&word, &rate, gcra_now_fp(now), 1, TRIES) == GCRA_ADMIT;
		gcra_peek(&word, &rate, gcra_now_fp(now - lag), 1);
		admitted +=
			gcra_spend(&word, &rate, gcra_now_fp(now - lag), 1, TRIES) == GCRA_ADMIT;
	}
	assert_in_range(admitted, 1000, 10 + 1000);
}

static void peeking_spends_nothing(void **state)
{
	struct gcra_rate rate = rate_of(&(struct rate_row) { 1000, 10, 1 });
	__u64 word = 0;
	int i;

	(void)state;
	for (i = 0; i < 100; i++)
		assert_int_equal(gcra_peek(&word, &rate, gcra_now_fp(NS_PER_S), 10), 1);
	assert_int_equal(word, 0);
	assert_int_equal(gcra_remaining(&word, &rate, gcra_now_fp(NS_PER_S)), 10);
}

static void the_wait_is_exactly_long_enough(void **state)
{
	size_t i;
	int k;

	(void)state;
	for (i = 0; i < RATES; i++) {
		struct gcra_rate rate = rate_of(&rates[i]);
		__u64 now = NS_PER_S, word = 0, wait, spent;

		for (k = 0; k < 2000; k++) {
			uint32_t n = 1 + (uint32_t)random_below(rates[i].packet_max);

			wait = gcra_wait_ns(&word, &rate, gcra_now_fp(now), n);
			if (gcra_cost_fp(&rate, n) > rate.tolerance_fp) {
				assert_true(wait == ~0ULL);
				continue;
			}
			spent = word;
			if (wait > 1)
				assert_int_equal(gcra_spend(&spent, &rate,
							    gcra_now_fp(now + wait - 1), n, TRIES),
						 GCRA_REFUSE);
			now += wait;
			assert_int_equal(gcra_spend(&word, &rate, gcra_now_fp(now), n, TRIES),
					 GCRA_ADMIT);
		}
	}
}

static void more_units_than_a_burst_never_wrap_around(void **state)
{
	struct gcra_rate rate;
	__u64 word = 0;
	uint32_t n;

	(void)state;
	/* One a month: the product of cost and units passes 64 bits from 16 units on. */
	assert_int_equal(gcra_rate_set(&rate, 1, 31 * DAY_NS, 1), 0);
	for (n = 2; n <= GCRA_UNITS_MAX; n *= 2)
		assert_int_equal(gcra_spend(&word, &rate, gcra_now_fp(NS_PER_S), n, TRIES),
				 GCRA_REFUSE);
	assert_true(gcra_wait_ns(&word, &rate, gcra_now_fp(NS_PER_S), 16) == ~0ULL);
	assert_int_equal(gcra_spend(&word, &rate, gcra_now_fp(NS_PER_S), 1, TRIES), GCRA_ADMIT);
}

/* The clock in fixed point wraps after 2.28 years; a meter in use goes on. */
static void the_wrap_of_the_clock_is_seamless(void **state)
{
	const struct rate_row row = { 1000, 10, 1 };
	struct gcra_rate rate = rate_of(&row);
	__u64 wrap_ns = 1ULL << 56, now = wrap_ns - NS_PER_S, word = 0, admitted = 0, i;

	(void)state;
	for (i = 0; i < 20000; i++) {
		admitted += gcra_spend(&word, &rate, gcra_now_fp(now), 1, TRIES) == GCRA_ADMIT;
		now += 100000;
	}
	assert_int_equal(admitted, 10 + 1999);
	/* The one word that would read as "never used". */
	word = 0 - rate.mult;
	assert_int_equal(gcra_spend(&word, &rate, 0 - rate.mult, 1, TRIES), GCRA_ADMIT);
	assert_int_equal(word, 1);
}

static void tries_run_out(void **state)
{
	struct gcra_rate rate = rate_of(&(struct rate_row) { 1000, 10, 1 });
	__u64 word = 0;

	(void)state;
	assert_int_equal(gcra_spend(&word, &rate, gcra_now_fp(1), 1, 0), GCRA_CONTENDED);
	assert_int_equal(word, 0);
}

#define PROCESSES 4
#define OFFERED	  300000

struct shared {
	__u64 word;
	uint32_t go;
	__u64 admitted[PROCESSES];
};

static __u64 hammer(struct shared *s, const struct gcra_rate *rate, __u64 now_ns)
{
	__u64 admitted = 0;
	int i;

	for (i = 0; i < OFFERED; i++)
		admitted += gcra_spend(&s->word, rate, gcra_now_fp(now_ns), 1, TRIES) == GCRA_ADMIT;
	return admitted;
}

/* On a clock that stands still the bound has no slack: burst, to the unit. */
static void processes_on_one_word_admit_exactly_the_bound(void **state)
{
	struct gcra_rate rate = rate_of(&(struct rate_row) { 100000, 200000, 1 });
	struct shared *s =
		mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	__u64 sum, round;
	pid_t pid[PROCESSES];
	int i, status;

	(void)state;
	assert_true(s != MAP_FAILED);
	for (round = 0; round < 3; round++) {
		__atomic_store_n(&s->go, 0, __ATOMIC_SEQ_CST);
		for (i = 0; i < PROCESSES; i++) {
			pid[i] = fork();
			assert_true(pid[i] >= 0);
			if (pid[i])
				continue;
			while (!__atomic_load_n(&s->go, __ATOMIC_SEQ_CST))
				usleep(100);
			s->admitted[i] = hammer(s, &rate, (1 + round) * NS_PER_S);
			_exit(0);
		}
		__atomic_store_n(&s->go, 1, __ATOMIC_SEQ_CST);
		for (i = 0, sum = 0; i < PROCESSES; i++) {
			assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
			assert_int_equal(status, 0);
			sum += s->admitted[i];
		}
		/* Each second on that clock refills 100,000. */
		assert_int_equal(sum, round ? 100000 : 200000);
	}
	munmap(s, sizeof(*s));
}

/* Any debt, from any rate to any slower one: as many units are left of as large a burst. */
static void a_slower_rate_keeps_what_is_spent(void **state)
{
	static const struct {
		uint64_t units, period_ns;
	} steps[] = {
		{ 1250000000, 1000000000 }, { 10000000, 1000000000 }, { 1000, 1000000000 },
		{ 10, 1000000000 },	    { 1, 60000000000 },	      { 1, 3600000000000 },
	};
	const size_t n = sizeof(steps) / sizeof(steps[0]);
	const uint64_t now_fp = gcra_now_fp(123456789012345);
	struct gcra_rate from = { 0 }, to = { 0 };

	(void)state;
	for (size_t i = 0; i < n; i++) {
		for (size_t j = i + 1; j < n; j++) {
			assert_int_equal(
				gcra_rate_set(&from, steps[i].units, steps[i].period_ns, 500), 0);
			assert_int_equal(
				gcra_rate_set(&to, steps[j].units, steps[j].period_ns, 500), 0);
			assert_true(gcra_is_slower(&from, &to));
			assert_false(gcra_is_slower(&to, &from));
			assert_int_equal(gcra_carry(&from, &to, 0), 0);
			for (uint32_t spent = 1; spent <= 500; spent++) {
				__u64 word = now_fp + gcra_cost_fp(&from, spent);
				__u64 then = now_fp + gcra_carry(&from, &to, word - now_fp);

				assert_int_equal(gcra_remaining(&then, &to, now_fp), 500 - spent);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_realised_rate_is_never_above_and_at_most_a_thousandth_below),
		cmocka_unit_test(a_rate_is_shown_as_it_is_realised),
		cmocka_unit_test(what_cannot_be_encoded_is_refused),
		cmocka_unit_test(no_window_admits_more_than_burst_and_rate),
		cmocka_unit_test(a_conforming_source_is_never_refused),
		cmocka_unit_test(a_greedy_source_gets_all_that_it_may),
		cmocka_unit_test(a_refusal_writes_nothing_but_a_clamp),
		cmocka_unit_test(a_charge_takes_no_debt_back),
		cmocka_unit_test(a_rate_is_slower_by_any_part_of_a_unit),
		cmocka_unit_test(a_clock_that_lags_hands_nothing_back),
		cmocka_unit_test(a_slower_rate_keeps_what_is_spent),
		cmocka_unit_test(peeking_spends_nothing),
		cmocka_unit_test(the_wait_is_exactly_long_enough),
		cmocka_unit_test(more_units_than_a_burst_never_wrap_around),
		cmocka_unit_test(the_wrap_of_the_clock_is_seamless),
		cmocka_unit_test(tries_run_out),
		cmocka_unit_test(processes_on_one_word_admit_exactly_the_bound),
	};

	return cmocka_run_group_tests_name("gcra", tests, NULL, NULL);
}
