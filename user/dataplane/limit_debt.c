/* SPDX-License-Identifier: BSD-2-Clause */
#include "limit_debt.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "dataplane_state.h"
#include "sluice/abi/client.h"
#include "sluice/algo/gcra_rate.h"

static bool is_slower(const struct gcra_rate *from, const struct gcra_rate *to)
{
	return from->tolerance_fp && to->tolerance_fp && gcra_is_slower(from, to);
}

static bool any_slower(const struct limit_rates *from, const struct limit_rates *to)
{
	for (int unit = 0; unit < LIMIT_UNITS; unit++) {
		if (is_slower(&from->unit[unit], &to->unit[unit]) ||
		    is_slower(&from->total[unit], &to->total[unit]))
			return true;
	}
	return false;
}

/*
 * The word of the same debt at the other rate. Not an earlier one, though with a smaller burst it would
 * do: the rates in force would take it for tokens.
 */
static uint64_t carried(uint64_t word, const struct gcra_rate *from, const struct gcra_rate *to,
			uint64_t now_fp)
{
	const uint64_t level = gcra_level(word, now_fp, from->tolerance_fp);
	uint64_t next;

	if (level == now_fp)
		return word;
	next = now_fp + gcra_carry(from, to, level - now_fp);
	return gcra_before(next, word) ? word : next;
}

/* Packets spend the word meanwhile: as often as it takes, and each of them was admitted. */
void limit_debt_move(struct limit_meters *m, const struct gcra_rate *from,
		     const struct gcra_rate *to, uint64_t now_fp)
{
	for (int unit = 0; unit < LIMIT_UNITS; unit++) {
		uint64_t *word = (uint64_t *)&m->tat[unit];
		uint64_t seen = __atomic_load_n(word, __ATOMIC_RELAXED);

		if (!is_slower(&from[unit], &to[unit]))
			continue;
		while (!__atomic_compare_exchange_n(word, &seen,
						    carried(seen, &from[unit], &to[unit], now_fp),
						    false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			;
	}
}

static void carry_rows(struct dataplane *dp, const struct limit_class *class,
		       const struct limit_rates *from, const struct limit_rates *to)
{
	struct limit_meters *rows = pinned_map_mem(dp, "limit_rows");
	const uint64_t now_fp = gcra_now_fp(clock_now_ns());

	for (uint32_t i = 0; rows && class->row_bits && i < 2U << class->row_bits; i++)
		limit_debt_move(&rows[class->row_first + i], from->unit, to->unit, now_fp);
}

/* By system call: what a packet spends between the two of them is given back. */
static void carry_total(struct dataplane *dp, uint32_t id, const struct limit_rates *from,
			const struct limit_rates *to)
{
	const uint64_t now_fp = gcra_now_fp(clock_now_ns());
	int fd = pinned_map_fd(dp, "limit_total");
	struct limit_meters m;

	if (fd < 0 || bpf_map_lookup_elem(fd, &id, &m))
		return;
	limit_debt_move(&m, from->total, to->total, now_fp);
	bpf_map_update_elem(fd, &id, &m, BPF_ANY);
}

/* As of the total; a record that was evicted meanwhile is not made again. */
static int carry_clients(struct dataplane *dp, uint32_t id, const struct limit_rates *from,
			 const struct limit_rates *to)
{
	CLEANUP_FREE struct client_key *keys = NULL;
	CLEANUP_FREE struct client *values = NULL;
	int fd = pinned_map_fd(dp, "clients");
	size_t n = 0;
	int err = fd < 0 ? fd : pinned_map_read(fd, (void **)&keys, (void **)&values, &n);

	for (size_t i = 0; !err && i < n; i++) {
		struct client c;

		if (keys[i].limit_class != id || bpf_map_lookup_elem(fd, &keys[i], &c))
			continue;
		limit_debt_move(&c.meters, from->unit, to->unit, gcra_now_fp(clock_now_ns()));
		if (bpf_map_update_elem(fd, &keys[i], &c, BPF_EXIST) && errno != ENOENT)
			err = -errno;
	}
	return err;
}

void limit_debt_carry(struct dataplane *dp, uint32_t id, struct limit_class *class,
		      const struct limit_rates *to)
{
	struct limit_rates *now = &class->rates[class->active & 1];
	const struct limit_rates from = *now;
	int err;

	/* Already marked: the agent before this one ended in the middle of it. */
	if ((from.flags & LIMIT_CARRYING) || !any_slower(&from, to))
		return;
	__atomic_or_fetch(&now->flags, LIMIT_CARRYING, __ATOMIC_RELEASE);
	carry_rows(dp, class, &from, to);
	carry_total(dp, id, &from, to);
	err = carry_clients(dp, id, &from, to);
	if (err)
		log_warn("limit.carry", LOG_STR("limit", class->name),
			 LOG_STR("error", strerror(-err)));
}
