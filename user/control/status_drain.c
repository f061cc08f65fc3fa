/* SPDX-License-Identifier: BSD-2-Clause */
#include "status_drain.h"

#include <stdlib.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "dataplane/vip_map.h"
#include "vip_show.h"

#define ROWS_MAX 128 /* of all vips */

struct drains {
	json_t *rows;
	size_t more;
};

static void add(struct drains *d, json_t *row)
{
	if (json_array_size(d->rows) >= ROWS_MAX) {
		d->more++;
		json_decref(row);
	} else {
		json_array_append_new(d->rows, row);
	}
}

static json_int_t flows_nat(const struct stats_nat *n)
{
	return (json_int_t)(n->opened > n->ended ? n->opened - n->ended : 0);
}

static void add_draining(struct drains *d, const char *vip, const struct vip_backend_state *b)
{
	const json_int_t left_s = vip_show_drain_left(b->conf);
	char text[ADDR_TEXT_MAX];

	if (!left_s)
		return;
	add(d, json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:s}", "vip", vip, "backend", b->conf->name,
			 "address", addr_format(&b->conf->address, text), "state", "draining",
			 "flows", b->has_flows ? flows_nat(&b->nat) : (json_int_t)b->flows,
			 "left_s", left_s, "hop", b->ready ? "" : b->state));
}

static bool has_drain(const struct conf_vip *vip)
{
	for (size_t i = 0; i < vip->n_backends; i++)
		if (vip->backends[i].drain_by)
			return true;
	return false;
}

static void add_vip_draining(struct drains *d, struct dataplane *dp, const struct conf_vip *vip)
{
	CLEANUP_FREE struct vip_backend_state *rows = NULL;
	size_t n = 0;

	if (!has_drain(vip))
		return;
	rows = calloc(vip->n_backends, sizeof(*rows));
	if (rows)
		n = vip_map_backends(dp, vip->name, rows, vip->n_backends);
	for (size_t i = 0; i < n && i < vip->n_backends; i++)
		add_draining(d, vip->name, &rows[i]);
}

static void add_vip_leaving(struct drains *d, struct dataplane *dp, const struct conf_vip *vip)
{
	const size_t n = vip_map_leaving(dp, vip->name, NULL, 0);
	CLEANUP_FREE struct vip_leaving_state *rows = n ? calloc(n, sizeof(*rows)) : NULL;
	char text[ADDR_TEXT_MAX];

	if (rows)
		vip_map_leaving(dp, vip->name, rows, n);
	for (size_t i = 0; rows && i < n; i++)
		add(d, json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:s}", "vip", vip->name, "backend",
				 rows[i].name, "address", addr_format(&rows[i].address, text),
				 "state", "leaving", "flows", flows_nat(&rows[i].nat), "left_s",
				 (json_int_t)((rows[i].left_ms + 999) / 1000), "hop", rows[i].why));
}

json_t *status_drain_list(const struct conf *conf, struct dataplane *dp, size_t *ret_more)
{
	struct drains d = { .rows = json_array() };

	for (size_t i = 0; dp && i < conf->n_vips; i++) {
		add_vip_draining(&d, dp, &conf->vips[i]);
		if (conf->vips[i].mode == BACKEND_NAT)
			add_vip_leaving(&d, dp, &conf->vips[i]);
	}
	*ret_more = d.more;
	return d.rows;
}
