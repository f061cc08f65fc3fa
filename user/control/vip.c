/* SPDX-License-Identifier: BSD-2-Clause */
/* vip and backend: what the kernel balances, over whom, and how it goes. */
#include "sluice/abi/vip.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "conf/conf_text.h"
#include "conf/vip_place.h"
#include "dataplane/vip_map.h"
#include "request.h"
#include "vip_show.h"

#define DRAIN_DEFAULT_S 300
#define DRAIN_MAX_S	(366ULL * 86400)

static json_t *count_json(const struct stats_count *c)
{
	return json_pack("{s:I,s:I}", "packets", (json_int_t)c->packets, "bytes",
			 (json_int_t)c->bytes);
}

static json_t *backend_json(const struct conf_vip *vip, const struct vip_backend_state *b)
{
	const json_int_t drain_left_s = vip_show_drain_left(b->conf);
	char text[ADDR_TEXT_MAX];
	json_t *o = json_pack("{s:s,s:s,s:s,s:I,s:b,s:s,s:I,s:I,s:I,s:I}", "vip", vip->name, "name",
			      b->conf->name, "address", addr_format(&b->conf->address, text),
			      "weight", (json_int_t)b->conf->weight, "ready", b->ready, "state",
			      drain_left_s && b->ready ? "draining" : b->state, "slots",
			      (json_int_t)b->slots, "packets", (json_int_t)b->forwarded.packets,
			      "bytes", (json_int_t)b->forwarded.bytes, "mtu", (json_int_t)b->mtu);

	json_object_set_new(o, "flows", json_integer((json_int_t)b->flows));
	json_object_set_new(o, "drain_left_s", json_integer(drain_left_s));
	vip_show_flows(o, b);
	return o;
}

static int append_backends(struct dataplane *dp, const struct conf_vip *vip, json_t *list)
{
	CLEANUP_FREE struct vip_backend_state *rows = calloc(vip->n_backends + 1, sizeof(*rows));
	size_t n;

	if (!rows)
		return -ENOMEM;
	n = vip_map_backends(dp, vip->name, rows, vip->n_backends);
	n = n < vip->n_backends ? n : vip->n_backends;
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, backend_json(vip, &rows[i]));
	return 0;
}

static json_t *vip_json(struct dataplane *dp, const struct conf_vip *vip)
{
	struct stats_vip stats = { 0 };
	char text[VIP_PLACE_TEXT_MAX];

	vip_map_stats(dp, vip_map_id(dp, vip->name), &stats);
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:o,s:o,s:I}", "name", vip->name, "address",
			 vip_place_format(vip, text), "protocol",
			 vip->protocol == IPPROTO_UDP ? "udp" : "tcp", "mode", vip_show_mode(vip),
			 "limit", vip->limit ? vip->limit : "", "backends",
			 (json_int_t)vip->n_backends, "forwarded", count_json(&stats.forwarded),
			 "dropped", count_json(&stats.dropped), "connections",
			 (json_int_t)stats.connections);
}

static const struct conf_vip *vip_named(struct control_request *r, const char *arg)
{
	const char *name = request_arg(r, arg);
	const struct conf_vip *vip = name ? conf_vip(supervisor_conf(r->s), name) : NULL;

	if (name && !vip)
		errmsg_set(&r->err, -ENOENT, "there is no vip '%.64s'; see sluicectl vip list",
			   name);
	return vip;
}

int control_vip(struct control_request *r)
{
	static const char *const fields[] = { "limit", NULL };
	const struct conf *conf = supervisor_conf(r->s);
	struct dataplane *dp = request_dataplane(r);
	const struct conf_vip *vip;
	json_t *edit;
	int err;

	if (!dp)
		return -ENODEV;
	if (!strcmp(r->verb, "list")) {
		r->data = json_array();
		for (size_t i = 0; i < conf->n_vips; i++)
			json_array_append_new(r->data, vip_json(dp, &conf->vips[i]));
		return 0;
	}
	if (strcmp(r->verb, "set") != 0 && strcmp(r->verb, "show") != 0)
		return request_no_verb(r);
	vip = vip_named(r, "name");
	if (!vip)
		return -ENOENT;
	if (!strcmp(r->verb, "show"))
		return vip_show(r, dp, vip);
	if (!request_set(r))
		return errmsg_set(&r->err, -EINVAL,
				  "vip set needs a field: limit=NAME or limit=none");
	err = request_check_set(r, fields);
	if (err)
		return err;
	edit = json_pack("{s:s,s:s,s:s}", "kind", "vip", "op", "set", "name", vip->name);
	if (!strcmp(json_string_value(json_object_get(request_set(r), "limit")), "none"))
		json_object_set_new(edit, "limit", json_null());
	else
		err = request_fields(r, edit);
	if (err) {
		json_decref(edit);
		return err;
	}
	return request_edit(r, edit);
}

/* The backend that is named, and an edit of it to be filled. */
static int backend_named(struct control_request *r, const struct conf_backend **ret, json_t **edit)
{
	const struct conf_vip *vip = vip_named(r, "vip");
	const char *name = request_arg(r, "name");

	for (size_t i = 0; vip && name && i < vip->n_backends; i++) {
		if (strcmp(vip->backends[i].name, name) != 0)
			continue;
		*ret = &vip->backends[i];
		*edit = json_pack("{s:s,s:s,s:s,s:s}", "kind", "backend", "op", "set", "vip",
				  vip->name, "name", name);
		return *edit ? 0 : -ENOMEM;
	}
	if (vip && name)
		errmsg_set(&r->err, -ENOENT,
			   "vip %s has no backend '%.64s'; see sluicectl backend list %s",
			   vip->name, name, vip->name);
	return -ENOENT;
}

/* When a drain is to be over, in seconds since 1970. */
static int drain_by(struct control_request *r, uint64_t *ret_s)
{
	const char *word = json_string_value(json_object_get(request_set(r), "deadline"));
	uint64_t ms = DRAIN_DEFAULT_S * 1000ULL;

	if (word && (conf_text_duration(str_of(word), &ms) || ms < 1000 || ms / 1000 > DRAIN_MAX_S))
		return errmsg_set(&r->err, -EINVAL,
				  "deadline=%.32s is no time from 1s to 366d; write e.g. "
				  "deadline=5m",
				  word);
	*ret_s = (clock_wall_ns() + ms * NS_PER_MS + NS_PER_S - 1) / NS_PER_S; /* not before */
	return 0;
}

static int backend_drain(struct control_request *r)
{
	static const char *const fields[] = { "deadline", NULL };
	const bool begin = !strcmp(r->verb, "drain");
	const struct conf_backend *b;
	uint64_t by_s = 0;
	json_t *edit;
	int err = backend_named(r, &b, &edit);

	if (err)
		return err;
	err = request_check_set(r, begin ? fields : fields + 1);
	if (!err && begin)
		err = drain_by(r, &by_s);
	if (!err && !begin && !b->drain_by)
		err = errmsg_set(&r->err, -EALREADY,
				 "backend %s is not drained by sluicectl "
				 "backend drain; its weight is %u",
				 b->name, b->weight);
	if (err) {
		json_decref(edit);
		return err;
	}
	json_object_set_new(edit, "drain_by", json_integer((json_int_t)by_s));
	return request_edit(r, edit);
}

static int backend_set(struct control_request *r)
{
	static const char *const fields[] = { "weight", NULL };
	const struct conf_backend *b;
	json_t *edit;
	int err = backend_named(r, &b, &edit);

	if (err)
		return err;
	if (!request_set(r))
		err = errmsg_set(&r->err, -EINVAL,
				 "backend set needs a field: weight=N; 0 takes "
				 "it out of the ring");
	if (!err)
		err = request_check_set(r, fields);
	if (!err)
		err = request_fields(r, edit);
	if (err) {
		json_decref(edit);
		return err;
	}
	return request_edit(r, edit);
}

int control_backend(struct control_request *r)
{
	const struct conf *conf = supervisor_conf(r->s);
	struct dataplane *dp = request_dataplane(r);
	int err = 0;

	if (!dp)
		return -ENODEV;
	if (!strcmp(r->verb, "set"))
		return backend_set(r);
	if (!strcmp(r->verb, "drain") || !strcmp(r->verb, "undrain"))
		return backend_drain(r);
	if (strcmp(r->verb, "list") != 0)
		return request_no_verb(r);
	r->data = json_array();
	if (request_arg_opt(r, "vip")) {
		const struct conf_vip *vip = vip_named(r, "vip");

		return vip ? append_backends(dp, vip, r->data) : -ENOENT;
	}
	for (size_t i = 0; i < conf->n_vips && !err; i++)
		err = append_backends(dp, &conf->vips[i], r->data);
	return err;
}
