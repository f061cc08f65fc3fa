/* SPDX-License-Identifier: BSD-2-Clause */
/* vip show: its backends' states, shares and probes. */
#include "vip_show.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "conf/vip_place.h"
#include "dataplane/quic_map.h"
#include "dataplane/vip_flow.h"
#include "dataplane/vip_map.h"

static const char *const type_names[] = {
	[CONF_HEALTH_NONE] = "",       [CONF_HEALTH_TCP] = "tcp", [CONF_HEALTH_HTTP] = "http",
	[CONF_HEALTH_HTTPS] = "https", [CONF_HEALTH_UDP] = "udp", [CONF_HEALTH_DNS] = "dns",
};

const char *vip_show_mode(const struct conf_vip *vip)
{
	static const char *const names[] = {
		[BACKEND_L2] = "l2",
		[BACKEND_IPIP] = "ipip",
		[BACKEND_GUE] = "gue",
		[BACKEND_NAT] = "nat",
	};

	return (size_t)vip->mode < sizeof(names) / sizeof(names[0]) ? names[vip->mode] : "?";
}

const char *vip_show_state(const struct conf_backend *b, bool has_hop,
			   const struct health_info *health)
{
	static const char *const names[] = {
		[HEALTH_UNKNOWN] = "unknown", [HEALTH_UP] = "up", [HEALTH_DOWN] = "down"
	};

	if (b->drain_by)
		return b->drain_by > clock_wall_ns() / NS_PER_S ? "draining" : "drained";
	if (!b->weight)
		return "drained";
	if (!has_hop)
		return "unreachable";
	if (!health)
		return "up";
	return health->slow ? "starting" : names[health->status];
}

json_int_t vip_show_drain_left(const struct conf_backend *b)
{
	uint64_t now_s = clock_wall_ns() / NS_PER_S;

	return b->drain_by > now_s ? (json_int_t)(b->drain_by - now_s) : 0;
}

void vip_show_flows(json_t *backend, const struct vip_backend_state *b)
{
	const struct stats_nat *n = &b->nat;

	if (!backend || !b->has_flows)
		return;
	/* Read one after the other, while they go on. */
	json_object_set_new(
		backend, "flows",
		json_integer((json_int_t)(n->opened > n->ended ? n->opened - n->ended : 0)));
	json_object_set_new(backend, "flows_opened", json_integer((json_int_t)n->opened));
	json_object_set_new(backend, "flows_expired", json_integer((json_int_t)n->expired));
	json_object_set_new(backend, "nat_exhausted", json_integer((json_int_t)n->exhausted));
	json_object_set_new(backend, "nat_full", json_integer((json_int_t)n->full));
	json_object_set_new(backend, "answer_packets", json_integer((json_int_t)n->answer_packets));
	json_object_set_new(backend, "answer_bytes", json_integer((json_int_t)n->answer_bytes));
}

static double weight_now(const struct vip_backend_state *b)
{
	if (!b->ready || b->conf->drain_by)
		return 0;
	return (double)b->conf->weight * b->share / VIP_SHARE_FULL;
}

static double percent(double part, double all)
{
	return all > 0 ? 100 * part / all : 0;
}

static void add_health(json_t *o, const struct health_info *h)
{
	json_object_set_new(o, "error", json_string(h->error));
	json_object_set_new(o, "since", supervisor_time(h->changed_ms * NS_PER_MS));
	json_object_set_new(o, "passed", json_integer(h->passed));
	json_object_set_new(o, "failed", json_integer(h->failed));
	json_object_set_new(o, "rise", json_integer(h->rise));
	json_object_set_new(o, "flaps", json_integer(h->flaps));
	json_object_set_new(o, "held", json_boolean(h->held));
	json_object_set_new(o, "latency_ms", json_real((double)h->latency_us / 1000));
	json_object_set_new(o, "transitions", json_integer((json_int_t)h->transitions));
}

/* What all of a vip's backends have together. */
struct whole {
	double weight, slots, packets;
};

static uint64_t packets_since(const struct vip_backend_state *b)
{
	return b->forwarded.packets - b->share_from.packets;
}

/* Of the packets since the ring is in force; nothing to tell before the first. */
static void add_share(json_t *o, const struct vip_backend_state *b, const struct whole *all)
{
	const uint64_t packets = packets_since(b);
	const double share = percent((double)packets, all->packets);
	const double due = percent(weight_now(b), all->weight);

	json_object_set_new(o, "share_packets", json_integer((json_int_t)packets));
	json_object_set_new(o, "share_bytes",
			    json_integer((json_int_t)(b->forwarded.bytes - b->share_from.bytes)));
	json_object_set_new(o, "share_percent", all->packets > 0 ? json_real(share) : json_null());
	json_object_set_new(o, "deviation",
			    all->packets > 0 ? json_real(share - due) : json_null());
}

/* As it is written: without leading zeros. */
static json_t *server_id_json(const struct conf_backend *b)
{
	char text[2 + 2 * QUIC_SERVER_ID_MAX + 1] = "0x";
	size_t i = 0, n = 2;

	while (i + 1 < QUIC_SERVER_ID_MAX && !b->server_id[i])
		i++;
	for (; i < QUIC_SERVER_ID_MAX; i++, n += 2)
		snprintf(text + n, sizeof(text) - n, "%02x", b->server_id[i]);
	return json_string(text);
}

static json_t *quic_json(struct dataplane *dp, const struct conf_vip *vip)
{
	struct stats_quic stats = { 0 };
	json_t *configs = json_array(), *encrypted = json_array();

	for (size_t i = 0; i < vip->n_quic; i++) {
		const struct conf_quic *q = &vip->quic[i];

		if (q->key)
			json_array_append_new(encrypted, json_integer(q->config_id));

		json_array_append_new(
			configs, json_pack("{s:i,s:i,s:i,s:b}", "config_id", q->config_id,
					   "server_id_bytes", q->server_id_bytes, "nonce_bytes",
					   q->nonce_bytes, "encrypted", q->key != NULL));
	}
	quic_map_stats(dp, vip_map_id(dp, vip->name), &stats);
	return json_pack("{s:o,s:o,s:I,s:I,s:I}", "configs", configs, "encrypted", encrypted,
			 "routed", (json_int_t)stats.routed, "unroutable",
			 (json_int_t)stats.unroutable, "unknown", (json_int_t)stats.unknown);
}

static json_t *backend_json(const struct vip_backend_state *b, const struct health_info *h,
			    const struct whole *all)
{
	char text[ADDR_TEXT_MAX];
	json_t *o = json_pack(
		"{s:s,s:s,s:s,s:s,s:I,s:f,s:I,s:f,s:f,s:I,s:I,s:I,s:I}", "name", b->conf->name,
		"address", addr_format(&b->conf->address, text), "state",
		vip_show_state(b->conf, b->ready, h), "hop", b->ready ? "" : b->state, "weight",
		(json_int_t)b->conf->weight, "weight_now", weight_now(b), "slots",
		(json_int_t)b->slots, "slots_percent", percent(b->slots, all->slots),
		"weight_percent", percent(weight_now(b), all->weight), "packets",
		(json_int_t)b->forwarded.packets, "bytes", (json_int_t)b->forwarded.bytes, "flows",
		(json_int_t)b->flows, "drain_left_s", vip_show_drain_left(b->conf));

	if (o)
		add_share(o, b, all);
	if (o && b->conf->has_server_id)
		json_object_set_new(o, "server_id", server_id_json(b->conf));
	vip_show_flows(o, b);
	if (o && b->conf->drain_by)
		json_object_set_new(o, "drain_by", json_integer((json_int_t)b->conf->drain_by));
	if (o && h)
		add_health(o, h);
	return o;
}

static json_t *backends_json(const struct control_request *r, const struct conf_vip *vip,
			     const struct vip_backend_state *rows, size_t n)
{
	const struct health *health = supervisor_health(r->s);
	const size_t at = (size_t)(vip - supervisor_conf(r->s)->vips);
	json_t *list = json_array();
	struct whole all = { 0 };

	for (size_t i = 0; i < n; i++) {
		all.weight += weight_now(&rows[i]);
		all.slots += rows[i].slots;
		all.packets += (double)packets_since(&rows[i]);
	}
	for (size_t i = 0; i < n; i++) {
		struct health_info info;
		bool known = health && health_get(health, at, i, &info);

		json_array_append_new(list, backend_json(&rows[i], known ? &info : NULL, &all));
	}
	return list;
}

/* Those that were removed and still have flows. */
static void add_leaving(json_t *o, struct dataplane *dp, const struct conf_vip *vip)
{
	const size_t n = vip_map_leaving(dp, vip->name, NULL, 0);
	CLEANUP_FREE struct vip_leaving_state *rows = calloc(n + 1, sizeof(*rows));
	json_t *list = json_array();
	char text[ADDR_TEXT_MAX];

	if (rows)
		vip_map_leaving(dp, vip->name, rows, n);
	for (size_t i = 0; rows && i < n; i++) {
		const struct stats_nat *s = &rows[i].nat;

		json_array_append_new(
			list,
			json_pack("{s:s,s:s,s:s,s:I,s:I}", "name", rows[i].name, "address",
				  addr_format(&rows[i].address, text), "hop", rows[i].why, "flows",
				  (json_int_t)(s->opened > s->ended ? s->opened - s->ended : 0),
				  "left_s", (json_int_t)((rows[i].left_ms + 999) / 1000)));
	}
	json_object_set_new(o, "leaving", list);
}

/* What a change of its ring keeps, and for how long yet. */
static void add_flows(json_t *o, struct dataplane *dp, const struct conf_vip *vip)
{
	struct vip_flow_state flow = { 0 };

	(void)vip_flow_get(dp, vip->name, &flow);
	json_object_set_new(o, "drain_ms", json_integer((json_int_t)vip->drain_ms));
	json_object_set_new(o, "window_open", json_boolean(flow.is_open));
	json_object_set_new(o, "window_left_ms", json_integer((json_int_t)flow.left_ms));
	json_object_set_new(o, "flows_noted", json_integer(flow.flows));
	if (vip->mode == BACKEND_NAT)
		add_leaving(o, dp, vip);
}

int vip_show(struct control_request *r, struct dataplane *dp, const struct conf_vip *vip)
{
	struct vip_backend_state *rows = calloc(vip->n_backends + 1, sizeof(*rows));
	struct stats_vip stats = { 0 };
	char text[VIP_PLACE_TEXT_MAX];
	uint64_t since_ms = vip_map_share_since_ms(dp, vip->name);
	size_t n;

	if (!rows)
		return -ENOMEM;
	n = vip_map_backends(dp, vip->name, rows, vip->n_backends);
	n = n < vip->n_backends ? n : vip->n_backends;
	vip_map_stats(dp, vip_map_id(dp, vip->name), &stats);
	r->data = json_pack(
		"{s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:s,s:I,s:I,s:I,s:I,s:I,s:o,s:o}", "name", vip->name,
		"address", vip_place_format(vip, text), "protocol",
		vip->protocol == IPPROTO_UDP ? "udp" : "tcp", "mode", vip_show_mode(vip), "limit",
		vip->limit ? vip->limit : "", "health", type_names[vip->health.type],
		"slow_start_ms", (json_int_t)vip->slow_start_ms, "all_down",
		vip->all_down == CONF_ALL_DOWN_DROP ? "drop" : "last-known", "packets",
		(json_int_t)stats.forwarded.packets, "bytes", (json_int_t)stats.forwarded.bytes,
		"dropped_packets", (json_int_t)stats.dropped.packets, "dropped_bytes",
		(json_int_t)stats.dropped.bytes, "connections", (json_int_t)stats.connections,
		"share_since", since_ms ? supervisor_time(since_ms * NS_PER_MS) : json_null(),
		"backends", backends_json(r, vip, rows, n));
	if (r->data)
		add_flows(r->data, dp, vip);
	free(rows);
	if (r->data && vip->n_quic)
		json_object_set_new(r->data, "quic", quic_json(dp, vip));
	return r->data ? 0 : -ENOMEM;
}
