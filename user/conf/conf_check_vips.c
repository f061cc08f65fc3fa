/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks across the settings of vips and their backends. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/addr.h"
#include "conf_check.h"
#include "conf_errors.h"
#include "sluice/abi/vip.h"
#include "vip_compile.h"
#include "vip_place.h"

/* Of shorter prefixes, this host's own addresses and those that it talks to are part. */
#define V4_BITS_MIN (ADDR_V4_BITS + 8)
#define V6_BITS_MIN 16

/* What is wrong with a backend at that address; NULL: nothing. */
static const char *wrong_family(const struct conf_vip *vip, const struct addr *backend)
{
	const bool v4 = addr_is_v4(&vip->address);

	if (addr_is_v4(backend) == v4)
		return NULL;
	if (vip->mode == BACKEND_L2 || vip->mode == BACKEND_NAT)
		return v4 ? "the vip is IPv4, its backends have to be as well"
			  : "the vip is IPv6, its backends have to be as well";
	return v4 ? NULL : "the vip is IPv6, which is not put into IPv4; give an IPv6 address";
}

static void check_backend(const struct conf_vip *vip, const struct addr *backend,
			  struct conf_node *vip_node, struct conf_node *node,
			  struct conf_errors *errors)
{
	const struct prefix prefix = vip_place_prefix(vip);
	const char *wrong = conf_check_unroutable(backend);

	if (wrong) {
		conf_node_fail(errors, node,
			       "is %s; give the backend's own, that this host reaches", wrong);
		return;
	}
	if (!conf_node_get(vip_node, "address") || conf_node_is_bad(vip_node, "address") ||
	    conf_node_or(vip_node, "mode")->bad)
		return;
	wrong = wrong_family(vip, backend);
	if (wrong)
		conf_node_fail(errors, node, "%s", wrong);
	else if (prefix_contains(&prefix, backend))
		conf_node_fail(errors, node,
			       "this is the vip itself; give the backend's own address");
}

static void check_ring(const struct conf *conf, const struct conf_vip *vip, struct conf_node *node,
		       struct conf_errors *errors)
{
	uint32_t most = conf->dataplane.ring_size, size = vip->ring_size ? vip->ring_size : most;
	struct conf_node *ring_size = conf_node_get(node, "ring_size");

	if (vip->ring_size)
		conf_check_ring_size(size, ring_size, errors);
	if (size > most && !ring_size->bad)
		conf_node_fail(errors, ring_size, "%u is more than dataplane.ring_size, %u", size,
			       most);
	if (vip->n_backends > size)
		conf_node_fail(errors, conf_node_get(node, "backends"),
			       "%zu backends; %sring_size has %u slots", vip->n_backends,
			       vip->ring_size ? "" : "dataplane.", size);
}

static void check_backends(const struct conf_vip *vip, struct conf_node *node,
			   struct conf_errors *errors)
{
	struct conf_node *list = conf_node_get(node, "backends");

	for (size_t i = 0; i < vip->n_backends; i++) {
		struct conf_node *address = conf_node_get(conf_node_item(list, i), "address");

		if (address && !address->bad)
			check_backend(vip, &vip->backends[i].address, node, address, errors);
	}
}

/* What only outer headers have. */
static void check_outer(const struct conf_vip *vip, struct conf_node *node,
			struct conf_errors *errors)
{
	struct conf_node *source = conf_node_get(node, "source");
	const char *wrong;

	if (conf_node_or(node, "mode")->bad)
		return;
	if (source && !source->bad && vip->has_source) {
		wrong = conf_check_unroutable(&vip->source);
		if (vip->mode == BACKEND_L2)
			conf_node_fail(errors, source,
				       "means nothing in mode l2; remove it, or "
				       "set mode to ipip or gue");
		else if (vip->mode == BACKEND_NAT)
			conf_node_fail(errors, source,
				       "is of outer headers, which mode nat has not; give snat");
		else if (wrong)
			conf_node_fail(errors, source, "is %s; give one of this host's", wrong);
	}
}

/* Backends' addresses, unique within their vip. */
static int check_backend_addresses(const struct conf_vip *vip, struct conf_node *node,
				   struct conf_arena *scratch, struct conf_errors *errors)
{
	struct conf_node *list = conf_node_get(node, "backends");
	struct conf_unique *entries = conf_arena_alloc(scratch, vip->n_backends, sizeof(*entries));

	if (!entries)
		return -ENOMEM;
	for (size_t i = 0; i < vip->n_backends; i++)
		entries[i] =
			(struct conf_unique) { &vip->backends[i].address, sizeof(struct addr),
					       conf_node_get(conf_node_item(list, i), "address") };
	conf_check_unique(entries, vip->n_backends, "another backend has this address:", errors);
	return 0;
}

struct places {
	const struct conf *conf;
	struct conf_node *list;
	struct conf_errors *errors;
};

static void on_fault(const struct vip_fault *f, void *ctx)
{
	const struct places *p = ctx;
	struct conf_node *node = conf_node_get(conf_node_item(p->list, f->vip), "address");
	struct conf_node *other = conf_node_get(conf_node_item(p->list, f->other), "address");
	char path[128], text[VIP_PLACE_TEXT_MAX], where[32] = "";

	if (f->kind == VIP_FAULT_SPANS) {
		conf_node_fail(p->errors, node,
			       "over %d ranges of ports meet in this prefix, with those of the "
			       "prefixes around it; merge some",
			       VIP_SPANS_MAX);
		return;
	}
	conf_node_path(other, path, sizeof(path));
	if (other && other->line)
		snprintf(where, sizeof(where), " in line %u", other->line);
	if (!vip_place_is_wide(&p->conf->vips[f->vip]))
		conf_node_fail(p->errors, node,
			       "another vip has this address, port and protocol: %s%s", path,
			       where);
	else
		conf_node_fail(p->errors, node,
			       "%s has some of the same, and neither is more specific: %s%s",
			       vip_place_format(&p->conf->vips[f->other], text), path, where);
}

/* Which vip takes what has to be clear. */
static int check_places(const struct conf *conf, struct conf_node *list, struct conf_arena *scratch,
			struct conf_errors *errors)
{
	bool *skip = conf_arena_alloc(scratch, conf->n_vips, sizeof(*skip));
	struct places places = { conf, list, errors };
	struct vip_compiled compiled;
	int err;

	if (!skip)
		return -ENOMEM;
	for (size_t i = 0; i < conf->n_vips; i++) {
		struct conf_node *node = conf_node_item(list, i);

		skip[i] = !conf_node_get(node, "address") || !conf_node_get(node, "port") ||
			  conf_node_is_bad(node, "address") || conf_node_is_bad(node, "port") ||
			  conf_node_or(node, "protocol")->bad;
	}
	err = vip_compile(conf, skip, &compiled, on_fault, &places);
	if (!err)
		vip_compiled_clear(&compiled);
	return err == -ENOMEM ? err : 0;
}

/* A backend, of whichever vip: who is at an address is found once. */
struct way {
	const struct conf_vip *vip;
	const struct conf_backend *backend;
	struct conf_node *node;
};

static int compare_ways(const void *a, const void *b)
{
	const struct way *l = a, *r = b;
	int order = memcmp(&l->backend->address, &r->backend->address, sizeof(struct addr));

	if (order)
		return order;
	return l->vip < r->vip ? -1 : l->vip > r->vip;
}

static bool same_way(const struct conf_backend *a, const struct conf_backend *b)
{
	return a->has_mac == b->has_mac && memcmp(a->mac, b->mac, sizeof(a->mac)) == 0 &&
	       strcmp(a->device ? a->device : "", b->device ? b->device : "") == 0;
}

/* Vips may share a backend, but not by two ways: the one would take it from the other. */
static int check_ways(const struct conf *conf, struct conf_node *list, size_t n_backends,
		      struct conf_arena *scratch, struct conf_errors *errors)
{
	struct way *ways = conf_arena_alloc(scratch, n_backends, sizeof(*ways));
	size_t n = 0;

	if (!ways)
		return -ENOMEM;
	for (size_t i = 0; i < conf->n_vips; i++) {
		const struct conf_vip *vip = &conf->vips[i];
		struct conf_node *backends = conf_node_get(conf_node_item(list, i), "backends");

		for (size_t j = 0; j < vip->n_backends; j++) {
			struct conf_node *node =
				conf_node_get(conf_node_item(backends, j), "address");

			if (node && !node->bad)
				ways[n++] = (struct way) { vip, &vip->backends[j], node };
		}
	}
	qsort(ways, n, sizeof(*ways), compare_ways);
	for (size_t i = 1; i < n; i++) {
		const struct conf_backend *a = ways[i - 1].backend, *b = ways[i].backend;

		if (addr_eq(&a->address, &b->address) && ways[i - 1].vip != ways[i].vip &&
		    !same_way(a, b))
			conf_node_fail(errors, ways[i].node,
				       "vips[%s] has a backend of this address with another mac or "
				       "device; give both the same",
				       ways[i - 1].vip->name ? ways[i - 1].vip->name : "?");
	}
	return 0;
}

static void check_vip_address(const struct conf_vip *vip, struct conf_node *node,
			      struct conf_errors *errors)
{
	const bool v4 = addr_is_v4(&vip->address);
	const char *wrong = node && !node->bad ? conf_check_unroutable(&vip->address) : NULL;

	if (wrong)
		conf_node_fail(errors, node, "is %s; a vip is one address that clients talk to",
			       wrong);
	else if (node && !node->bad &&
		 vip_place_prefix(vip).len_bits < (v4 ? V4_BITS_MIN : V6_BITS_MIN))
		conf_node_fail(errors, node,
			       "is too wide: it would take what this host needs for itself; give "
			       "at least a %s",
			       v4 ? "/8" : "/16");
}

/* Has each backend a port of its own, to which its packets come? */
static bool has_ports(const struct conf_vip *vip)
{
	for (size_t i = 0; i < vip->n_backends; i++)
		if (!vip->backends[i].port)
			return false;
	return vip->mode == BACKEND_NAT;
}

/* A probe goes to one port. */
static void check_probe_port(const struct conf_vip *vip, struct conf_node *node,
			     struct conf_errors *errors)
{
	struct conf_node *health = conf_node_get(node, "health");

	if (vip->health.type != CONF_HEALTH_NONE && !vip->health.port && vip->port_last && health &&
	    !health->bad && !has_ports(vip))
		conf_node_fail(errors, health,
			       "port is missing: the vip has more than one; say which is probed");
}

int conf_check_vips(const struct conf *conf, struct conf_node *root, struct conf_arena *scratch,
		    struct conf_errors *errors)
{
	const struct conf_dataplane *dataplane = &conf->dataplane;
	struct conf_node *list = conf_node_get(root, "vips");
	size_t backends = 0;
	int err = check_places(conf, list, scratch, errors);

	for (size_t i = 0; i < conf->n_vips && !err; i++) {
		struct conf_node *node = conf_node_item(list, i);

		backends += conf->vips[i].n_backends;
		check_vip_address(&conf->vips[i], conf_node_get(node, "address"), errors);
		check_outer(&conf->vips[i], node, errors);
		check_ring(conf, &conf->vips[i], node, errors);
		check_backends(&conf->vips[i], node, errors);
		conf_check_health(&conf->vips[i], node, errors);
		check_probe_port(&conf->vips[i], node, errors);
		err = check_backend_addresses(&conf->vips[i], node, scratch, errors);
		if (!err)
			err = conf_check_quic(&conf->vips[i], node, scratch, errors);
	}
	if (!err)
		err = conf_check_nat(conf, list, scratch, errors);
	if (!err)
		err = check_ways(conf, list, backends, scratch, errors);
	/* A slot's number has 32 bits; each vip has two rings. */
	if (2ULL * dataplane->max_vips * dataplane->ring_size > UINT32_MAX)
		conf_node_fail(errors, conf_node_or(conf_node_get(root, "dataplane"), "max_vips"),
			       "%u vips with two rings of %u slots are too many: lower this, or "
			       "dataplane.ring_size",
			       dataplane->max_vips, dataplane->ring_size);
	/* Id 0 stands for none, in both tables. */
	if (conf->n_vips > dataplane->max_vips - 1)
		conf_node_fail(errors, list,
			       "%zu vips; dataplane.max_vips is %u and has to be more",
			       conf->n_vips, dataplane->max_vips);
	if (backends > dataplane->max_backends - 1)
		conf_node_fail(errors, list,
			       "%zu backends; dataplane.max_backends is %u and has to be more",
			       backends, dataplane->max_backends);
	return err;
}
