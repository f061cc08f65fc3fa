/* SPDX-License-Identifier: BSD-2-Clause */
/* flow: those that the kernel translates, and those that windows of vips note. */
#include "dataplane/flow_list.h"
#include "dataplane/vip_map.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/clock.h"
#include "request.h"

#define ROWS_DEFAULT 100
#define ROWS_MAX     10000 /* some megabytes of text */

static const char *const phase_names[] = {
	[NAT_OPENING] = "half-open",	   [NAT_ANSWERED] = "half-open",
	[NAT_ESTABLISHED] = "established", [NAT_CLIENT_FIN] = "closing",
	[NAT_BACKEND_FIN] = "closing",	   [NAT_CLOSED] = "closed",
};
_Static_assert(sizeof(phase_names) / sizeof(char *) == NAT_PHASES, "phases");

/* Rows of the answer: as many as were asked for, the others are counted. */
struct page {
	json_t *rows;
	size_t max;
	size_t more;
};

static const char *state_of(const struct flow_row *row)
{
	if (row->is_nat)
		return phase_names[row->phase];
	return row->client.sport || row->client.dport ? "noted" : "fragments";
}

static json_t *row_json(const struct flow_row *row)
{
	char client[ADDR_TEXT_MAX], to[ADDR_TEXT_MAX], edge[ADDR_TEXT_MAX] = "";
	char backend[ADDR_TEXT_MAX];

	/* Where backends see the client itself, no address of the edge is in it. */
	if (row->is_nat && !addr_eq(&row->answer.dst, &row->client.src))
		addr_format_port(&row->answer.dst, ntohs(row->answer.dport), edge);
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:f,s:f}", "kind",
			 row->is_nat ? "nat" : "noted", "protocol",
			 row->client.proto == IPPROTO_UDP ? "udp" : "tcp", "client",
			 addr_format_port(&row->client.src, ntohs(row->client.sport), client),
			 "destination",
			 addr_format_port(&row->client.dst, ntohs(row->client.dport), to), "vip",
			 row->vip, "edge", edge, "backend", row->backend, "backend_address",
			 row->is_nat ? addr_format_port(&row->backend_address,
							ntohs(row->answer.sport), backend)
				     : addr_format(&row->backend_address, backend),
			 "state", state_of(row), "idle_s", (double)row->idle_ns / 1e9, "left_s",
			 (double)row->left_ns / 1e9);
}

static int add_row(const struct flow_row *row, void *ctx)
{
	struct page *page = ctx;

	if (json_array_size(page->rows) >= page->max) {
		page->more++;
		return 0;
	}
	return json_array_append_new(page->rows, row_json(row)) ? -ENOMEM : 0;
}

static bool has_backend(const struct conf_vip *vip, const char *name)
{
	for (size_t i = 0; i < vip->n_backends; i++)
		if (!strcmp(vip->backends[i].name, name))
			return true;
	return false;
}

/* Names that nobody has are mistakes, and no reason to say that there are no flows. */
static int parse_names(struct control_request *r, struct dataplane *dp, struct flow_filter *ret)
{
	const struct conf *conf = supervisor_conf(r->s);
	json_t *set = request_set(r);
	bool known = false;

	ret->vip = json_string_value(json_object_get(set, "vip"));
	ret->backend = json_string_value(json_object_get(set, "backend"));
	if (ret->vip && !conf_vip(conf, ret->vip))
		return errmsg_set(&r->err, -ENOENT,
				  "there is no vip '%.64s'; see sluicectl vip list", ret->vip);
	for (size_t i = 0; ret->backend && i < conf->n_vips && !known; i++)
		known = (!ret->vip || !strcmp(conf->vips[i].name, ret->vip)) &&
			has_backend(&conf->vips[i], ret->backend);
	if (!ret->backend || known || vip_map_leaves(dp, ret->vip, ret->backend))
		return 0;
	return ret->vip ? errmsg_set(&r->err, -ENOENT,
				     "vip %s has no backend '%.64s'; see sluicectl backend list %s",
				     ret->vip, ret->backend, ret->vip)
			: errmsg_set(&r->err, -ENOENT,
				     "no vip has a backend '%.64s'; see sluicectl backend list",
				     ret->backend);
}

static int parse_client(struct control_request *r, struct prefix *prefix, struct flow_filter *ret)
{
	const char *word = json_string_value(json_object_get(request_set(r), "client"));

	if (!word)
		return 0;
	if (prefix_parse(word, prefix))
		return errmsg_set(
			&r->err, -EINVAL,
			"client= is an address or a prefix without bits behind its length, "
			"e.g. 192.0.2.0/24, not '%.64s'",
			word);
	ret->client = prefix;
	return 0;
}

int control_flow(struct control_request *r)
{
	static const char *const fields[] = { "vip", "backend", "client", "n", NULL };
	struct dataplane *dp = request_dataplane(r);
	struct flow_filter filter = { 0 };
	struct page page = { 0 };
	struct prefix client;
	int err;

	if (strcmp(r->verb, "list") != 0)
		return request_no_verb(r);
	if (!dp)
		return -ENODEV;
	err = request_check_set(r, fields);
	if (!err)
		err = request_rows(r, ROWS_DEFAULT, ROWS_MAX, &page.max);
	if (!err)
		err = parse_names(r, dp, &filter);
	if (!err)
		err = parse_client(r, &client, &filter);
	if (err)
		return err;
	page.rows = json_array();
	err = flow_list_each(dp, &filter, clock_now_ns(), add_row, &page);
	r->data = json_pack("{s:o,s:I}", "flows", page.rows, "more", (json_int_t)page.more);
	if (page.more)
		snprintf(r->text, sizeof(r->text),
			 "and %zu more: n=%d at most, or by vip=, backend=, client=", page.more,
			 ROWS_MAX);
	return err == -ENOENT ? 0 : err;
}
