/* SPDX-License-Identifier: BSD-2-Clause */
/* limit explain: what the next packet of a source, and to it, meets, in the kernel's order. */
#include "limit_explain.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/clock.h"
#include "conf/vip_place.h"
#include "dataplane/acl_map.h"
#include "dataplane/verdict_map.h"
#include "sluice/abi/source.h"

#define CLASSES_MAX 8

static const char *const kind_names[LIMIT_KINDS] = {
	[LIMIT_KIND_NONE] = "any",
	[LIMIT_KIND_FRAGMENT] = "fragment",
	[LIMIT_KIND_AMPLIFICATION] = "amplification",
	[LIMIT_KIND_ICMP] = "icmp",
	[LIMIT_KIND_OTHER_L4] = "other_l4",
};

static const char *const unit_names[LIMIT_UNITS] = {
	[LIMIT_PACKETS] = "packets",
	[LIMIT_BYTES] = "bytes",
	[LIMIT_CONNECTIONS] = "connections",
};

const char *limit_kind_name(uint32_t kind)
{
	return kind_names[kind < LIMIT_KINDS ? kind : LIMIT_KIND_NONE];
}

const char *limit_unit_name(enum limit_unit unit)
{
	return unit_names[unit];
}

/* What a packet is, as far as limits look. */
struct packet {
	struct addr source;
	struct addr dst;
	uint8_t protocol; /* 0: not said */
	uint16_t port;
	enum limit_kind kind;
	const struct conf_vip *vip;
};

static json_t *next_json(uint64_t next_ns)
{
	return next_ns == UINT64_MAX ? json_null() : json_real((double)next_ns / 1e6);
}

static void left_json(json_t *row, const struct limit_left left[LIMIT_UNITS])
{
	for (enum limit_unit u = LIMIT_PACKETS; u < LIMIT_UNITS; u++) {
		if (left[u].limited)
			json_object_set_new(row, unit_names[u],
					    json_pack("{s:I,s:o}", "tokens",
						      (json_int_t)left[u].tokens, "next_ms",
						      next_json(left[u].next_ns)));
	}
}

void limit_explain_add(json_t *row, const struct limit_explain *e)
{
	static const char *const proofs[] = {
		[CLIENT_UNPROVEN] = "none",
		[CLIENT_PROVEN_SOCKET] = "socket",
		[CLIENT_PROVEN_COOKIE] = "cookie",
		[CLIENT_PROVEN_AGENT] = "agent",
	};
	json_t *total = json_object();

	json_object_set_new(row, "meters", json_string(e->exact ? "exact" : "rows"));
	json_object_set_new(row, "proof",
			    json_string(e->proof <= CLIENT_PROVEN_AGENT ? proofs[e->proof] : "?"));
	left_json(row, e->unit);
	left_json(total, e->total);
	json_object_set_new(row, "total", total);
	if (e->concurrent)
		json_object_set_new(row, "concurrent",
				    json_pack("{s:I,s:I}", "max", (json_int_t)e->concurrent,
					      "connections", (json_int_t)e->connections));
}

static int parse_protocol(struct control_request *r, const char *word, uint8_t *ret)
{
	if (!strcmp(word, "tcp"))
		*ret = IPPROTO_TCP;
	else if (!strcmp(word, "udp"))
		*ret = IPPROTO_UDP;
	else if (!strcmp(word, "icmp"))
		*ret = IPPROTO_ICMP;
	else
		return errmsg_set(&r->err, -EINVAL, "'%.32s' is no protocol: tcp, udp or icmp",
				  word);
	return 0;
}

static int parse_kind(struct control_request *r, const char *word, enum limit_kind *ret)
{
	for (int k = LIMIT_KIND_NONE; k < LIMIT_KINDS; k++) {
		if (strcmp(kind_names[k], word) != 0)
			continue;
		*ret = (enum limit_kind)k;
		return 0;
	}
	return errmsg_set(&r->err, -EINVAL,
			  "'%.32s' is no kind: fragment, amplification, icmp or other_l4", word);
}

static int parse_port(struct control_request *r, const char *word, uint16_t *ret)
{
	char *end;
	unsigned long n = strtoul(word, &end, 10);

	if (*end || *word < '0' || *word > '9' || n > UINT16_MAX)
		return errmsg_set(&r->err, -EINVAL, "'%.32s' is no port", word);
	*ret = (uint16_t)n;
	return 0;
}

/* The destination in a word: a vip, tcp/443, a kind of packet. */
static int parse_to(struct control_request *r, const char *word, struct packet *ret)
{
	ret->vip = conf_vip(supervisor_conf(r->s), word);
	if (ret->vip) {
		ret->protocol = ret->vip->protocol;
		ret->port = ret->vip->port;
		return 0;
	}
	if (!strncmp(word, "tcp/", 4) || !strncmp(word, "udp/", 4)) {
		ret->protocol = word[0] == 't' ? IPPROTO_TCP : IPPROTO_UDP;
		return parse_port(r, word + 4, &ret->port);
	}
	if (parse_kind(r, word, &ret->kind))
		return errmsg_set(&r->err, -EINVAL,
				  "'%.64s' is no vip, port (tcp/443) or kind of packet (icmp)",
				  word);
	return 0;
}

static int parse_fields(struct control_request *r, struct packet *ret)
{
	json_t *set = request_set(r);
	const char *port = json_string_value(json_object_get(set, "port"));
	const char *proto = json_string_value(json_object_get(set, "proto"));
	const char *kind = json_string_value(json_object_get(set, "kind"));
	const char *dst = json_string_value(json_object_get(set, "dst"));
	int err = 0;

	if (dst && addr_parse(dst, &ret->dst))
		return errmsg_set(&r->err, -EINVAL, "'%.64s' is not an address", dst);
	if (port) {
		err = parse_port(r, port, &ret->port);
		ret->protocol = IPPROTO_TCP;
	}
	if (!err && proto)
		err = parse_protocol(r, proto, &ret->protocol);
	if (!err && kind)
		err = parse_kind(r, kind, &ret->kind);
	if (ret->protocol == IPPROTO_ICMP && ret->kind == LIMIT_KIND_NONE)
		ret->kind = LIMIT_KIND_ICMP;
	if (ret->kind == LIMIT_KIND_FRAGMENT) /* fragments have no port of their own */
		ret->port = 0;
	if (dst)
		ret->vip =
			vip_place_find(supervisor_conf(r->s), &ret->dst, ret->port, ret->protocol);
	return err;
}

static int parse_packet(struct control_request *r, struct packet *ret)
{
	static const char *const fields[] = { "dst", "port", "proto", "kind", NULL };
	const char *source = request_arg(r, "address"), *to = request_arg_opt(r, "to");
	int err = source ? request_check_set(r, fields) : -EINVAL;

	*ret = (struct packet) { 0 };
	if (!err && addr_parse(source, &ret->source))
		err = errmsg_set(&r->err, -EINVAL, "'%.64s' is not an address", source);
	if (!err && to)
		err = parse_to(r, to, ret);
	return err ? err : parse_fields(r, ret);
}

/* Note why the next packet is dropped; what is asked first is said. */
static void next_drop(json_t *data, const char *reason, json_t *in_ms)
{
	if (json_object_get(data, "next"))
		json_decref(in_ms);
	else
		json_object_set_new(data, "next",
				    json_pack("{s:s,s:s,s:o}", "answer", "drop", "reason", reason,
					      "in_ms", in_ms));
}

/* New connections are not of every packet, so they decide nothing here. */
static void next_of_limit(json_t *data, const struct limit_explain *e, bool egress)
{
	static const char *const reasons[LIMIT_UNITS] = { "limit_packets", "limit_bytes",
							  "limit_connections" };

	for (int u = LIMIT_PACKETS; u <= LIMIT_BYTES && !(e->flags & LIMIT_DRY_RUN); u++) {
		if (e->unit[u].limited && e->unit[u].next_ns)
			next_drop(data, egress ? "egress_limit" : reasons[u],
				  next_json(e->unit[u].next_ns));
		if (e->total[u].limited && e->total[u].next_ns)
			next_drop(data, egress ? "egress_limit" : "limit_total",
				  next_json(e->total[u].next_ns));
	}
}

static void add_limit(json_t *list, struct dataplane *dp, const struct limit_explain *e)
{
	const char *name = limit_map_name(dp, e->limit_class);
	json_t *row = json_pack("{s:s,s:I,s:s,s:s,s:b}", "name", name ? name : "?", "class",
				(json_int_t)e->limit_class, "kind", limit_kind_name(e->kind), "per",
				e->flags & LIMIT_PER_PREFIX ? "prefix" : "source", "dry_run",
				(e->flags & LIMIT_DRY_RUN) != 0);

	limit_explain_add(row, e);
	json_array_append_new(list, row);
}

static int add_limits(json_t *data, struct dataplane *dp, const struct packet *p)
{
	const struct conf_vip *vip = p->vip;
	struct limit_explain e[CLASSES_MAX];
	json_t *list = json_array();
	uint8_t service = vip ? limit_map_service(dp, vip->name)
			      : limit_map_port_service(dp, p->protocol, p->port);
	int n = limit_map_explain(dp, &p->source, service, p->kind, e, CLASSES_MAX);

	json_object_set_new(data, "limits", list);
	if (vip)
		json_object_set_new(data, "vip", json_string(vip->name));
	/* The kernel asks the limit of the packet's kind first, whatever place it has in the list. */
	for (int pass = 0; pass < 2; pass++) {
		for (int i = 0; i < n && i < CLASSES_MAX; i++) {
			if ((e[i].kind == LIMIT_KIND_NONE) == (pass == 0))
				continue;
			add_limit(list, dp, &e[i]);
			next_of_limit(data, &e[i], false);
		}
	}
	return n < 0 ? n : 0;
}

/* What it is sent, by the same port of this host; where some limit is of that direction. */
static int add_egress(json_t *data, struct dataplane *dp, const struct packet *p)
{
	struct limit_explain e[CLASSES_MAX];
	json_t *out, *list;
	int n;

	if (p->vip) /* its backends answer, and not through here */
		return 0;
	n = limit_map_explain_egress(dp, &p->source, p->protocol, p->port, e, CLASSES_MAX);
	if (n <= 0)
		return n;
	list = json_array();
	out = json_pack("{s:o}", "limits", list);
	for (int i = 0; i < n && i < CLASSES_MAX; i++) {
		add_limit(list, dp, &e[i]);
		next_of_limit(out, &e[i], true);
	}
	if (!json_object_get(out, "next"))
		json_object_set_new(out, "next", json_pack("{s:s}", "answer", "pass"));
	return json_object_set_new(data, "egress", out) ? -ENOMEM : 0;
}

/* The verdict in force on a source, of its own unit or of the wider one. -ENOENT */
static int verdict_of(struct dataplane *dp, const struct addr *source, struct prefix *ret_on,
		      struct verdict *ret)
{
	bool v4 = addr_is_v4(source);
	const uint32_t lengths[] = {
		v4 ? ADDR_V4_BITS + CLIENT_UNIT_BITS_V4 : CLIENT_UNIT_BITS_V6,
		v4 ? ADDR_V4_BITS + CLIENT_WIDE_BITS_V4 : CLIENT_WIDE_BITS_V6,
	};

	for (int i = 0; i < 2; i++) {
		struct prefix on = { lengths[i], addr_mask(source, lengths[i]) };

		if (verdict_map_get(dp, &on, ret) || ret->until_ns <= clock_now_ns())
			continue;
		*ret_on = on;
		return 0;
	}
	return -ENOENT;
}

static void add_verdict(json_t *data, struct dataplane *dp, const struct packet *p)
{
#define VERDICT_REASON_NAME(id, label, doc) label,
	static const char *const reasons[] = { VERDICT_REASONS(VERDICT_REASON_NAME) };
	char text[ADDR_TEXT_MAX];
	struct verdict v;
	struct prefix on;
	double left_ms;

	if (verdict_of(dp, &p->source, &on, &v))
		return;
	left_ms = (double)(v.until_ns - clock_now_ns()) / 1e6;
	json_object_set_new(data, "verdict",
			    json_pack("{s:s,s:s,s:s,s:f}", "source", prefix_format(&on, text),
				      "action", v.action == VERDICT_DROP ? "drop" : "drop_new",
				      "reason",
				      v.reason < VERDICT_REASON_COUNT ? reasons[v.reason] : "?",
				      "left_s", left_ms / 1000));
	/* drop_new is of SYNs, and of all that is not TCP. */
	if (v.action == VERDICT_DROP || (p->protocol && p->protocol != IPPROTO_TCP))
		next_drop(data, "verdict_source", json_real(left_ms));
}

int limit_explain(struct control_request *r)
{
	struct dataplane *dp = request_dataplane(r);
	char text[ADDR_TEXT_MAX];
	struct packet p;
	uint8_t answer;
	int err = dp ? parse_packet(r, &p) : -ENODEV;

	if (err)
		return err;
	answer = acl_map_answer(dp, &p.source);
	r->data = json_pack("{s:s,s:b,s:s}", "address", addr_format(&p.source, text), "exempt",
			    answer == SOURCE_ALLOW, "acl",
			    answer == SOURCE_ALLOW  ? "allow"
			    : answer == SOURCE_DENY ? "deny"
						    : "none");
	if (!r->data)
		return -ENOMEM;
	json_object_set_new(r->data, "limits", json_array());
	if (answer == SOURCE_DENY)
		next_drop(r->data, "acl_deny", json_null());
	if (answer != SOURCE_ALLOW && answer != SOURCE_DENY) {
		add_verdict(r->data, dp, &p);
		err = add_limits(r->data, dp, &p);
	}
	if (!json_object_get(r->data, "next"))
		json_object_set_new(r->data, "next", json_pack("{s:s}", "answer", "pass"));
	return err ? err : add_egress(r->data, dp, &p);
}
