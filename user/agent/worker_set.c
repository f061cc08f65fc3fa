/* SPDX-License-Identifier: BSD-2-Clause */
#include "worker_set.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/ipc.h"
#include "worker_set_send.h"

#define BACKOFF_MIN_MS	  100
#define BACKOFF_MAX_MS	  10000
#define LIVED_WELL_MS	  10000 /* a worker that lived as long starts again at once */
#define REVISION_RETRY_MS 100
#define REFUSED_RETRY_MS  1000
#define TICK_MS		  1000
#define SILENT_TICKS	  15
#define BEHIND_TICKS	  60 /* many certificates take long to parse */
#define TURN_MESSAGES	  32 /* of one worker, before the others and the operator are served */
#define MORE_MS		  1

static void send_newest(struct worker_set_row *row);

static uint32_t slot_of(const struct worker_set_row *row)
{
	return (uint32_t)(row - row->set->row);
}

/* Not one of the program before. */
static bool is_ours(const struct worker_set *w, uint32_t slot)
{
	return slot >= w->base && slot < w->base + w->n;
}

static struct supervisor_worker *info_of(struct worker_set_row *row)
{
	return &row->set->info[slot_of(row)];
}

static void disconnect(struct worker_set_row *row)
{
	if (row->watch.fd < 0)
		return;
	loop_del(row->set->loop, &row->watch);
	timer_stop(&row->more);
	close(row->watch.fd);
	row->watch.fd = -1;
}

/* Its user is another, so it is the monitor that ends it; MONITOR_EXIT tells of its end as of any. */
static void condemn(struct worker_set_row *row, enum counter cause, const char *why)
{
	const pid_t pid = info_of(row)->pid;
	struct monitor_request r = { .slot = slot_of(row), .pid = pid };
	int ret;

	if (row->condemned || !pid)
		return;
	row->condemned = true;
	disconnect(row); /* nothing that it still says counts */
	counters_add(row->set->memory->counters, cause, 1);
	ret = monitor_link_ask(row->set->monitor, MONITOR_KILL, &r, -1, NULL, NULL);
	log_error("worker.killed", LOG_U64("slot", slot_of(row)), LOG_I64("pid", pid),
		  LOG_STR("why", why), LOG_STR("error", ret ? strerror(-ret) : ""));
}

static void on_retry_due(struct timer *t)
{
	struct worker_set_row *row = container_of(t, struct worker_set_row, respawn);

	if (row->watch.fd >= 0)
		send_newest(row);
	else if (!info_of(row)->pid && !row->set->draining)
		worker_set_start(row->set, row->set->n, NULL);
}

/* Sockets first, then the blob that names them. What does not go now is tried again. */
static void send_newest(struct worker_set_row *row)
{
	struct worker_set *w = row->set;
	int ret;

	if (row->watch.fd < 0 || w->blob_fd < 0 || row->sent == w->number || row->foreign)
		return;
	ret = info_of(row)->revision < w->listeners_since && is_ours(w, slot_of(row))
		      ? worker_set_send_sockets(row)
		      : 0;
	if (!ret)
		ret = ipc_send(row->watch.fd, WORKER_REVISION, &w->number, sizeof(w->number),
			       &w->blob_fd, 1);
	if (!ret) {
		row->sent = row->offered = w->number;
		row->behind = 0;
		return;
	}
	log_warn("worker.revision_unsent", LOG_U64("slot", slot_of(row)),
		 LOG_U64("revision", w->number), LOG_STR("error", strerror(-ret)));
	timer_start(w->loop, &row->respawn, REVISION_RETRY_MS);
}

static void retire(struct worker_set_row *row)
{
	const struct worker_set *w = row->set;

	if (w->retiring && row->hello && row->watch.fd >= 0 && !is_ours(w, slot_of(row)))
		(void)ipc_send(row->watch.fd, WORKER_RETIRE, NULL, 0, NULL, 0);
}

static void on_hello(struct worker_set_row *row, const struct worker_state *s)
{
	row->hello = true;
	row->foreign = s->format != MESSAGE_FORMAT && !is_ours(row->set, slot_of(row));
	retire(row);
	info_of(row)->revision = s->revision;
	row->oldest = s->revision;
	row->sent = row->answered = s->revision;
	row->status = 0;
	if (!s->revision && is_ours(row->set, slot_of(row)) && worker_set_send_memory(row))
		log_error("worker.memory_unsent", LOG_U64("slot", slot_of(row)));
	if (s->revision != row->set->number)
		row->sent = 0;
	send_newest(row);
	if (row->set->draining)
		(void)ipc_send(row->watch.fd, WORKER_DRAIN, NULL, 0, NULL, 0);
}

/* Of a revision that the others have: it is not to stay without. */
static void offer_again(struct worker_set_row *row)
{
	log_error("worker.revision_refused", LOG_U64("slot", slot_of(row)),
		  LOG_U64("revision", row->answered), LOG_STR("error", row->text));
	row->sent = 0;
	timer_start(row->set->loop, &row->respawn, REFUSED_RETRY_MS);
}

static void on_applied(struct worker_set_row *row, const struct worker_state *s)
{
	if (!s->revision || s->revision > row->offered)
		return; /* nobody asked */
	row->answered = s->revision;
	row->status = s->status;
	snprintf(row->text, sizeof(row->text), "%.*s", (int)sizeof(s->text) - 1, s->text);
	for (char *c = row->text; *c; c++) /* it is shown on operators' terminals */
		*c = (unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c;
	if (!s->status)
		info_of(row)->revision = s->revision;
	if (s->status && !row->set->waiting) /* one that was replaced, perhaps */
		offer_again(row);
}

static void on_state_message(struct worker_set_row *row, const struct ipc_msg *msg)
{
	struct worker_state s;

	memcpy(&s, msg->payload, sizeof(s));
	row->silent = 0;
	if (msg->type == WORKER_HELLO)
		on_hello(row, &s);
	else if (msg->type == WORKER_APPLIED)
		on_applied(row, &s);
	info_of(row)->connections = s.connections;
	info_of(row)->overload = s.overload;
	row->oldest = s.oldest_revision;
	if (msg->type == WORKER_DRAINED && !row->drained) {
		row->drained = true;
		if (row->set->draining)
			row->set->events.on_drained(row->set->events.ctx);
	}
}

/* What no worker of ours ever says: HELLO twice, or anything before it. NULL: it is in order. */
static const char *find_breach(const struct worker_set_row *row, const struct ipc_msg *msg)
{
	if (msg->nfds)
		return "it sent descriptors";
	if ((msg->type == WORKER_HELLO) == row->hello)
		return row->hello ? "it said HELLO twice" : "it spoke before HELLO";
	if (msg->type == WORKER_REFUSALS)
		return !msg->len || msg->len % sizeof(struct worker_refusal) ? "a torn report"
									     : NULL;
	if (msg->type == WORKER_PEERS)
		return !msg->len || msg->len % sizeof(struct addr) ? "a torn list of peers" : NULL;
	if (msg->type != WORKER_HELLO && msg->type != WORKER_APPLIED && msg->type != WORKER_STATE &&
	    msg->type != WORKER_DRAINED)
		return "a message of no known type";
	return msg->len == sizeof(struct worker_state) ? NULL : "a state of another size";
}

static void on_refusals(struct worker_set_row *row, const struct ipc_msg *msg)
{
	const struct worker_set_events *events = &row->set->events;
	struct worker_refusal refusals[IPC_PAYLOAD_MAX / sizeof(struct worker_refusal)];
	size_t n = msg->len / sizeof(*refusals); /* at most as many as there is room for */

	memcpy(refusals, msg->payload, n * sizeof(*refusals));
	events->on_refusals(slot_of(row), refusals, n, events->ctx);
}

static void on_peers(struct worker_set_row *row, const struct ipc_msg *msg)
{
	const struct worker_set_events *events = &row->set->events;
	struct addr peers[IPC_PAYLOAD_MAX / sizeof(struct addr)];
	size_t n = msg->len / sizeof(*peers);

	memcpy(peers, msg->payload, n * sizeof(*peers));
	events->on_peers(slot_of(row), peers, n, events->ctx);
}

static void on_message(struct worker_set_row *row, const struct ipc_msg *msg)
{
	const char *breach = find_breach(row, msg);

	if (breach &&
	    !is_ours(row->set, slot_of(row))) { /* perhaps that is how its version speaks */
		row->silent = 0;
		row->hello = row->foreign = true;
		retire(row);
		return;
	}
	if (breach) {
		condemn(row, COUNTER_KILLED_PROTOCOL, breach);
		return;
	}
	if (msg->type == WORKER_REFUSALS)
		on_refusals(row, msg);
	else if (msg->type == WORKER_PEERS)
		on_peers(row, msg);
	else
		on_state_message(row, msg);
}

/* A part of what there is, since who floods us must not be all that we serve. */
static void receive(struct worker_set_row *row)
{
	struct ipc_msg msg;

	for (size_t n = 0; row->watch.fd >= 0 && n < TURN_MESSAGES; n++) {
		int ret = ipc_recv(row->watch.fd, &msg);

		if (ret == -EAGAIN)
			return;
		if (ret == -EPROTO) {
			condemn(row, COUNTER_KILLED_PROTOCOL, "a message that is none");
			return;
		}
		if (ret != 1) {
			disconnect(row); /* MONITOR_EXIT tells the rest */
			return;
		}
		on_message(row, &msg);
		ipc_msg_clear(&msg);
	}
	if (row->watch.fd >= 0) /* the edge will not come again for what is left */
		timer_start(row->set->loop, &row->more, MORE_MS);
}

static void on_event(struct watch *watch, uint32_t events)
{
	(void)events;
	receive(container_of(watch, struct worker_set_row, watch));
}

static void on_more(struct timer *t)
{
	receive(container_of(t, struct worker_set_row, more));
}

static void watch_row(struct worker_set_row *row)
{
	const struct worker_set_deadlines *d = &row->set->deadlines;
	const bool busy = row->hello && row->sent && row->answered != row->sent;

	if (row->watch.fd < 0 || row->drained)
		return;
	row->silent++;
	row->behind = busy ? row->behind + 1 : 0;
	if (row->behind > d->behind)
		condemn(row, COUNTER_KILLED_LATE, "it does not answer for its revision");
	else if (!busy && row->silent > d->silent) /* while it builds one it says nothing */
		condemn(row, COUNTER_KILLED_SILENT, "it says nothing");
}

static void on_tick(struct timer *t)
{
	struct worker_set *w = container_of(t, struct worker_set, tick);

	timer_start(w->loop, t, w->deadlines.tick_ms);
	for (uint32_t slot = 0; slot < MESSAGE_SLOTS_MAX && !w->draining; slot++)
		watch_row(&w->row[slot]);
}

void worker_set_init(struct worker_set *w, struct loop *loop, struct monitor_link *monitor,
		     const struct memory *memory, const struct worker_set_events *events)
{
	*w = (struct worker_set) {
		.loop = loop,
		.monitor = monitor,
		.memory = memory,
		.events = *events,
		.blob_fd = -1,
		.tick.on_due = on_tick,
		.deadlines = { TICK_MS, SILENT_TICKS, BEHIND_TICKS },
	};
	for (uint32_t i = 0; i < MESSAGE_SLOTS_MAX; i++) {
		w->info[i].slot = i;
		w->row[i].set = w;
		w->row[i].watch.fd = -1;
		w->row[i].watch.on_event = on_event;
		w->row[i].respawn.on_due = on_retry_due;
		w->row[i].more.on_due = on_more;
	}
	timer_start(loop, &w->tick, w->deadlines.tick_ms);
}

void worker_set_begin_at(struct worker_set *w, uint32_t base)
{
	w->base = base % MESSAGE_SLOTS_MAX;
}

void worker_set_adopt(struct worker_set *w, uint32_t slot, pid_t pid, int fd)
{
	struct worker_set_row *row;

	if (slot >= MESSAGE_SLOTS_MAX) {
		close(fd);
		return;
	}
	row = &w->row[slot];
	disconnect(row);
	row->watch.fd = fd;
	row->started_ns = clock_now_ns();
	row->sent = row->answered = row->oldest = row->offered = 0;
	row->silent = row->behind = 0;
	row->hello = row->condemned = row->drained = row->foreign = false;
	w->info[slot].pid = pid;
	w->info[slot].revision = 0;
	w->info[slot].connections = 0;
	if (loop_add(w->loop, &row->watch)) {
		close(fd);
		row->watch.fd = -1;
	}
}

void worker_set_exited(struct worker_set *w, uint32_t slot, pid_t pid, int wait_status)
{
	struct worker_set_row *row = &w->row[slot];
	uint64_t lived_ms;

	if (slot >= MESSAGE_SLOTS_MAX || w->info[slot].pid != pid)
		return;
	disconnect(row);
	w->info[slot].pid = 0;
	w->info[slot].revision = 0;
	w->info[slot].connections = 0;
	if (w->draining) {
		row->drained = true;
		w->events.on_drained(w->events.ctx);
		return;
	}
	if (!is_ours(w, slot)) {
		if (w->retiring)
			log_info("worker.left", LOG_U64("slot", slot % MESSAGE_WORKERS_MAX),
				 LOG_I64("pid", pid), LOG_I64("wait_status", wait_status));
		return;
	}
	lived_ms = (clock_now_ns() - row->started_ns) / NS_PER_MS;
	if (lived_ms >= LIVED_WELL_MS)
		row->backoff_ms = 0;
	log_error("worker.exit", LOG_U64("slot", slot), LOG_I64("pid", pid),
		  LOG_I64("wait_status", wait_status), LOG_U64("restart_in_ms", row->backoff_ms));
	w->info[slot].restarts++;
	counters_add(w->memory->counters, COUNTER_RESTARTS_WORKER, 1);
	timer_start(w->loop, &row->respawn, row->backoff_ms);
	row->backoff_ms = row->backoff_ms ? row->backoff_ms * 2 : BACKOFF_MIN_MS;
	if (row->backoff_ms > BACKOFF_MAX_MS)
		row->backoff_ms = BACKOFF_MAX_MS;
}

int worker_set_start(struct worker_set *w, uint32_t n, struct errmsg *err)
{
	w->n = n;
	for (uint32_t slot = w->base; slot < w->base + n; slot++) {
		struct monitor_request r = { .slot = slot };
		int ret;

		if (w->info[slot].pid || timer_running(&w->row[slot].respawn))
			continue;
		ret = monitor_link_ask(w->monitor, MONITOR_SPAWN, &r, -1, NULL, NULL);
		if (!ret)
			continue;
		if (err)
			return errmsg_set(err, ret, "cannot start worker %u: %s", slot,
					  strerror(-ret));
		log_error("worker.spawn", LOG_U64("slot", slot), LOG_STR("error", strerror(-ret)));
		timer_start(w->loop, &w->row[slot].respawn, BACKOFF_MAX_MS);
	}
	return 0;
}

static bool same_listeners(const struct conf *a, const struct conf *b)
{
	if (!a || a->n_listeners != b->n_listeners)
		return false;
	for (size_t i = 0; i < a->n_listeners; i++) {
		const struct conf_listener *x = &a->listeners[i], *y = &b->listeners[i];

		if (x->port != y->port || !addr_eq(&x->address, &y->address) ||
		    strcmp(x->name, y->name) != 0)
			return false;
	}
	return true;
}

void worker_set_revise(struct worker_set *w, uint64_t number, const struct conf *conf, int blob_fd)
{
	cleanup_fd(&w->blob_fd);
	if (!same_listeners(w->conf, conf))
		w->listeners_since = number;
	w->number = number;
	w->conf = conf;
	w->blob_fd = blob_fd;
	for (uint32_t slot = 0; slot < MESSAGE_SLOTS_MAX; slot++)
		send_newest(&w->row[slot]);
}

/* Those that a wait is for. */
static uint32_t waiting_for(struct worker_set *w, struct pollfd *fds)
{
	uint32_t n = 0;

	for (uint32_t slot = w->base; slot < w->base + w->n; slot++) {
		const struct worker_set_row *row = &w->row[slot];

		if (row->watch.fd >= 0 && row->answered != w->number)
			fds[n++] = (struct pollfd) { .fd = row->watch.fd, .events = POLLIN };
	}
	return n;
}

/*
 * More than half of those that answered decide: one worker that is somebody else's by now is not to
 * stand in the way of every change. A revision was built by us as well before it was sent.
 */
static int count_answers(struct worker_set *w, struct errmsg *err)
{
	const struct worker_set_row *last = NULL;
	uint32_t answered = 0, refused = 0;

	for (uint32_t slot = w->base; slot < w->base + w->n; slot++) {
		const struct worker_set_row *row = &w->row[slot];

		if (row->watch.fd < 0 || row->answered != w->number)
			continue;
		answered++;
		refused += row->status != 0;
		last = row->status ? row : last;
	}
	if (last && 2 * refused > answered)
		return errmsg_set(err, -EINVAL, "worker %u refused revision %llu: %s",
				  slot_of(last), (unsigned long long)w->number, last->text);
	for (uint32_t slot = w->base; refused && slot < w->base + w->n; slot++) {
		if (w->row[slot].watch.fd >= 0 && w->row[slot].answered == w->number &&
		    w->row[slot].status)
			offer_again(&w->row[slot]);
	}
	return 0;
}

int worker_set_wait(struct worker_set *w, uint64_t timeout_ms, struct errmsg *err)
{
	const uint64_t until_ns = clock_now_ns() + timeout_ms * NS_PER_MS;
	struct pollfd fds[MESSAGE_SLOTS_MAX];
	uint64_t now_ns;
	uint32_t n;

	w->waiting = true;
	while ((n = waiting_for(w, fds)) && (now_ns = clock_now_ns()) < until_ns) {
		/* with an error of poll the time passes, too */
		(void)poll(fds, n, (int)((until_ns - now_ns) / NS_PER_MS) + 1);
		for (uint32_t slot = w->base; slot < w->base + w->n; slot++)
			on_event(&w->row[slot].watch, LOOP_READ);
	}
	w->waiting = false;
	return count_answers(w, err);
}

uint64_t worker_set_oldest(const struct worker_set *w)
{
	uint64_t oldest = w->number;

	for (uint32_t slot = 0; slot < MESSAGE_SLOTS_MAX; slot++) {
		/* one without a revision has nothing that it could use */
		if (w->info[slot].pid && w->info[slot].revision && w->row[slot].oldest < oldest)
			oldest = w->row[slot].oldest;
	}
	return oldest;
}

uint32_t worker_set_current(const struct worker_set *w)
{
	uint32_t n = 0;

	for (uint32_t slot = w->base; slot < w->base + w->n; slot++)
		n += w->info[slot].pid && w->info[slot].revision == w->number;
	return n;
}

void worker_set_retire(struct worker_set *w)
{
	w->retiring = true;
	for (uint32_t slot = 0; slot < MESSAGE_SLOTS_MAX; slot++)
		retire(&w->row[slot]);
}

size_t worker_set_list(const struct worker_set *w, struct supervisor_worker *ret, size_t max)
{
	size_t n = 0;

	for (uint32_t i = 0; i < MESSAGE_SLOTS_MAX && n < max; i++) {
		const uint32_t slot = (w->base + i) % MESSAGE_SLOTS_MAX; /* ours first */

		if (!is_ours(w, slot) && !w->info[slot].pid)
			continue;
		ret[n] = w->info[slot];
		ret[n].slot = slot % MESSAGE_WORKERS_MAX;
		ret[n++].leaving = !is_ours(w, slot);
	}
	return n;
}

void worker_set_drain(struct worker_set *w)
{
	w->draining = true;
	for (uint32_t slot = 0; slot < MESSAGE_SLOTS_MAX; slot++) {
		timer_stop(&w->row[slot].respawn);
		if (w->row[slot].watch.fd >= 0)
			(void)ipc_send(w->row[slot].watch.fd, WORKER_DRAIN, NULL, 0, NULL, 0);
	}
}

uint32_t worker_set_undrained(const struct worker_set *w)
{
	uint32_t n = 0;

	for (uint32_t slot = 0; slot < MESSAGE_SLOTS_MAX; slot++)
		n += w->info[slot].pid && !w->row[slot].drained;
	return n;
}
