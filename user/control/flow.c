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
#include "base/buf.h"
#include "base/clock.h"
#include "base/json_write.h"
#include "conn.h"
#include "request.h"
#include "sluice/ctl/ctl.h"

#define ROWS_DEFAULT 100
#define ROWS_MAX     10000 /* some megabytes of text */

static const char *const phase_names[] = {
	[NAT_OPENING] = "half-open",	   [NAT_ANSWERED] = "half-open",
	[NAT_ESTABLISHED] = "established", [NAT_CLIENT_FIN] = "closing",
	[NAT_BACKEND_FIN] = "closing",	   [NAT_CLOSED] = "closed",
};
_Static_assert(sizeof(phase_names) / sizeof(char *) == NAT_PHASES, "phases");

/*
 * Twenty million flows, which is what there is room for, take longer than anybody waits: then it is told
 * how much was read. Half of the time is others'.
 */
#define LIST_MAX_NS (10 * NS_PER_S)

/*
 * The answer as it grows, which begins with its rows: as many as were asked for, the others are counted.
 * Text at once: a tree of ten thousand rows takes a tenth of a second to be written out, and to be freed.
 */
struct page {
	struct buf text;
	size_t n;
	size_t max;
	size_t more;
};

#define ANSWER_BEGIN "{\"" CTL_KEY_OK "\":true,\"" CTL_KEY_DATA "\":{\"flows\":["

/* From the request to its answer, where that takes more than a turn of the loop. */
struct listing {
	struct supervisor *s;
	struct control_conn *conn;
	json_t *args; /* words of the filter are in it */
	struct prefix client;
	struct flow_list *list;
	struct page page;
	struct timer timer;
	uint64_t end_ns;
};

static const char *state_of(const struct flow_row *row)
{
	if (row->is_nat)
		return phase_names[row->phase];
	return row->client.sport || row->client.dport ? "noted" : "fragments";
}

static void put(struct json_write *w, const char *key, const char *value)
{
	json_write_str(w, key, str_of(value));
}

static int put_row(const struct flow_row *row, struct buf *out)
{
	char client[ADDR_TEXT_MAX], to[ADDR_TEXT_MAX], edge[ADDR_TEXT_MAX] = "";
	char backend[ADDR_TEXT_MAX];
	struct json_write w;

	/* Where backends see the client itself, no address of the edge is in it. */
	if (row->is_nat && !addr_eq(&row->answer.dst, &row->client.src))
		addr_format_port(&row->answer.dst, ntohs(row->answer.dport), edge);
	json_write_open(&w, out);
	put(&w, "kind", row->is_nat ? "nat" : "noted");
	put(&w, "protocol", row->client.proto == IPPROTO_UDP ? "udp" : "tcp");
	put(&w, "client", addr_format_port(&row->client.src, ntohs(row->client.sport), client));
	put(&w, "destination", addr_format_port(&row->client.dst, ntohs(row->client.dport), to));
	put(&w, "vip", row->vip);
	put(&w, "edge", edge);
	put(&w, "backend", row->backend);
	put(&w, "backend_address",
	    row->is_nat ? addr_format_port(&row->backend_address, ntohs(row->answer.sport), backend)
			: addr_format(&row->backend_address, backend));
	put(&w, "state", state_of(row));
	json_write_double(&w, "idle_s", (double)row->idle_ns / 1e9);
	json_write_double(&w, "left_s", (double)row->left_ns / 1e9);
	return json_write_close(&w);
}

static int add_row(const struct flow_row *row, void *ctx)
{
	struct page *page = ctx;

	if (page->n >= page->max) {
		page->more++;
		return 0;
	}
	if (page->n++ && buf_add(&page->text, ",", 1))
		return -ENOMEM;
	return put_row(row, &page->text) ? -ENOMEM : 0;
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

static void listing_free(struct listing *l)
{
	if (!l)
		return;
	timer_stop(&l->timer);
	flow_list_close(l->list);
	buf_clear(&l->page.text);
	json_decref(l->args);
	free(l);
}

/* What a person is told: nothing that JSON would have to escape. */
static void say(const struct listing *l, bool is_cut, unsigned int percent, struct buf *ret)
{
	if (l->page.more)
		buf_printf(ret, "and %zu more: n=%d at most, or by vip=, backend=, client=",
			   l->page.more, ROWS_MAX);
	if (is_cut)
		buf_printf(ret,
			   "%sof all flows only %u %% were looked at, in %d s: there may be others",
			   l->page.more ? "; " : "", percent, (int)(LIST_MAX_NS / NS_PER_S));
}

static int answer(struct listing *l, bool is_cut)
{
	const unsigned int percent = is_cut ? flow_list_percent(l->list) : 100;
	struct buf *text = &l->page.text;
	int err = buf_printf(
		text, "],\"more\":%zu,\"cut\":%s,\"read_percent\":%u},\"" CTL_KEY_TEXT "\":\"",
		l->page.more, is_cut ? "true" : "false", percent);

	if (!err)
		say(l, is_cut, percent, text);
	if (!err)
		err = buf_add_str(text, STR_LIT("\"}\n"));
	if (!err)
		control_conn_answer_text(l->conn, buf_str(text));
	return err;
}

/* 1: there is more to read, and time for it; 0: it is answered. */
static int part(struct listing *l)
{
	int more = l->list ? flow_list_next(l->list, add_row, &l->page) : 0;

	if (more > 0 && clock_now_ns() < l->end_ns)
		return 1;
	return more < 0 ? more : answer(l, more > 0);
}

static void fail(struct listing *l, int err)
{
	struct control_request r = { .s = l->s, .conn = l->conn, .noun = "flow", .verb = "list" };

	if (err == -ESTALE)
		errmsg_set(&r.err, err, "the maps of flows were replaced meanwhile; ask again");
	control_conn_answer(l->conn, dispatch_answer(&r, err));
}

static void on_timer(struct timer *t)
{
	struct listing *l = container_of(t, struct listing, timer);
	const uint64_t began_ns = clock_now_ns();
	int err = part(l);

	if (err > 0) {
		timer_start(supervisor_loop(l->s), t, 1 + (clock_now_ns() - began_ns) / NS_PER_MS);
		return;
	}
	if (err < 0)
		fail(l, err);
	listing_free(l);
}

static void gone(void *ctx)
{
	listing_free(ctx);
}

static int parse(struct control_request *r, struct dataplane *dp, struct listing *l,
		 struct flow_filter *ret)
{
	static const char *const fields[] = { "vip", "backend", "client", "n", NULL };
	int err = request_check_set(r, fields);

	if (!err)
		err = request_rows(r, ROWS_DEFAULT, ROWS_MAX, &l->page.max);
	if (!err)
		err = parse_names(r, dp, ret);
	if (!err)
		err = parse_client(r, &l->client, ret);
	return err;
}

static int start(struct control_request *r, struct dataplane *dp, struct listing *l)
{
	struct flow_filter filter = { 0 };
	int err = parse(r, dp, l, &filter);

	if (err)
		return err;
	*l = (struct listing) { .s = r->s,
				.conn = r->conn,
				.args = json_incref(r->args),
				.client = l->client,
				.page = { .max = l->page.max },
				.timer = { .on_due = on_timer },
				.end_ns = clock_now_ns() + LIST_MAX_NS };
	err = flow_list_open(dp, &filter, &l->list);
	if (err == -EBUSY)
		return errmsg_set(&r->err, err, "%d lists of flows are being read; try again",
				  FLOW_LISTS_MAX);
	if (err && err != -ENOENT) /* without vips there are no flows */
		return err;
	buf_init(&l->page.text, CTL_ANSWER_MAX_BYTES / 4);
	return buf_add_str(&l->page.text, STR_LIT(ANSWER_BEGIN)) ? -ENOMEM : 0;
}

int control_flow(struct control_request *r)
{
	struct dataplane *dp = request_dataplane(r);
	struct listing *l;
	int err;

	if (strcmp(r->verb, "list") != 0)
		return request_no_verb(r);
	if (!dp)
		return -ENODEV;
	l = calloc(1, sizeof(*l));
	err = l ? start(r, dp, l) : -ENOMEM;
	if (err) {
		listing_free(l);
		return err;
	}
	control_conn_later(r->conn, gone, l);
	timer_start(supervisor_loop(r->s), &l->timer, 0);
	return CONTROL_LATER;
}
