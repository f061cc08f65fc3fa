/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks of what only vips of mode nat have. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/addr.h"
#include "conf_check.h"
#include "conf_errors.h"
#include "sluice/abi/vip.h"
#include "vip_place.h"

#define BITS_MAX 128

/* As its row has it; a dump names it in each mode. */
#define GUE_PORT_DEFAULT 6080

/* Where vips are: in order, by length and address, to be looked up at each length that there is. */
struct taken {
	struct prefix *at;
	size_t n;
	bool has_length[BITS_MAX + 1];
};

/* Other modes leave the port as it is: what says otherwise was meant for nat. */
static void check_port(const struct conf_vip *vip, const struct conf_backend *backend,
		       struct conf_node *item, struct conf_errors *errors)
{
	struct conf_node *port = conf_node_get(item, "port");

	if (port && !port->bad && backend->port && vip->mode != BACKEND_NAT)
		conf_node_fail(errors, port,
			       "is for mode nat; remove it, or set the vip's mode to nat");
}

static int compare_prefixes(const void *a, const void *b)
{
	const struct prefix *l = a, *r = b;

	if (l->len_bits != r->len_bits)
		return l->len_bits < r->len_bits ? -1 : 1;
	return memcmp(&l->addr, &r->addr, sizeof(l->addr));
}

static int taken_open(const struct conf *conf, struct conf_arena *scratch, struct taken *t)
{
	t->at = conf_arena_alloc(scratch, conf->n_vips + 1, sizeof(*t->at));
	if (!t->at)
		return -ENOMEM;
	for (size_t i = 0; i < conf->n_vips; i++) {
		struct prefix p = vip_place_prefix(&conf->vips[i]);

		p.addr = addr_mask(&p.addr, p.len_bits);
		t->at[t->n++] = p;
		t->has_length[p.len_bits] = true;
	}
	qsort(t->at, t->n, sizeof(*t->at), compare_prefixes);
	return 0;
}

/* The longest prefix of a vip that has the address; NULL: it is in none. */
static const struct prefix *taken_find(const struct taken *t, const struct addr *a)
{
	const struct prefix *found = NULL;

	for (uint32_t bits = BITS_MAX; bits && !found; bits--) {
		const struct prefix p = { bits, addr_mask(a, bits) };

		if (t->has_length[bits])
			found = bsearch(&p, t->at, t->n, sizeof(p), compare_prefixes);
	}
	return found;
}

/* What is wrong with an address that backends are to see; NULL: nothing. */
static const char *wrong_snat(const struct conf_vip *vip, const struct taken *taken,
			      const struct addr *snat)
{
	const struct prefix *vips;

	if (conf_check_unroutable(snat))
		return conf_check_unroutable(snat);
	if (addr_is_v4(snat) != addr_is_v4(&vip->address))
		return addr_is_v4(snat) ? "IPv4, the vip is IPv6" : "IPv6, the vip is IPv4";
	/* Answers to it would be taken for what clients send to the vip. */
	vips = taken_find(taken, snat);
	if (vips)
		return vips->len_bits == BITS_MAX ? "the address of a vip"
						  : "one of the addresses of a vip";
	for (size_t i = 0; i < vip->n_backends; i++)
		if (addr_eq(snat, &vip->backends[i].address))
			return "the address of a backend";
	return NULL;
}

static int check_snat(const struct conf_vip *vip, const struct taken *taken, struct conf_node *node,
		      struct conf_arena *scratch, struct conf_errors *errors)
{
	struct conf_node *list = conf_node_get(node, "snat"), *item;
	struct conf_unique *entries = conf_arena_alloc(scratch, vip->n_snat, sizeof(*entries));
	const char *wrong;

	if (!entries)
		return -ENOMEM;
	if (vip->n_snat && vip->mode != BACKEND_NAT)
		conf_node_fail(errors, list, "is for mode nat; remove it, or set mode to nat");
	for (size_t i = 0; i < vip->n_snat; i++) {
		item = conf_node_item(list, i);
		wrong = item && !item->bad ? wrong_snat(vip, taken, &vip->snat[i]) : NULL;
		if (wrong)
			conf_node_fail(errors, item,
				       "is %s; give an address of this host, of the vip's family, "
				       "for nothing else",
				       wrong);
		entries[i] = (struct conf_unique) { &vip->snat[i], sizeof(struct addr), item };
	}
	conf_check_unique(entries, vip->n_snat, "this address is there already:", errors);
	return 0;
}

int conf_check_nat(const struct conf *conf, struct conf_node *vips, struct conf_arena *scratch,
		   struct conf_errors *errors)
{
	struct taken taken = { 0 };
	int err = taken_open(conf, scratch, &taken);

	for (size_t i = 0; i < conf->n_vips && !err; i++) {
		const struct conf_vip *vip = &conf->vips[i];
		struct conf_node *node = conf_node_item(vips, i);
		struct conf_node *backends = conf_node_get(node, "backends");
		struct conf_node *gue_port = conf_node_get(node, "gue_port");

		if (conf_node_or(node, "mode")->bad)
			continue;
		for (size_t j = 0; j < vip->n_backends; j++)
			check_port(vip, &vip->backends[j], conf_node_item(backends, j), errors);
		if (conf_node_is_bad(node, "address"))
			continue;
		if (vip->mode == BACKEND_NAT && gue_port && !gue_port->bad &&
		    vip->gue_port != GUE_PORT_DEFAULT)
			conf_node_fail(errors, gue_port, "is for mode gue; remove it");
		err = check_snat(vip, &taken, node, scratch, errors);
	}
	return err;
}
