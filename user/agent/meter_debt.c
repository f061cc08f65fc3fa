/* SPDX-License-Identifier: BSD-2-Clause */
#include "meter_debt.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "conf/conf.h"
#include "sluice/algo/gcra_rate.h"

#define SETTLE_TRIES 64

struct debt {
	uint32_t slot;
	uint64_t until_fp;
};

struct meter_debt {
	__u64 *words;
	size_t n_words;
	struct debt *debts;
	size_t n;
};

static const struct conf_plan *plan_of(const struct conf *c, size_t consumer)
{
	return c->consumers[consumer].plan ? conf_plan(c, c->consumers[consumer].plan) : NULL;
}

/* The rate of each meter that the revision uses, by slot. */
static void find_rates(const struct revision *r, const struct conf_rate **by_slot, size_t n)
{
	for (size_t i = 0; i < r->conf->n_consumers; i++) {
		const struct conf_plan *plan = plan_of(r->conf, i);

		for (size_t k = 0; plan && k < plan->n_limits; k++) {
			uint32_t slot = r->meter_slots[i * CONF_PLAN_LIMITS_MAX + k];

			if (slot && slot < n)
				by_slot[slot] = &plan->limits[k].rate;
		}
	}
}

static void note(struct meter_debt *d, uint32_t slot, const struct conf_rate *was,
		 const struct conf_rate *is)
{
	const uint64_t now_fp = gcra_now_fp(clock_now_ns());
	struct gcra_rate from, to;
	uint64_t level;

	if (conf_rate_compile(was, &from) || conf_rate_compile(is, &to) ||
	    !gcra_is_slower(&from, &to))
		return;
	level = gcra_level(__atomic_load_n(&d->words[slot], __ATOMIC_RELAXED), now_fp,
			   from.tolerance_fp);
	if (level != now_fp)
		d->debts[d->n++] =
			(struct debt) { slot, now_fp + gcra_carry(&from, &to, level - now_fp) };
}

static int map_words(struct meter_debt *d, const struct memory *m)
{
	void *mem =
		mmap(NULL, m->meters_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, m->meters_fd, 0);

	if (mem == MAP_FAILED)
		return -errno;
	d->words = mem;
	d->n_words = m->meters_bytes / sizeof(*d->words);
	return 0;
}

static int note_all(struct meter_debt *d, const struct revision *last, const struct revision *next)
{
	CLEANUP_FREE const struct conf_rate **was = calloc(d->n_words, sizeof(*was));
	CLEANUP_FREE const struct conf_rate **is = calloc(d->n_words, sizeof(*is));

	d->debts = calloc(d->n_words, sizeof(*d->debts));
	if (!was || !is || !d->debts)
		return -ENOMEM;
	find_rates(last, was, d->n_words);
	find_rates(next, is, d->n_words);
	for (uint32_t slot = 1; slot < d->n_words; slot++) {
		if (was[slot] && is[slot])
			note(d, slot, was[slot], is[slot]);
	}
	return 0;
}

int meter_debt_note(const struct memory *m, const struct revision *last,
		    const struct revision *next, struct meter_debt **ret)
{
	struct meter_debt *d = calloc(1, sizeof(*d));
	int err = d ? map_words(d, m) : -ENOMEM;

	if (!err)
		err = note_all(d, last, next);
	if (err) {
		meter_debt_free(d);
		return err;
	}
	*ret = d;
	return 0;
}

void meter_debt_settle(struct meter_debt *d)
{
	for (size_t i = 0; i < d->n; i++)
		gcra_raise(&d->words[d->debts[i].slot], d->debts[i].until_fp, SETTLE_TRIES);
}

void meter_debt_free(struct meter_debt *d)
{
	if (!d)
		return;
	if (d->words)
		munmap(d->words, d->n_words * sizeof(*d->words));
	free(d->debts);
	free(d);
}
