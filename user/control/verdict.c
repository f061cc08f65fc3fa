/* SPDX-License-Identifier: BSD-2-Clause */
/* verdict: decisions in force in the kernel, and those that an operator makes. */
#include "dataplane/verdict_map.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/clock.h"
#include "request.h"

#define TTL_DEFAULT_S 60
#define TTL_MAX_S     (30U * 24 * 3600)

static const char *const action_names[] = {
	[VERDICT_NONE] = "none",
	[VERDICT_DROP_NEW] = "drop_new",
	[VERDICT_DROP] = "drop",
};

#define REASON_NAME(id, label, doc) label,
static const char *const reason_names[] = { VERDICT_REASONS(REASON_NAME) };
_Static_assert(sizeof(reason_names) / sizeof(char *) == VERDICT_REASON_COUNT, "reasons");

struct verdict_list {
	json_t *rows;
	uint64_t now_ns;
};

static json_t *source_row(const struct verdict_entry *e)
{
	struct prefix p = { .len_bits = e->source.len_bits, .addr = e->source.addr };
	char text[ADDR_TEXT_MAX];

	return json_pack("{s:s,s:s}", "kind", "source", "source", prefix_format(&p, text));
}

static json_t *flow_row(const struct verdict_entry *e)
{
	char src[ADDR_TEXT_MAX], dst[ADDR_TEXT_MAX];

	addr_format_port(&e->flow.src, ntohs(e->flow.sport), src);
	addr_format_port(&e->flow.dst, ntohs(e->flow.dport), dst);
	return json_pack("{s:s,s:s,s:s,s:i}", "kind", "flow", "source", src, "destination", dst,
			 "protocol", e->flow.proto);
}

static int list_row(const struct verdict_entry *e, void *ctx)
{
	struct verdict_list *list = ctx;
	json_t *row;

	if (e->verdict.action == VERDICT_NONE || e->verdict.until_ns <= list->now_ns ||
	    e->verdict.action > VERDICT_DROP || e->verdict.reason >= VERDICT_REASON_COUNT)
		return 0;
	row = e->is_flow ? flow_row(e) : source_row(e);
	json_object_set_new(row, "action", json_string(action_names[e->verdict.action]));
	json_object_set_new(row, "reason", json_string(reason_names[e->verdict.reason]));
	json_object_set_new(row, "left_s",
			    json_real((double)(e->verdict.until_ns - list->now_ns) / 1e9));
	json_object_set_new(row, "dropped_packets",
			    json_integer((json_int_t)e->verdict.dropped_packets));
	json_array_append_new(list->rows, row);
	return 0;
}

static int verdict_list(struct control_request *r, struct dataplane *dp)
{
	struct verdict_list list = { .rows = json_array(), .now_ns = clock_now_ns() };

	r->data = list.rows;
	return verdict_map_each(dp, list_row, &list);
}

/* What a verdict is on: a flow, or a source. */
struct target {
	bool is_flow;
	struct flow_key flow;
	struct prefix source; /* of a flow: its source address alone */
	char text[2 * ADDR_TEXT_MAX + 16];
};

static int parse_ttl(struct control_request *r, uint64_t *ret_ns)
{
	const char *word = json_string_value(json_object_get(request_set(r), "ttl"));
	unsigned long long n;
	char unit = 's';
	char *end;

	if (!word) {
		*ret_ns = TTL_DEFAULT_S * NS_PER_S;
		return 0;
	}
	errno = 0;
	n = strtoull(word, &end, 10);
	if (*end)
		unit = *end++;
	if (unit == 'm')
		n *= 60;
	else if (unit == 'h')
		n *= 3600;
	else if (unit != 's')
		n = 0;
	if (errno || *end || *word == '-' || n == 0 || n > TTL_MAX_S)
		return errmsg_set(&r->err, -EINVAL,
				  "'%.32s' is no time to live: write e.g. 30s, 10m "
				  "or 2h, at most 30 days",
				  word);
	*ret_ns = n * NS_PER_S;
	return 0;
}

static int parse_action(struct control_request *r, enum verdict_action *ret)
{
	const char *word = json_string_value(json_object_get(request_set(r), "action"));

	*ret = VERDICT_DROP;
	if (!word || !strcmp(word, "drop"))
		return 0;
	if (strcmp(word, "drop_new") != 0)
		return errmsg_set(&r->err, -EINVAL, "'%.32s' is no action: drop or drop_new", word);
	*ret = VERDICT_DROP_NEW;
	return 0;
}

/* "SRC:PORT" in source together with dst=ADDRESS:PORT names a flow, a lone prefix a source. */
static int parse_flow(struct control_request *r, const char *source, struct flow_key *ret)
{
	json_t *set = request_set(r);
	const char *dst = json_string_value(json_object_get(set, "dst"));
	const char *proto = json_string_value(json_object_get(set, "proto"));
	uint16_t sport, dport;

	memset(ret, 0, sizeof(*ret));
	if (addr_parse_port(source, &ret->src, &sport) || addr_parse_port(dst, &ret->dst, &dport))
		return errmsg_set(&r->err, -EINVAL,
				  "a flow is SRC:PORT dst=ADDRESS:PORT "
				  "proto=tcp|udp");
	ret->sport = htons(sport);
	ret->dport = htons(dport);
	ret->proto = IPPROTO_TCP;
	if (proto && !strcmp(proto, "udp"))
		ret->proto = IPPROTO_UDP;
	else if (proto && strcmp(proto, "tcp") != 0)
		return errmsg_set(&r->err, -EINVAL, "'%.32s' is no protocol: tcp or udp", proto);
	return 0;
}

static int parse_source(struct control_request *r, const char *word, struct prefix *ret)
{
	if (prefix_parse(word, ret))
		return errmsg_set(&r->err, -EINVAL,
				  "'%.64s' is not a source: an address, or its "
				  "/24 (IPv4), /64 or /48 (IPv6)",
				  word);
	if (addr_is_v4(&ret->addr) ? ret->len_bits == 128 || ret->len_bits == 120
				   : ret->len_bits == 64 || ret->len_bits == 48)
		return 0;
	if (!addr_is_v4(&ret->addr) && ret->len_bits == 128) {
		ret->len_bits = 64; /* the unit of IPv6: a verdict on one /128 is worthless */
		ret->addr = addr_mask(&ret->addr, 64);
		return 0;
	}
	return errmsg_set(&r->err, -EINVAL,
			  "a verdict is on a /32 or /24 (IPv4), a /64 or /48 "
			  "(IPv6); other lengths belong into acl deny");
}

static int parse_target(struct control_request *r, const char *word, struct target *ret)
{
	char src[ADDR_TEXT_MAX], dst[ADDR_TEXT_MAX];
	int err;

	ret->is_flow = json_object_get(request_set(r), "dst") != NULL;
	if (!ret->is_flow && json_object_get(request_set(r), "proto"))
		return errmsg_set(&r->err, -EINVAL,
				  "proto= is of a flow, which needs dst=ADDRESS:PORT too");
	if (!ret->is_flow) {
		err = parse_source(r, word, &ret->source);
		if (!err)
			snprintf(ret->text, sizeof(ret->text), "%s",
				 prefix_format(&ret->source, src));
		return err;
	}
	err = parse_flow(r, word, &ret->flow);
	if (err)
		return err;
	ret->source = (struct prefix) { .len_bits = 128, .addr = ret->flow.src };
	snprintf(ret->text, sizeof(ret->text), "%s > %s %s",
		 addr_format_port(&ret->flow.src, ntohs(ret->flow.sport), src),
		 addr_format_port(&ret->flow.dst, ntohs(ret->flow.dport), dst),
		 ret->flow.proto == IPPROTO_UDP ? "udp" : "tcp");
	return 0;
}

struct flow_search {
	const struct flow_key *flow;
	struct verdict *verdict;
};

static int is_searched(const struct verdict_entry *e, void *ctx)
{
	struct flow_search *s = ctx;

	if (!e->is_flow || memcmp(&e->flow, s->flow, sizeof(e->flow)) != 0)
		return 0;
	*s->verdict = e->verdict;
	return 1;
}

/* The verdict that is in force, or -ENOENT. */
static int find(struct dataplane *dp, const struct target *t, struct verdict *ret)
{
	struct flow_search search = { &t->flow, ret };
	int err;

	if (!t->is_flow)
		err = verdict_map_get(dp, &t->source, ret);
	else if ((err = verdict_map_each(dp, is_searched, &search)) >= 0)
		err = err ? 0 : -ENOENT;
	if (!err && ret->until_ns <= clock_now_ns())
		return -ENOENT;
	return err;
}

/* What goes ('-') or comes ('+'), as a line of the answer. */
static void add_line(struct control_request *r, char sign, const struct target *t,
		     const struct verdict *v)
{
	char line[256];

	if (v->action > VERDICT_DROP || v->reason >= VERDICT_REASON_COUNT)
		return;
	snprintf(line, sizeof(line), "%cverdict %s: %s, %s, %.0f s left", sign, t->text,
		 action_names[v->action], reason_names[v->reason],
		 (double)(v->until_ns - clock_now_ns()) / 1e9);
	request_lines(r, str_of(line));
}

static int failed(struct control_request *r, const struct target *t, int err)
{
	if (err == -ENOSPC)
		return errmsg_set(&r->err, err, "the verdict map is full (dataplane.max_verdicts)");
	if (err == -ENOENT)
		return errmsg_set(&r->err, err, "there is no verdict on %s", t->text);
	return err;
}

static void audit(struct control_request *r, const struct target *t, const struct verdict *v)
{
	uint64_t left_s = (v->until_ns - clock_now_ns() + NS_PER_S / 2) / NS_PER_S;

	supervisor_audit(r->s, &r->who,
			 json_pack("{s:s,s:s,s:s,s:s,s:I}", "noun", "verdict", "verb", r->verb,
				   "source", t->text, "action",
				   v->action <= VERDICT_DROP ? action_names[v->action] : "?",
				   "ttl_s", (json_int_t)left_s));
}

static int verdict_add(struct control_request *r, struct dataplane *dp, const char *word)
{
	static const char *const fields[] = { "ttl", "action", "dst", "proto", NULL };
	struct verdict old, new = { .reason = VERDICT_REASON_OPERATOR };
	char what[sizeof(((struct target *)0)->text) + 16];
	bool replaces, keeps_time;
	uint64_t ttl_ns = 0;
	struct target t;
	int err = request_check_set(r, fields);

	if (!err)
		err = parse_ttl(r, &ttl_ns);
	if (!err)
		err = parse_action(r, &new.action);
	if (!err)
		err = parse_target(r, word, &t);
	if (err)
		return err;
	snprintf(what, sizeof(what), "a verdict on %s", t.text);
	err = request_guard(r, &t.source, what);
	if (err)
		return err;
	new.until_ns = clock_now_ns() + ttl_ns;
	replaces = find(dp, &t, &old) == 0;
	/* The default is no wish to end early what lasts longer. */
	keeps_time =
		replaces && old.until_ns > new.until_ns && !json_object_get(request_set(r), "ttl");
	if (keeps_time)
		new.until_ns = old.until_ns;
	if (!r->dry_run) {
		err = t.is_flow ? verdict_map_set_flow(dp, &t.flow, new.action, new.reason,
						       new.until_ns)
				: verdict_map_set(dp, &t.source, new.action, new.reason,
						  new.until_ns);
		if (err < 0)
			return failed(r, &t, err);
		audit(r, &t, &new);
	}
	if (replaces)
		add_line(r, '-', &t, &old);
	add_line(r, '+', &t, &new);
	snprintf(r->text, sizeof(r->text), "%s%s",
		 r->dry_run ? "would change (dry run)" : "changed",
		 keeps_time ? "; it lasts as long as before: ttl= would shorten it" : "");
	return 0;
}

static int verdict_del(struct control_request *r, struct dataplane *dp, const char *word)
{
	static const char *const fields[] = { "dst", "proto", NULL };
	struct verdict old;
	struct target t;
	int err = request_check_set(r, fields);

	if (!err)
		err = parse_target(r, word, &t);
	if (err)
		return err;
	err = find(dp, &t, &old);
	if (!err && !r->dry_run)
		err = t.is_flow ? verdict_map_del_flow(dp, &t.flow)
				: verdict_map_del(dp, &t.source);
	if (err < 0)
		return failed(r, &t, err);
	if (!r->dry_run)
		audit(r, &t, &old);
	add_line(r, '-', &t, &old);
	snprintf(r->text, sizeof(r->text), "%s", r->dry_run ? "would change (dry run)" : "changed");
	return 0;
}

int control_verdict(struct control_request *r)
{
	struct dataplane *dp = request_dataplane(r);
	const char *source;

	if (!dp)
		return -ENODEV;
	if (!strcmp(r->verb, "list"))
		return verdict_list(r, dp);
	if (strcmp(r->verb, "add") != 0 && strcmp(r->verb, "del") != 0)
		return request_no_verb(r);
	source = request_arg(r, "source");
	if (!source)
		return -EINVAL;
	return !strcmp(r->verb, "add") ? verdict_add(r, dp, source) : verdict_del(r, dp, source);
}
