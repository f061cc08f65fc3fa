/* SPDX-License-Identifier: BSD-2-Clause */
/* explain: what a packet would meet in the kernel half, by the program itself, which changes nothing. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "explain_frame.h"
#include "explain_text.h"
#include "limit_explain.h"
#include "request.h"
#include "vip_show.h"

#define SPORT_DEFAULT 40000 /* which backend it is depends on it */

/* One question and its answer: too large for the stack. */
struct work {
	uint8_t frame[EXPLAIN_FRAME_MAX];
	size_t bytes;
	const struct dataplane_device *device;
	struct explain_answer answer;
	struct explain_view view;
	char packet[EXPLAIN_FRAME_TEXT], sent[EXPLAIN_FRAME_TEXT], link[64], egress[IF_NAMESIZE];
};

static int parse_number(struct control_request *r, const char *name, const char *word,
			unsigned long min, unsigned long max, unsigned long *ret)
{
	char *end;
	unsigned long n = strtoul(word, &end, 10);

	if (*end || *word < '0' || *word > '9' || n < min || n > max)
		return errmsg_set(&r->err, -EINVAL, "%s: '%.32s' is no number from %lu to %lu",
				  name, word, min, max);
	*ret = n;
	return 0;
}

/* "198.51.100.7", "198.51.100.7:443", "2001:db8::1", "[2001:db8::1]:443". Port 0: none was given. */
static int parse_end(struct control_request *r, const char *word, struct addr *ret,
		     uint16_t *ret_port)
{
	if (addr_parse(word, ret) == 0 || addr_parse_port(word, ret, ret_port) == 0)
		return 0;
	return errmsg_set(&r->err, -EINVAL,
			  "'%.64s' is no ADDRESS[:PORT]; of IPv6 with a port: [ADDRESS]:PORT",
			  word);
}

static int parse_protocol(struct control_request *r, const char *word, bool v4, uint8_t *ret)
{
	unsigned long n;

	if (!word || !strcmp(word, "tcp"))
		*ret = IPPROTO_TCP;
	else if (!strcmp(word, "udp"))
		*ret = IPPROTO_UDP;
	else if (!strcmp(word, "icmp"))
		*ret = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	else if (parse_number(r, "protocol", word, 0, UINT8_MAX, &n))
		return errmsg_set(&r->err, -EINVAL,
				  "'%.32s' is no protocol: tcp, udp, icmp or a number", word);
	else
		*ret = (uint8_t)n;
	return 0;
}

static int parse_fields(struct control_request *r, struct explain_packet *p)
{
	json_t *set = request_set(r);
	const char *flags = json_string_value(json_object_get(set, "flags"));
	const char *bytes = json_string_value(json_object_get(set, "bytes"));
	const char *ttl = json_string_value(json_object_get(set, "ttl"));
	unsigned long n = 0;
	int err;

	p->tcp_flags = TH_SYN;
	if (flags && p->proto != IPPROTO_TCP)
		return errmsg_set(&r->err, -EINVAL, "flags= is of TCP");
	if (flags && explain_frame_flags(flags, &p->tcp_flags, &r->err))
		return -EINVAL;
	err = bytes ? parse_number(r, "bytes=", bytes, 1, EXPLAIN_FRAME_MAX, &n) : 0;
	p->bytes = (uint32_t)n;
	if (!err && ttl)
		err = parse_number(r, "ttl=", ttl, 1, UINT8_MAX, &n);
	p->ttl = !err && ttl ? (uint8_t)n : 0;
	return err;
}

/* A packet from SOURCE to DESTINATION. */
static int make_frame(struct control_request *r, struct work *w)
{
	const char *source = request_arg(r, "source"), *dst = request_arg(r, "destination");
	struct explain_packet p = { .sport = SPORT_DEFAULT };
	int n = source && dst ? 0 : -EINVAL;

	if (!n)
		n = parse_end(r, source, &p.source, &p.sport);
	if (!n)
		n = parse_end(r, dst, &p.dst, &p.dport);
	if (!n)
		n = parse_protocol(r, request_arg_opt(r, "protocol"), addr_is_v4(&p.source),
				   &p.proto);
	if (!n && !p.dport && (p.proto == IPPROTO_TCP || p.proto == IPPROTO_UDP))
		n = errmsg_set(&r->err, -EINVAL, "%.64s has no port: write ADDRESS:PORT", dst);
	if (!n)
		n = parse_fields(r, &p);
	if (!n)
		n = explain_frame_make(&p, w->frame, sizeof(w->frame), &r->err);
	w->bytes = n > 0 ? (size_t)n : 0;
	return n < 0 ? n : 0;
}

/* The bytes themselves, which then say all else. */
static int take_frame(struct control_request *r, struct work *w, const char *hex)
{
	static const char *const alone[] = { "frame", "device", NULL };
	int n = request_check_set(r, alone);

	if (!n && request_arg_opt(r, "source"))
		n = errmsg_set(&r->err, -EINVAL, "frame= has its addresses in it");
	if (!n)
		n = explain_frame_hex(hex, w->frame, sizeof(w->frame), &r->err);
	w->bytes = n > 0 ? (size_t)n : 0;
	return n < 0 ? n : 0;
}

/* The device that was named, or the first one that has a program. */
static int find_device(struct control_request *r, struct dataplane *dp, struct work *w)
{
	const char *name = json_string_value(json_object_get(request_set(r), "device"));
	const struct dataplane_device *devices;
	size_t n = dataplane_devices(dp, &devices);

	for (size_t i = 0; i < n; i++) {
		if (!devices[i].attached || (name && strcmp(devices[i].name, name) != 0))
			continue;
		w->device = &devices[i];
		return 0;
	}
	if (name)
		return errmsg_set(
			&r->err, -ENODEV,
			"%.32s is no device that is attached: its packets meet no program", name);
	return errmsg_set(&r->err, -ENODEV, "no device is attached: packets meet no program");
}

static json_t *stages_json(const struct work *w)
{
	const struct explain_trace *t = &w->answer.trace;
	json_t *list = json_array();
	char text[EXPLAIN_TEXT_MAX];

	for (enum explain_stage i = 0; i < EXPLAIN_STAGES; i++) {
		if (t->stage[i] == EXPLAIN_UNASKED)
			continue;
		explain_stage_text(&w->view, i, text);
		json_array_append_new(
			list, json_pack("{s:s,s:s,s:s}", "stage", explain_stage_name(i), "result",
					explain_result_name(t->stage[i]), "text", text));
	}
	return list;
}

static json_t *limits_json(const struct work *w)
{
	static const char *const outcomes[] = { "unasked", "admit", "drop", "would_drop" };
	const struct explain_trace *t = &w->answer.trace;
	struct dataplane *dp = w->view.dp;
	json_t *list = json_array();

	for (size_t i = 0; i < EXPLAIN_LIMITS; i++) {
		const struct explain_limit *l = &t->limit[i];
		const char *name = limit_map_name(dp, l->limit_class);
		struct limit_explain e;
		json_t *row;

		if (!l->limit_class)
			continue;
		row = json_pack("{s:s,s:i,s:s}", "name", name ? name : "?", "class", l->limit_class,
				"outcome", outcomes[l->outcome & 3]);
		if (limit_map_explain_class(dp, &t->source, l->limit_class, &e) == 0)
			limit_explain_add(row, &e);
		json_array_append_new(list, row);
	}
	return list;
}

static void add_backend(json_t *data, const struct work *w)
{
	const struct vip_backend_state *b = w->view.backend;
	const struct explain_trace *t = &w->answer.trace;
	char text[ADDR_TEXT_MAX];
	json_t *backend;

	if (w->view.vip)
		json_object_set_new(data, "vip", json_string(w->view.vip->name));
	if (!b)
		return;
	backend = json_pack("{s:s,s:s,s:s,s:I}", "name", b->conf->name, "address",
			    addr_format(&b->conf->address, text), "mode",
			    vip_show_mode(w->view.vip), "id", (json_int_t)t->backend_id);
	if (backend && t->quic != EXPLAIN_QUIC_ROUTED && !explain_by_flow(t)) {
		json_object_set_new(backend, "slot", json_integer((json_int_t)t->slot));
		json_object_set_new(backend, "ring", json_integer((json_int_t)t->ring));
	}
	json_object_set_new(data, "backend", backend);
}

/* What leaves this host by it, whether sent on or turned around. */
static void add_sent(json_t *data, const struct work *w)
{
	const struct explain_trace *t = &w->answer.trace;

	if (t->result != EXPLAIN_TX && t->result != EXPLAIN_REPLY)
		return;
	json_object_set_new(data, "sent",
			    json_pack("{s:s,s:s,s:s,s:I}", "device", w->egress, "link", w->link,
				      "packet", w->sent, "bytes", (json_int_t)w->answer.bytes));
}

static int answer_json(struct control_request *r, const struct work *w)
{
	const struct explain_trace *t = &w->answer.trace;
	const char *hook = w->device->hook == CONF_HOOK_TC ? "tc" : "xdp";

	r->data = json_pack("{s:s,s:s,s:s,s:I,s:s,s:s,s:o,s:o}", "device", w->device->name, "hook",
			    hook, "packet", w->packet, "wire_bytes", (json_int_t)t->wire_bytes,
			    "result", explain_result_name(t->result), "reason",
			    t->reason ? explain_reason_name(t) : "", "stages", stages_json(w),
			    "limits", limits_json(w));
	if (!r->data)
		return -ENOMEM;
	if (t->verdict_until_ns > clock_now_ns())
		json_object_set_new(r->data, "verdict_left_s",
				    json_real((double)(t->verdict_until_ns - clock_now_ns()) /
					      (double)NS_PER_S));
	add_backend(r->data, w);
	add_sent(r->data, w);
	return 0;
}

static const struct conf_vip *vip_of(const struct control_request *r, struct dataplane *dp,
				     uint32_t id)
{
	const struct conf *conf = supervisor_conf(r->s);

	for (size_t i = 0; id && i < conf->n_vips; i++) {
		if (vip_map_id(dp, conf->vips[i].name) == id)
			return &conf->vips[i];
	}
	return NULL;
}

/* Names for the numbers of the trace. */
static void view_answer(const struct control_request *r, struct dataplane *dp, struct work *w)
{
	const struct explain_trace *t = &w->answer.trace;
	bool leaves = t->result == EXPLAIN_TX || t->result == EXPLAIN_REPLY;
	uint32_t ifindex = t->result == EXPLAIN_TX ? t->egress_ifindex : w->device->ifindex;

	w->view = (struct explain_view) { .dp = dp,
					  .trace = t,
					  .vip = vip_of(r, dp, t->vip_id),
					  .egress = w->egress,
					  .packet = w->packet,
					  .sent = w->sent,
					  .link = w->link };
	explain_frame_text(w->frame, w->bytes, false, w->packet);
	if (leaves) {
		if (!if_indextoname(ifindex, w->egress))
			snprintf(w->egress, sizeof(w->egress), "#%u", ifindex);
		explain_frame_text(w->answer.frame, w->answer.bytes,
				   t->stage[EXPLAIN_ENCAP] == EXPLAIN_TX, w->sent);
		explain_frame_link(w->answer.frame, w->answer.bytes, w->link);
	}
}

/* Which of the vip's backends it is; what it points to is the caller's to free. */
static struct vip_backend_state *view_backend(struct dataplane *dp, struct work *w)
{
	const struct conf_vip *vip = w->view.vip;
	struct vip_backend_state *rows = vip ? calloc(vip->n_backends + 1, sizeof(*rows)) : NULL;
	size_t n = rows ? vip_map_backends(dp, vip->name, rows, vip->n_backends) : 0;

	for (size_t i = 0; i < n && i < vip->n_backends; i++) {
		if (w->answer.trace.backend_id && rows[i].id == w->answer.trace.backend_id)
			w->view.backend = &rows[i];
	}
	return rows;
}

/*
 * A new flow of mode nat leaves the program from a port that is free now; another may be taken when it
 * begins, so none is told: what would be sent is told from the configuration.
 */
static void view_new_flow(struct work *w)
{
	const struct explain_trace *t = &w->answer.trace;
	const struct conf_backend *to = w->view.backend ? w->view.backend->conf : NULL;
	const struct conf_vip *vip = w->view.vip;
	char source[ADDR_TEXT_MAX], backend[ADDR_TEXT_MAX], port[32] = "a port taken then";

	if (!to || !vip || !(t->flags & EXPLAIN_BEGINS))
		return;
	if (!vip->n_snat)
		snprintf(port, sizeof(port), "%u", ntohs(t->flow.sport));
	snprintf(w->sent, sizeof(w->sent), "%s%s > %s %s %s > %u",
		 addr_format(vip->n_snat ? &vip->snat[0] : &t->flow.src, source),
		 vip->n_snat > 1 ? " (or another of snat)" : "", addr_format(&to->address, backend),
		 t->flow.proto == IPPROTO_UDP ? "udp" : "tcp", port,
		 to->port ? to->port : ntohs(t->flow.dport));
}

static int explain(struct control_request *r)
{
	static const char *const fields[] = { "flags", "bytes", "ttl", "frame", "device", NULL };
	CLEANUP_FREE struct vip_backend_state *rows = NULL;
	CLEANUP_FREE struct work *w = calloc(1, sizeof(*w));
	struct dataplane *dp = request_dataplane(r);
	struct explain_question q;
	const char *hex;
	int err;

	if (!dp || !w)
		return dp ? -ENOMEM : -ENODEV;
	err = request_check_set(r, fields);
	hex = json_string_value(json_object_get(request_set(r), "frame"));
	if (!err)
		err = hex ? take_frame(r, w, hex) : make_frame(r, w);
	if (!err)
		err = find_device(r, dp, w);
	if (err)
		return err;
	q = (struct explain_question) { w->frame, w->bytes, w->device };
	err = explain_run(dp, supervisor_loop(r->s), &q, &w->answer, &r->err);
	if (err)
		return err;
	view_answer(r, dp, w);
	rows = view_backend(dp, w);
	view_new_flow(w);
	return answer_json(r, w);
}

int control_explain(struct control_request *r)
{
	return strcmp(r->verb, "packet") == 0 ? explain(r) : request_no_verb(r);
}
