/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What backends got, and their flows. Each backend is read once for all of its families: a read is two system
 * calls, and thousands of backends times families of them would keep the supervisor from its probes.
 */
#include <stddef.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "dataplane/vip_map.h"
#include "prometheus.h"
#include "text.h"

static const struct {
	const char *name, *type, *help;
	size_t at; /* of a __u64 in struct vip_backend_state; 0: `ready` */
	bool of_nat;
} families[] = {
#define ROW(name, help, member, of_nat)                                    \
	{                                                                  \
		"sluice_kernel_" name, "counter", help,                    \
			offsetof(struct vip_backend_state, member), of_nat \
	}
	{ "sluice_kernel_backend_ready", "gauge", "1 when the next hop is known.", 0, false },
	ROW("backend_packets_total", "Packets forwarded to the backend.", forwarded.packets, false),
	ROW("nat_flows_opened_total", "Flows of mode nat that began.", nat.opened, true),
	ROW("nat_flows_ended_total", "Of these, those that are over.", nat.ended, true),
	ROW("nat_flows_expired_total", "Of these, those that neither side ended.", nat.expired,
	    true),
	ROW("nat_exhausted_total", "Flows for which no port was found free.", nat.exhausted, true),
	ROW("nat_full_total", "Flows for which there was no room.", nat.full, true),
	ROW("nat_answer_packets_total", "Packets from the backend to clients.", nat.answer_packets,
	    true),
	ROW("nat_answer_bytes_total", "And their bytes.", nat.answer_bytes, true),
#undef ROW
};

_Static_assert(offsetof(struct vip_backend_state, ready) != 0 &&
		       offsetof(struct vip_backend_state, conf) == 0,
	       "no counter is at 0");

/* Of one vip after the other, as the configuration has them. */
struct rows {
	struct vip_backend_state *all;
	size_t *n;
};

static void rows_clear(struct rows *r)
{
	free(r->all);
	free(r->n);
}

static bool rows_read(const struct prometheus_source *src, struct rows *ret)
{
	size_t room = 0, at = 0;

	for (size_t i = 0; i < src->conf->n_vips; i++)
		room += src->conf->vips[i].n_backends;
	ret->all = calloc(room + 1, sizeof(*ret->all));
	ret->n = calloc(src->conf->n_vips + 1, sizeof(*ret->n));
	if (!ret->all || !ret->n)
		return false;
	for (size_t i = 0; i < src->conf->n_vips; i++) {
		const struct conf_vip *v = &src->conf->vips[i];
		size_t n = vip_map_backends(src->dataplane, v->name, ret->all + at, v->n_backends);

		/* The kernel half may be at another revision already. */
		ret->n[i] = n < v->n_backends ? n : v->n_backends;
		at += ret->n[i];
	}
	return true;
}

static void write_family(const struct prometheus_source *src, const struct rows *rows, size_t f,
			 struct text *t)
{
	const struct vip_backend_state *row = rows->all;

	text_family(t, families[f].name, families[f].type, families[f].help);
	for (size_t i = 0; i < src->conf->n_vips; i++) {
		const char *vip = src->conf->vips[i].name;

		for (size_t j = 0; j < rows->n[i]; j++, row++) {
			const void *value = (const char *)row + families[f].at;

			if (!families[f].of_nat || row->has_flows)
				text_sample(t, families[f].name,
					    families[f].at ? *(const __u64 *)value : row->ready,
					    "vip", vip, "backend", row->conf->name, NULL);
		}
	}
}

void backend_write(const struct prometheus_source *src, struct text *t)
{
	CLEANUP(rows_clear) struct rows rows = { 0 };

	if (!src->dataplane || !rows_read(src, &rows))
		return;
	for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++)
		write_family(src, &rows, f, t);
}
