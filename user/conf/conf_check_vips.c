/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks across the settings of vips and their backends. */
#include <errno.h>

#include "../base/addr.h"
#include "conf_check.h"
#include "conf_errors.h"
#include "sluice/abi/vip.h"

/* What is wrong with a backend at that address; NULL: nothing. */
static const char *wrong_family(const struct conf_vip *vip, const struct addr *backend)
{
	const bool v4 = addr_is_v4(&vip->address);

	if (addr_is_v4(backend) == v4)
		return NULL;
	if (vip->mode == BACKEND_L2)
		return v4 ? "the vip is IPv4, its backends have to be as well"
			  : "the vip is IPv6, its backends have to be as well";
	return v4 ? NULL : "the vip is IPv6, which is not put into IPv4; give an IPv6 address";
}

static void check_backend(const struct conf_vip *vip, const struct addr *backend,
			  struct conf_node *vip_node, struct conf_node *node,
			  struct conf_errors *errors)
{
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
	else if (addr_eq(backend, &vip->address))
		conf_node_fail(errors, node,
			       "this is the vip itself; give the backend's own address");
}

static void check_backends(const struct conf *conf, const struct conf_vip *vip,
			   struct conf_node *node, struct conf_errors *errors)
{
	struct conf_node *list = conf_node_get(node, "backends");

	if (vip->n_backends > conf->dataplane.ring_size)
		conf_node_fail(errors, list, "%zu backends; dataplane.ring_size has %u slots",
			       vip->n_backends, conf->dataplane.ring_size);
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

static int check_vip_keys(const struct conf *conf, struct conf_node *list,
			  struct conf_arena *scratch, struct conf_errors *errors)
{
	struct conf_unique *entries = conf_arena_alloc(scratch, conf->n_vips, sizeof(*entries));
	struct vip_key *keys = conf_arena_alloc(scratch, conf->n_vips, sizeof(*keys));
	size_t n = 0;

	if (!entries || !keys)
		return -ENOMEM;
	for (size_t i = 0; i < conf->n_vips; i++) {
		struct conf_node *node = conf_node_item(list, i);

		/* the parts as numbers: only compared */
		keys[i] = (struct vip_key) { .addr = conf->vips[i].address,
					     .port = conf->vips[i].port,
					     .proto = conf->vips[i].protocol };
		if (!conf_node_get(node, "address") || !conf->vips[i].port ||
		    conf_node_or(node, "protocol")->bad)
			continue;
		entries[n++] = (struct conf_unique) { &keys[i], sizeof(keys[i]),
						      conf_node_get(node, "address") };
	}
	conf_check_unique(entries, n, "another vip has this address, port and protocol:", errors);
	return 0;
}

static void check_vip_address(const struct conf_vip *vip, struct conf_node *node,
			      struct conf_errors *errors)
{
	const char *wrong = node && !node->bad ? conf_check_unroutable(&vip->address) : NULL;

	if (wrong)
		conf_node_fail(errors, node, "is %s; a vip is one address that clients talk to",
			       wrong);
}

int conf_check_vips(const struct conf *conf, struct conf_node *root, struct conf_arena *scratch,
		    struct conf_errors *errors)
{
	const struct conf_dataplane *dataplane = &conf->dataplane;
	struct conf_node *list = conf_node_get(root, "vips");
	size_t backends = 0;
	int err = check_vip_keys(conf, list, scratch, errors);

	for (size_t i = 0; i < conf->n_vips && !err; i++) {
		struct conf_node *node = conf_node_item(list, i);

		backends += conf->vips[i].n_backends;
		check_vip_address(&conf->vips[i], conf_node_get(node, "address"), errors);
		check_outer(&conf->vips[i], node, errors);
		check_backends(conf, &conf->vips[i], node, errors);
		conf_check_health(&conf->vips[i], node, errors);
		err = check_backend_addresses(&conf->vips[i], node, scratch, errors);
	}
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
