/* SPDX-License-Identifier: BSD-2-Clause */
/* Listeners: the kernel's sampled drops and the agent's own decisions, as JSON objects. */
#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <time.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/log.h"
#include "dataplane/event_map.h"
#include "dataplane/limit_map.h"
#include "dataplane/vip_map.h"
#include "sluice/abi/drop_reason.h"
#include "supervisor_state.h"

/* With milliseconds. */
json_t *supervisor_time(uint64_t time_ns)
{
	uint64_t wall_ns = clock_wall_ns() - (clock_now_ns() - time_ns);
	time_t s = (time_t)(wall_ns / NS_PER_S);
	char text[40];
	struct tm tm;
	size_t n;

	gmtime_r(&s, &tm);
	n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + n, sizeof(text) - n, ".%03uZ",
		 (unsigned int)(wall_ns % NS_PER_S / NS_PER_MS));
	return json_string(text);
}

void supervisor_emit(struct supervisor *s, json_t *body, uint64_t time_ns)
{
	struct supervisor_listener *next;
	json_t *event;

	if (!s->listeners || !body) {
		json_decref(body);
		return;
	}
	event = json_pack("{s:o}", "time", supervisor_time(time_ns));
	if (event && json_object_update(event, body)) {
		json_decref(event);
		event = NULL;
	}
	json_decref(body);
	for (struct supervisor_listener *l = s->listeners; event && l; l = next) {
		next = l->next; /* it may leave */
		l->on_event(l, event);
	}
	json_decref(event);
}

static const char *reason_name(uint32_t reason)
{
	static const char *const names[] = {
#define DROP_NAME(id, label, doc) [DROP_##id] = (label),
		DROP_REASONS(DROP_NAME)
#undef DROP_NAME
	};

	return reason < sizeof(names) / sizeof(names[0]) && names[reason] ? names[reason]
									  : "unknown";
}

static const char *vip_name(struct supervisor *s, uint32_t id)
{
	const struct conf *conf = s->revision->conf;

	for (size_t i = 0; id && i < conf->n_vips; i++) {
		if (vip_map_id(s->kernel.dp, conf->vips[i].name) == id)
			return conf->vips[i].name;
	}
	return "";
}

static const char *limit_name(struct supervisor *s, uint32_t limit_class)
{
	const struct conf *conf = s->revision->conf;

	for (size_t i = 0; limit_class && i < conf->n_limits; i++) {
		if (limit_map_class(s->kernel.dp, conf->limits[i].name) == limit_class)
			return conf->limits[i].name;
	}
	return "";
}

/* By what is attached: a device that went meanwhile is "if7". */
static const char *device_name(struct supervisor *s, uint32_t ifindex, char text[IF_NAMESIZE])
{
	const struct dataplane_device *devices;
	size_t n = dataplane_devices(s->kernel.dp, &devices);

	for (size_t i = 0; i < n; i++) {
		if (devices[i].ifindex == ifindex)
			return devices[i].name;
	}
	snprintf(text, IF_NAMESIZE, "if%u", ifindex);
	return text;
}

/* At most events_per_s of these for each reason, so that names may be searched for. */
static void on_kernel_event(const struct event *e, void *ctx)
{
	char source[ADDR_TEXT_MAX], destination[ADDR_TEXT_MAX], device[IF_NAMESIZE];
	struct supervisor *s = ctx;

	if (!s->kernel.dp || e->time_ns < s->events_since_ns)
		return;
	addr_format_port(&e->flow.src, ntohs(e->flow.sport), source);
	addr_format_port(&e->flow.dst, ntohs(e->flow.dport), destination);
	supervisor_emit(s,
			json_pack("{s:s,s:s,s:s,s:s,s:i,s:s,s:I,s:s,s:s}", "type",
				  e->type == EVENT_WOULD_DROP ? "would_drop" : "drop", "reason",
				  reason_name(e->reason), "source", source, "destination",
				  destination, "protocol", (int)e->flow.proto, "device",
				  device_name(s, e->ifindex, device), "bytes",
				  (json_int_t)e->length_bytes, "vip", vip_name(s, e->vip_id),
				  "limit", limit_name(s, e->limit_class)),
			e->time_ns);
}

/*
 * Samples are read only while somebody listens. What filled the ring before that is old, and skipped;
 * the programs go on when it is full.
 */
void supervisor_events_switch(struct supervisor *s)
{
	const bool on = s->listeners && s->kernel.dp;

	if (on == s->events_on)
		return;
	s->events_since_ns = clock_now_ns();
	if (!on) {
		if (s->kernel.dp)
			event_map_stop(s->kernel.dp);
	} else if (event_map_start(s->kernel.dp, s->loop, on_kernel_event, s)) {
		log_warn("events.start");
		return;
	}
	s->events_on = on;
}

void supervisor_listen(struct supervisor *s, struct supervisor_listener *l)
{
	l->next = s->listeners;
	s->listeners = l;
	supervisor_events_switch(s);
}

void supervisor_unlisten(struct supervisor *s, struct supervisor_listener *l)
{
	for (struct supervisor_listener **p = &s->listeners; *p; p = &(*p)->next) {
		if (*p == l) {
			*p = l->next;
			break;
		}
	}
	supervisor_events_switch(s);
}
