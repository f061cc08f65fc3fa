/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * capture: dropped packets, sent as they come to the caller, who writes the file. Answered by
 * {"ok":true}, then one {"packet":{...}} a line and at last {"end":{...}}.
 */
#include "dataplane/capture_map.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "conn.h"
#include "dataplane/limit_map.h"
#include "request.h"
#include "sluice/abi/drop_reason.h"

#define PACKETS_DEFAULT 1000
#define PACKETS_MAX	1000000
#define TIMEOUT_DEFAULT 60
#define TIMEOUT_MAX	3600
#define RATE_DEFAULT	200
#define RATE_MAX	10000
#define MAC_BYTES	12 /* in front of the ether type, where a VLAN tag goes */
#define TAG_BYTES	4

#define DROP_LABEL(id, label, doc) label,
static const char *const reason_names[] = { DROP_REASONS(DROP_LABEL) };

/* One at a time per process. */
static struct capturing {
	struct control_stream stream;
	struct control_conn *conn; /* NULL: its caller went, or has been told the end */
	struct supervisor *s;
	struct timer timer;
	struct deferred stop; /* not from inside a packet's delivery */
	bool runs;
	uint64_t left; /* packets */
	uint64_t sent;
	uint64_t skipped; /* for a slow reader */
} capturing;

static void on_stop(struct deferred *d)
{
	struct capturing *c = container_of(d, struct capturing, stop);
	struct dataplane *dp = supervisor_dataplane(c->s, NULL);

	if (dp)
		capture_map_stop(dp);
	timer_stop(&c->timer);
	c->runs = false;
}

/* The caller is gone. */
static void on_closed(struct control_stream *stream)
{
	struct capturing *c = container_of(stream, struct capturing, stream);

	c->conn = NULL;
	loop_defer(supervisor_loop(c->s), &c->stop);
}

static void finish(struct capturing *c)
{
	struct dataplane *dp = supervisor_dataplane(c->s, NULL);
	struct control_conn *conn = c->conn;
	uint64_t missed = c->skipped;
	json_t *line;

	if (!conn)
		return;
	if (dp)
		missed += capture_map_missed(dp);
	line = json_pack("{s:{s:I,s:I}}", "end", "packets", (json_int_t)c->sent, "missed",
			 (json_int_t)missed);
	control_conn_detach(conn);
	c->conn = NULL;
	loop_defer(supervisor_loop(c->s), &c->stop);
	control_conn_push(conn, line);
	json_decref(line);
}

static void on_timeout(struct timer *t)
{
	finish(container_of(t, struct capturing, timer));
}

static const char *device_name(struct dataplane *dp, uint32_t ifindex, char *text, size_t bytes)
{
	const struct dataplane_device *devices;
	size_t n = dataplane_devices(dp, &devices);

	for (size_t i = 0; i < n; i++) {
		if (devices[i].ifindex == ifindex)
			return devices[i].name;
	}
	snprintf(text, bytes, "if%u", ifindex);
	return text;
}

/* The frame as it was on the wire, in hexadecimal: the tag that the device took out is put back. */
static size_t frame_hex(const struct capture_packet *p, char *hex)
{
	uint8_t frame[CAPTURE_BYTES + TAG_BYTES];
	size_t n = p->bytes;

	memcpy(frame, p->data, n);
	if (p->tag_proto && n >= MAC_BYTES) {
		const uint8_t tag[TAG_BYTES] = { (uint8_t)(p->tag_proto >> 8),
						 (uint8_t)p->tag_proto, (uint8_t)(p->tag_tci >> 8),
						 (uint8_t)p->tag_tci };

		memmove(frame + MAC_BYTES + TAG_BYTES, frame + MAC_BYTES, n - MAC_BYTES);
		memcpy(frame + MAC_BYTES, tag, TAG_BYTES);
		n += TAG_BYTES;
	}
	for (size_t i = 0; i < n; i++)
		snprintf(hex + 2 * i, 3, "%02x", frame[i]);
	return 2 * n;
}

static json_t *packet_json(struct dataplane *dp, const struct capture_packet *p)
{
	char hex[2 * (CAPTURE_BYTES + TAG_BYTES) + 1], device[16];
	const char *limit = limit_map_name(dp, p->limit_class);
	size_t n = frame_hex(p, hex);
	uint64_t wall_ns = clock_wall_ns() - (clock_now_ns() - p->time_ns);
	uint32_t bytes = p->frame_bytes + (p->tag_proto ? TAG_BYTES : 0);

	return json_pack("{s:{s:I,s:s,s:s,s:s,s:I,s:s%}}", "packet", "time_ns", (json_int_t)wall_ns,
			 "reason",
			 p->reason < DROP_REASON_COUNT ? reason_names[p->reason] : "unknown",
			 "limit", limit ? limit : "", "device",
			 device_name(dp, p->ifindex, device, sizeof(device)), "bytes",
			 (json_int_t)bytes, "data", hex, n);
}

static void on_packet(const struct capture_packet *p, void *ctx)
{
	struct capturing *c = ctx;
	struct dataplane *dp = supervisor_dataplane(c->s, NULL);
	json_t *line;

	if (!c->conn || !dp)
		return;
	line = packet_json(dp, p);
	if (line && control_conn_push(c->conn, line))
		c->sent++;
	else
		c->skipped++;
	json_decref(line);
	if (--c->left == 0)
		finish(c);
}

/* A number of 1..max, in set. */
static int parse_number(struct control_request *r, const char *key, uint64_t fallback, uint64_t max,
			uint64_t *ret)
{
	const char *word = json_string_value(json_object_get(request_set(r), key));
	char *end;

	*ret = fallback;
	if (!word)
		return 0;
	*ret = strtoull(word, &end, 10);
	if (!strcmp(key, "timeout") && *end == 's')
		end++;
	if (*end || *word < '0' || *word > '9' || *ret == 0 || *ret > max)
		return errmsg_set(&r->err, -EINVAL, "%s= is 1 to %llu, not '%.32s'", key,
				  (unsigned long long)max, word);
	return 0;
}

/* "limit_packets,acl_deny": bits by number; all without the word. */
static int parse_reasons(struct control_request *r, uint64_t *ret)
{
	const char *at = json_string_value(json_object_get(request_set(r), "reason"));
	uint64_t bits = 0;

	*ret = ((1ULL << DROP_REASON_COUNT) - 1) & ~(1ULL << DROP_NONE);
	for (; at && *at; at += strcspn(at, ","), at += *at == ',') {
		size_t n = strcspn(at, ",");
		unsigned int i = DROP_NONE + 1;

		while (i < DROP_REASON_COUNT &&
		       (strlen(reason_names[i]) != n || strncmp(reason_names[i], at, n) != 0))
			i++;
		if (i == DROP_REASON_COUNT)
			return errmsg_set(&r->err, -EINVAL,
					  "'%.*s' is no drop reason; see `stats -o json`",
					  (int)(n < 32 ? n : 32), at);
		bits |= 1ULL << i;
	}
	if (bits)
		*ret = bits;
	return 0;
}

static int start(struct control_request *r, struct dataplane *dp, const struct capture_ask *ask,
		 uint64_t packets)
{
	struct capturing *c = &capturing;
	int err;

	if (c->runs)
		return errmsg_set(&r->err, -EBUSY, "a capture runs already");
	*c = (struct capturing) { .stream.stop = on_closed,
				  .conn = r->conn,
				  .s = r->s,
				  .timer.on_due = on_timeout,
				  .stop.run = on_stop,
				  .left = packets };
	err = control_conn_attach(r->conn, &c->stream);
	if (err)
		return err;
	err = capture_map_start(dp, supervisor_loop(r->s), ask, on_packet, c);
	if (err) {
		control_conn_detach(r->conn);
		return err;
	}
	c->runs = true;
	timer_start(supervisor_loop(r->s), &c->timer, ask->for_ns / NS_PER_MS);
	return 0;
}

int control_capture(struct control_request *r)
{
	static const char *const fields[] = { "n", "reason", "timeout", "rate", NULL };
	struct dataplane *dp = request_dataplane(r);
	uint64_t packets, timeout_s, per_s;
	struct capture_ask ask;
	int err;

	if (strcmp(r->verb, "drops") != 0)
		return request_no_verb(r);
	if (!dp)
		return -ENODEV;
	err = request_check_set(r, fields);
	if (!err)
		err = parse_number(r, "n", PACKETS_DEFAULT, PACKETS_MAX, &packets);
	if (!err)
		err = parse_number(r, "timeout", TIMEOUT_DEFAULT, TIMEOUT_MAX, &timeout_s);
	if (!err)
		err = parse_number(r, "rate", RATE_DEFAULT, RATE_MAX, &per_s);
	if (!err)
		err = parse_reasons(r, &ask.reasons);
	if (err)
		return err;
	ask.per_s = (uint32_t)per_s;
	ask.for_ns = timeout_s * NS_PER_S;
	return start(r, dp, &ask, packets);
}
