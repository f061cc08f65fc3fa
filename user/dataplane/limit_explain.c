/* SPDX-License-Identifier: BSD-2-Clause */
/* What limits say of one source: its own meters in `clients`, or its cells in limit_rows. */
#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/addr.h"
#include "base/clock.h"
#include "dataplane_state.h"
#include "drop_cache_map.h"
#include "limit_class.h"
#include "limit_concurrent.h"
#include "limit_map.h"
#include "source_table.h"
#include "sluice/algo/gcra_rate.h"

struct addr limit_map_unit(const struct addr *source, uint32_t flags)
{
	if (!(flags & LIMIT_PER_PREFIX))
		return addr_unit(source);
	return addr_mask(source, addr_is_v4(source) ? ADDR_V4_BITS + CLIENT_WIDE_BITS_V4
						    : CLIENT_WIDE_BITS_V6);
}

static const struct limit_rates *rates_of(const struct limit_class *c)
{
	return &c->rates[__atomic_load_n(&c->active, __ATOMIC_ACQUIRE) & 1];
}

int limit_map_client(struct dataplane *dp, const struct addr *source, uint32_t limit_class,
		     struct client *ret)
{
	const struct limit_class *classes = limit_class_all(dp);
	struct client_key key = { .limit_class = limit_class };
	int fd = pinned_map_fd(dp, "clients");

	if (fd < 0)
		return fd;
	if (!classes || limit_class >= LIMIT_CLASSES)
		return -ENOENT;
	key.source =
		limit_map_unit(source, limit_class ? rates_of(&classes[limit_class])->flags : 0);
	return bpf_map_lookup_elem(fd, &key, ret) ? -errno : 0;
}

/* A copy of a source's cell in a row, as bpf/stage/limit_meter.h finds it. -ENOENT */
static int cell_of(struct dataplane *dp, const struct limit_class *class, uint32_t row,
		   const struct addr *unit, struct limit_meters *ret)
{
	const struct pinned_map *map = pinned_map_find(dp, "limit_rows");
	const struct limit_meters *cells = pinned_map_mem(dp, "limit_rows");
	const struct limit_state *state = pinned_map_mem(dp, "limit_state");
	int high = addr_is_v4(unit) ? 2 : 0;
	uint64_t at;

	if (!map || !cells || !state || !class->row_bits || class->row_bits > 31)
		return -ENOENT;
	at = limit_row_hash(&state->key[state->active_key & 1], row, unit->w[high],
			    unit->w[high + 1]) >>
	     (32 - class->row_bits);
	at += class->row_first + ((uint64_t)row << class->row_bits);
	if (at >= map->shape.max_entries)
		return -ENOENT;
	*ret = cells[at];
	return 0;
}

/* What the source has in the rows: of each unit, the cell that has more left. */
static int row_meters(struct dataplane *dp, const struct limit_class *class,
		      const struct addr *unit, uint64_t now_fp, struct limit_meters *ret)
{
	const struct limit_rates *rates = rates_of(class);
	struct limit_meters a, b;
	int err = cell_of(dp, class, 0, unit, &a);

	if (!err)
		err = cell_of(dp, class, 1, unit, &b);
	for (int i = 0; !err && i < LIMIT_UNITS; i++) {
		uint64_t tolerance_fp = rates->unit[i].tolerance_fp;

		if (gcra_level(b.tat[i], now_fp, tolerance_fp) - now_fp <
		    gcra_level(a.tat[i], now_fp, tolerance_fp) - now_fp)
			a.tat[i] = b.tat[i];
	}
	if (!err)
		*ret = a;
	return err;
}

static void left_of(const struct limit_meters *m, const struct gcra_rate *rates, uint64_t now_fp,
		    struct limit_left ret[LIMIT_UNITS])
{
	for (int i = 0; i < LIMIT_UNITS; i++) {
		if (!rates[i].tolerance_fp)
			continue;
		ret[i] = (struct limit_left) { true, gcra_remaining(&m->tat[i], &rates[i], now_fp),
					       gcra_wait_ns(&m->tat[i], &rates[i], now_fp, 1) };
	}
}

int limit_map_explain_class(struct dataplane *dp, const struct addr *source, uint32_t limit_class,
			    struct limit_explain *ret)
{
	const struct limit_class *class = limit_class_all(dp);
	uint64_t now_fp = gcra_now_fp(clock_now_ns());
	struct limit_explain e = { .limit_class = limit_class };
	struct limit_meters meters, total = { .pad = 0 };
	const struct limit_rates *rates;
	struct client client;
	struct addr unit;
	int err;

	if (!class || limit_class == LIMIT_CLASS_NONE || limit_class >= LIMIT_CLASSES)
		return -ENOENT;
	class += limit_class;
	rates = rates_of(class);
	unit = limit_map_unit(source, rates->flags);
	e.flags = rates->flags;
	err = limit_map_client(dp, source, limit_class, &client);
	e.exact = !err;
	if (e.exact) {
		meters = client.meters;
		e.proof = client.proof;
	} else {
		err = row_meters(dp, class, &unit, now_fp, &meters);
	}
	if (err)
		return err;
	left_of(&meters, rates->unit, now_fp, e.unit);
	bpf_map_lookup_elem(pinned_map_fd(dp, "limit_total"), &limit_class, &total);
	left_of(&total, rates->total, now_fp, e.total);
	e.concurrent = rates->concurrent;
	if (e.concurrent)
		err = limit_concurrent_count(dp, source, limit_class, &e.connections);
	if (err)
		return err;
	*ret = e;
	return 0;
}

/* Add a class to what was explained. */
static int explain_one(struct dataplane *dp, const struct addr *source, uint32_t limit_class,
		       enum limit_kind kind, struct limit_explain *ret, size_t max, int *n)
{
	struct limit_explain e;
	int err;

	if (limit_class == LIMIT_CLASS_NONE)
		return 0;
	err = limit_map_explain_class(dp, source, limit_class, &e);
	if (err)
		return err;
	e.kind = kind;
	if ((size_t)*n < max)
		ret[*n] = e;
	(*n)++;
	return 0;
}

/* A group, or SOURCE_ALLOW and SOURCE_DENY. */
static uint8_t answer_of(struct dataplane *dp, const struct addr *source)
{
	return dp->source ? source_table_answer(dp->source, source) : (uint8_t)SOURCE_NONE;
}

/* The classes of a group at a service. */
static int explain_set(struct dataplane *dp, const struct addr *source, uint8_t group,
		       uint8_t service, struct limit_explain *ret, size_t max, int *n)
{
	const struct limit_set *sets = pinned_map_mem(dp, "limit_set");
	int err = sets ? 0 : -ENOMEM;

	for (int i = 0; i < LIMIT_SET_CLASSES && !err; i++)
		err = explain_one(dp, source, sets[group].service[service].limit_class[i],
				  LIMIT_KIND_NONE, ret, max, n);
	return err;
}

int limit_map_explain(struct dataplane *dp, const struct addr *source, uint8_t service,
		      enum limit_kind kind, struct limit_explain *ret, size_t max)
{
	const struct limit_state *state = pinned_map_mem(dp, "limit_state");
	uint8_t group = answer_of(dp, source);
	int err, n = 0;

	if (!state)
		return -ENOMEM;
	if (group > SOURCE_GROUP_MAX) /* exempt, or dropped before limits are asked */
		return 0;
	err = explain_set(dp, source, group, service, ret, max, &n);
	if (!err && kind != LIMIT_KIND_NONE && kind < LIMIT_KINDS)
		err = explain_one(dp, source, state->kind_class[kind], kind, ret, max, &n);
	return err ? err : n;
}

int limit_map_explain_egress(struct dataplane *dp, const struct addr *source, uint8_t protocol,
			     uint16_t port, struct limit_explain *ret, size_t max)
{
	const struct limit_state *state = pinned_map_mem(dp, "limit_state");
	const struct limit_ports *ports = pinned_map_mem(dp, "limit_port");
	enum limit_port_table table = LIMIT_PORT_EGRESS_OTHER;
	uint8_t group = answer_of(dp, source);
	int err, n = 0;

	if (!state || !ports)
		return -ENOMEM;
	if (!state->has_egress || group == SOURCE_ALLOW)
		return 0;
	if (group == SOURCE_DENY) /* who is denied is sent to all the same, as one of no group */
		group = SOURCE_NONE;
	if (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP)
		table = protocol == IPPROTO_TCP ? LIMIT_PORT_EGRESS_TCP : LIMIT_PORT_EGRESS_UDP;
	else
		port = 0;
	err = explain_set(dp, source, group, ports[table].service[port], ret, max, &n);
	return err ? err : n;
}

uint8_t limit_map_port_service(struct dataplane *dp, uint8_t protocol, uint16_t port)
{
	const struct limit_ports *ports = pinned_map_mem(dp, "limit_port");

	if (!ports || (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP))
		return 0;
	return ports[protocol == IPPROTO_TCP ? LIMIT_PORT_TCP : LIMIT_PORT_UDP].service[port];
}

static int put_record(int fd, const struct client_key *key, const struct client *c)
{
	if (bpf_map_update_elem(fd, key, c, BPF_NOEXIST) && errno != EEXIST)
		return -errno;
	return 0;
}

static int prove_class(struct dataplane *dp, const struct addr *source, uint8_t limit_class,
		       const struct client *proof)
{
	const struct limit_class *class = &limit_class_all(dp)[limit_class];
	struct client_key key = { .source = limit_map_unit(source, rates_of(class)->flags),
				  .limit_class = limit_class };
	struct client c = *proof;
	int err = row_meters(dp, class, &key.source, gcra_now_fp(c.proven_ns), &c.meters);

	/* A limit without rows is one that nothing meets. */
	if (err)
		return err == -ENOENT ? 0 : err;
	return put_record(pinned_map_fd(dp, "clients"), &key, &c);
}

size_t limit_map_classes(struct dataplane *dp, const struct addr *source,
			 uint8_t ret[LIMIT_CLASSES])
{
	const struct limit_set *sets = pinned_map_mem(dp, "limit_set");
	const struct limit_state *state = pinned_map_mem(dp, "limit_state");
	uint8_t group = answer_of(dp, source);
	bool met[LIMIT_CLASSES] = { false };
	size_t n = 0;

	if (!sets || !state || group > SOURCE_GROUP_MAX)
		return 0;
	for (size_t s = 0; s < LIMIT_SERVICES; s++)
		for (int i = 0; i < LIMIT_SET_CLASSES; i++)
			met[sets[group].service[s].limit_class[i]] = true;
	for (size_t kind = 0; kind < LIMIT_KINDS; kind++)
		met[state->kind_class[kind]] = true;
	for (size_t id = 1; id < LIMIT_CLASSES; id++)
		if (met[id])
			ret[n++] = (uint8_t)id;
	return n;
}

int limit_map_prove(struct dataplane *dp, const struct addr *source, const uint8_t *classes,
		    size_t n, enum client_proof proof)
{
	struct client c = { .proven_ns = clock_now_ns(), .proof = proof };
	struct client_key key = { .source = addr_unit(source), .limit_class = LIMIT_CLASS_NONE };
	int fd = pinned_map_fd(dp, "clients"), err;
	uint8_t all[LIMIT_CLASSES];

	if (fd < 0 || !limit_class_all(dp))
		return -ENOENT;
	if (proof == CLIENT_UNPROVEN)
		return -EINVAL;
	if (!classes) {
		n = limit_map_classes(dp, source, all);
		classes = all;
	}
	err = put_record(fd, &key, &c);
	for (size_t i = 0; !err && i < n; i++)
		if (classes[i] != LIMIT_CLASS_NONE)
			err = prove_class(dp, source, classes[i], &c);
	drop_cache_map_forget(dp);
	return err;
}
