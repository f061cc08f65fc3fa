/* SPDX-License-Identifier: BSD-2-Clause */
/* Flows that the kernel translates: by backend, and how many there may be. */
#include <stddef.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "dataplane/nat_map.h"
#include "dataplane/vip_map.h"
#include "prometheus.h"
#include "text.h"

/* Of the vip with most of them, in the revision in force. */
static size_t most_backends(const struct conf *conf)
{
	size_t most = 0;

	for (size_t i = 0; i < conf->n_vips; i++)
		if (conf->vips[i].mode == BACKEND_NAT && conf->vips[i].n_backends > most)
			most = conf->vips[i].n_backends;
	return most;
}

static void write_backends(const struct prometheus_source *src, struct text *t)
{
	static const struct {
		const char *name;
		const char *help;
		size_t at;
	} columns[] = {
		{ "sluice_kernel_nat_flows_opened_total", "Flows of mode nat that began.",
		  offsetof(struct stats_nat, opened) },
		{ "sluice_kernel_nat_flows_ended_total", "Of these, those that are over.",
		  offsetof(struct stats_nat, ended) },
		{ "sluice_kernel_nat_flows_expired_total",
		  "Of these, those that neither side ended.", offsetof(struct stats_nat, expired) },
		{ "sluice_kernel_nat_exhausted_total", "Flows for which no port was found free.",
		  offsetof(struct stats_nat, exhausted) },
		{ "sluice_kernel_nat_full_total", "Flows for which there was no room.",
		  offsetof(struct stats_nat, full) },
		{ "sluice_kernel_nat_answer_packets_total", "Packets from the backend to clients.",
		  offsetof(struct stats_nat, answer_packets) },
		{ "sluice_kernel_nat_answer_bytes_total", "And their bytes.",
		  offsetof(struct stats_nat, answer_bytes) },
	};
	const size_t room = most_backends(src->conf);
	CLEANUP_FREE struct vip_backend_state *rows = calloc(room + 1, sizeof(*rows));

	for (size_t c = 0; rows && c < sizeof(columns) / sizeof(columns[0]); c++) {
		text_family(t, columns[c].name, "counter", columns[c].help);
		for (size_t i = 0; i < src->conf->n_vips; i++) {
			const char *vip = src->conf->vips[i].name;
			size_t n = src->conf->vips[i].mode != BACKEND_NAT
					   ? 0
					   : vip_map_backends(src->dataplane, vip, rows, room);

			n = n < room ? n : room;
			for (size_t j = 0; j < n; j++)
				text_sample(t, columns[c].name,
					    *(const __u64 *)((const char *)&rows[j].nat +
							     columns[c].at),
					    "vip", vip, "backend", rows[j].conf->name, NULL);
		}
	}
}

void nat_write(const struct prometheus_source *src, struct text *t)
{
	struct nat_state room;

	write_backends(src, t);
	if (nat_map_room(src->dataplane, &room))
		return;
	text_family(t, "sluice_kernel_nat_flows_max", "gauge",
		    "Flows that there may be at a time.");
	text_sample(t, "sluice_kernel_nat_flows_max", room.max_flows, NULL);
	text_family(t, "sluice_kernel_nat_flows_opening", "gauge",
		    "Flows that no client has confirmed yet.");
	text_sample(t, "sluice_kernel_nat_flows_opening", room.young, NULL);
	text_family(t, "sluice_kernel_nat_flows_opening_max", "gauge",
		    "How many of these there may be.");
	text_sample(t, "sluice_kernel_nat_flows_opening_max", room.max_young, NULL);
}
