/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "lane_part.h"

static const char *const fate_name[] = { "next", "pass", "drop", "send on", "reply" };

/* What a program returns for a fate: XDP_PASS.. and TC_ACT_UNSPEC, _SHOT, _REDIRECT. */
static uint32_t returned_for(bool xdp, enum model_fate fate, const struct model_packet *p)
{
	bool leaves = fate == MODEL_TX || fate == MODEL_REPLY;

	if (!xdp)
		return fate == MODEL_DROP ? 2 : leaves ? 7 : (uint32_t)-1;
	if (fate == MODEL_REPLY)
		return 3;
	if (fate == MODEL_TX)
		return p->egress_ifindex == PLANE_LOOPBACK ? 3 : 4;
	return fate == MODEL_DROP ? 1 : 2;
}

static bool compare(struct lane *l, bool xdp, const struct model_packet *want, enum model_fate fate,
		    uint32_t returned, const uint8_t *out, uint32_t out_len)
{
	const struct model_frame *f = want->frame;

	if (returned != returned_for(xdp, fate, want)) {
		snprintf(l->said, sizeof(l->said), "the model says %s, reason %u; the program %d",
			 fate_name[fate], want->reason, (int)returned);
		return false;
	}
	if (out_len != f->len || memcmp(out, f->bytes, f->len) != 0) {
		snprintf(l->said, sizeof(l->said),
			 "both say %s; of %u bytes %u come out, or others", fate_name[fate], f->len,
			 out_len);
		return false;
	}
	return true;
}

bool lane_run(struct lane *l, struct lane_packet *p)
{
	static _Thread_local uint8_t out[FRAME_MAX + 256];
	struct plane *plane = p->egress ? &l->out : &l->plane;
	bool xdp = plane->hook == PLANE_XDP;
	struct model_frame f = { .bytes = p->frame.bytes,
				 .len = p->frame.len,
				 .readable = p->frame.len,
				 .ifindex = PLANE_LOOPBACK,
				 .now_ns = p->now_ns,
				 .tags_refused = !xdp,
				 .keeps_checksum = !xdp };
	struct __sk_buff skb = { .gso_segs = p->segments, .gso_size = p->segment_bytes };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = p->frame.bytes,
		    .data_size_in = p->frame.len, .data_out = out, .data_size_out = sizeof(out),
		    .repeat = 1);
	struct model_packet want;
	enum model_fate fate;
	int err;

	if (!xdp && p->segment_bytes) {
		opts.ctx_in = &skb;
		opts.ctx_size_in = sizeof(skb);
		f.segments = p->segments;
		f.segment_bytes = p->segment_bytes;
	}
	/* Its clock is behind: it came to another CPU, where nothing of this one's is remembered. */
	if (p->now_ns < *plane->now_ns)
		plane_changed(&l->plane);
	*plane->now_ns = p->now_ns;
	lane_explain_ask(l, p);
	err = bpf_prog_test_run_opts(plane->prog_fd, &opts);
	if (err == -EINVAL && !xdp && f.len < LANE_TC_BYTES_MIN)
		return true;
	if (err) {
		snprintf(l->said, sizeof(l->said), "BPF_PROG_TEST_RUN: %d", err);
		return false;
	}
	l->model.kernel.sent = out;
	l->model.kernel.sent_bytes = opts.data_size_out;
	l->model.kernel.cpu = (uint32_t)sched_getcpu();
	fate = p->egress ? model_run_egress(&l->model, &f, &want) : model_run(&l->model, &f, &want);
	if (!compare(l, xdp, &want, fate, opts.retval, out, opts.data_size_out))
		return false;
	if (!p->egress && !lane_capture_ran(l, &want))
		return false;
	if (!lane_explain_check(l, &want, fate, opts.retval, out, opts.data_size_out))
		return false;
	if (fate == MODEL_TX && want.nat)
		lane_nat_sent(l, &want);
	l->nat_errors += fate == MODEL_TX && want.nat && want.quotes;
	l->quic_encrypted += want.quic_encrypted;
	l->echoed += fate == MODEL_REPLY && want.echo;
	l->too_big += fate == MODEL_REPLY && want.reason == DROP_TOO_BIG;
	return !want.guard.replied || lane_guard_replied(l, &want);
}

/* The first n elements of a per-CPU array, summed over CPUs. */
static void sum_all(const struct lane *l, const char *map, uint32_t n, uint32_t words,
		    uint64_t *ret)
{
	static _Thread_local uint64_t values[256 * 14 * 8];
	uint32_t keys[256], count = n, next, i, cpu, w;

	if (n * words * l->cpus > sizeof(values) / 8 ||
	    (bpf_map_lookup_batch(plane_map(&l->plane, map), NULL, &next, keys, values, &count,
				  NULL) &&
	     errno != ENOENT) ||
	    count != n)
		abort();
	memset(ret, 0, n * words * 8);
	for (i = 0; i < n; i++) {
		for (cpu = 0; cpu < l->cpus; cpu++) {
			for (w = 0; w < words; w++)
				ret[i * words + w] += values[(i * l->cpus + cpu) * words + w];
		}
	}
}

void lane_read_counters(const struct lane *l, struct model_counters *ret)
{
	sum_all(l, "stats_drop", DROP_REASON_COUNT, 2, (uint64_t *)ret->drop);
	sum_all(l, "stats_action", STATS_ACTIONS, 2, (uint64_t *)ret->action);
	sum_all(l, "stats_limit", MODEL_CLASSES, sizeof(struct stats_limit) / 8,
		(uint64_t *)ret->limit);
	sum_all(l, "stats_vip", MODEL_VIPS, sizeof(struct stats_vip) / 8, (uint64_t *)ret->vip);
	sum_all(l, "stats_backend", MODEL_BACKENDS, 2, (uint64_t *)ret->backend);
	sum_all(l, "stats_response", 1, 4, (uint64_t *)&ret->response);
	sum_all(l, "stats_flow", MODEL_VIPS, sizeof(struct stats_flow) / 8, (uint64_t *)ret->flow);
	sum_all(l, "stats_guard", MODEL_VIPS, sizeof(struct stats_guard) / 8,
		(uint64_t *)ret->guard);
	sum_all(l, "stats_quic", MODEL_VIPS, sizeof(struct stats_quic) / 8, (uint64_t *)ret->quic);
	sum_all(l, "stats_nat", MODEL_BACKENDS, sizeof(struct stats_nat) / 8, (uint64_t *)ret->nat);
}

/* Where in which counters; all of them are words. */
static void say_counter(struct lane *l, const struct model_counters *found)
{
	const struct model_counters *want = &l->model.counters;
	const uint64_t *a = (const uint64_t *)want, *b = (const uint64_t *)found;
	const uint64_t *begin = (const uint64_t *)&l->begin;
	const struct {
		const char *name;
		size_t at, element;
	} parts[] = {
		{ "stats_drop", offsetof(struct model_counters, drop), sizeof(want->drop[0]) },
		{ "stats_action", offsetof(struct model_counters, action),
		  sizeof(want->action[0]) },
		{ "stats_limit", offsetof(struct model_counters, limit), sizeof(want->limit[0]) },
		{ "stats_vip", offsetof(struct model_counters, vip), sizeof(want->vip[0]) },
		{ "stats_backend", offsetof(struct model_counters, backend),
		  sizeof(want->backend[0]) },
		{ "stats_guard", offsetof(struct model_counters, guard), sizeof(want->guard[0]) },
		{ "stats_flow", offsetof(struct model_counters, flow), sizeof(want->flow[0]) },
		{ "stats_response", offsetof(struct model_counters, response),
		  sizeof(want->response) },
		{ "stats_quic", offsetof(struct model_counters, quic), sizeof(want->quic[0]) },
		{ "stats_nat", offsetof(struct model_counters, nat), sizeof(want->nat[0]) },
	};
	size_t i, k;

	for (i = 0; a[i] == b[i]; i++)
		;
	for (k = sizeof(parts) / sizeof(parts[0]) - 1; parts[k].at > i * 8; k--)
		;
	snprintf(l->said, sizeof(l->said), "%s[%zu], word %zu: the model has %llu, the map %llu",
		 parts[k].name, (i * 8 - parts[k].at) / parts[k].element,
		 (i * 8 - parts[k].at) % parts[k].element / 8,
		 (unsigned long long)(a[i] - begin[i]), (unsigned long long)(b[i] - begin[i]));
}

bool lane_check_counters(struct lane *l)
{
	struct model_counters found;

	lane_read_counters(l, &found);
	if (memcmp(&found, &l->model.counters, sizeof(found)) == 0)
		return true;
	say_counter(l, &found);
	return false;
}

static bool check_meters(struct lane *l, const char *what, uint32_t id,
			 const struct limit_meters *want, const struct limit_meters *found)
{
	if (memcmp(want->tat, found->tat, sizeof(want->tat)) == 0)
		return true;
	snprintf(l->said, sizeof(l->said),
		 "%s %u: the model has %llu %llu %llu, the map %llu %llu %llu", what, id,
		 (unsigned long long)want->tat[0], (unsigned long long)want->tat[1],
		 (unsigned long long)want->tat[2], (unsigned long long)found->tat[0],
		 (unsigned long long)found->tat[1], (unsigned long long)found->tat[2]);
	return false;
}

static bool check_clients(struct lane *l)
{
	int fd = plane_map(&l->plane, "clients");
	struct client_key key, *at = NULL;
	struct client found;
	uint32_t i, n = 0;

	for (i = 0; i < l->model.state.n_client; i++) {
		const struct model_client *c = &l->model.state.client[i];

		if (bpf_map_lookup_elem(fd, &c->key, &found)) {
			snprintf(l->said, sizeof(l->said), "client %u is not in the map", i);
			return false;
		}
		if (!check_meters(l, "client", i, &c->client.meters, &found.meters))
			return false;
	}
	for (; bpf_map_get_next_key(fd, at, &key) == 0; at = &key)
		n++;
	if (n != l->model.state.n_client)
		snprintf(l->said, sizeof(l->said), "the model has %u clients, the map %u",
			 l->model.state.n_client, n);
	return n == l->model.state.n_client;
}

static bool check_verdicts(struct lane *l)
{
	const struct model_policy *w = &l->model.policy;
	struct verdict found;
	uint32_t i;

	for (i = 0; i < w->n_source_verdict; i++) {
		bpf_map_lookup_elem(plane_map(&l->plane, "verdict_source"),
				    &w->source_verdict[i].prefix, &found);
		if (found.dropped_packets +
			    plane_verdict_hits(&l->plane, &w->source_verdict[i].prefix) !=
		    w->source_verdict[i].dropped_packets)
			break;
	}
	if (i == w->n_source_verdict) {
		for (i = 0; i < w->n_flow_verdict; i++) {
			bpf_map_lookup_elem(plane_map(&l->plane, "verdict_flow"),
					    &w->flow_verdict[i].flow, &found);
			if (found.dropped_packets != w->flow_verdict[i].dropped_packets)
				break;
		}
		if (i == w->n_flow_verdict)
			return true;
	}
	snprintf(l->said, sizeof(l->said), "verdict %u dropped another number of packets", i);
	return false;
}

/* Of what the edge answers itself. */
static bool check_answers(struct lane *l)
{
	const struct model_state *s = &l->model.state;

	if (s->echo_tat == *l->plane.echo_tat && s->too_big_tat == *l->plane.too_big_tat)
		return true;
	snprintf(l->said, sizeof(l->said),
		 "answers: the model has %llu %llu, the program %llu %llu",
		 (unsigned long long)s->echo_tat, (unsigned long long)s->too_big_tat,
		 (unsigned long long)*l->plane.echo_tat, (unsigned long long)*l->plane.too_big_tat);
	return false;
}

bool lane_check_state(struct lane *l)
{
	const struct model_state *s = &l->model.state;
	struct limit_meters total;
	uint32_t id, cell;

	for (id = 1; id < MODEL_CLASSES; id++) {
		if (bpf_map_lookup_elem(plane_map(&l->plane, "limit_total"), &id, &total))
			abort();
		if (!check_meters(l, "total", id, &s->total[id], &total))
			return false;
		for (cell = 0; cell < MODEL_ROW_CELLS; cell++) {
			if (!check_meters(l, "cell", id * MODEL_ROW_CELLS + cell,
					  &s->cell[id][cell],
					  &l->rows[id * MODEL_ROW_CELLS + cell]))
				return false;
		}
	}
	return check_clients(l) && check_answers(l) && lane_nat_check(l) && check_verdicts(l) &&
	       lane_guard_check(l) && lane_flow_check(l) && lane_egress_check(l) &&
	       lane_capture_check(l) && (!l->has_top || lane_top_check(l));
}
