/* SPDX-License-Identifier: BSD-2-Clause */
#include "warning_nat.h"

#include <bpf/bpf.h>
#include <net/if.h>
#include <stdint.h>
#include <string.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "dataplane_state.h"
#include "neigh_query.h"
#include "netlink.h"
#include "sluice/abi/nat.h"
#include "vip_state.h"

/* status asks each time, on the loop: more than this many are not looked at. */
#define DEVICES_MAX 16
#define SOURCES_MAX 64

struct check {
	struct dataplane *dp;
	struct mnl_socket *nl;
	uint32_t device[DEVICES_MAX]; /* said already */
	size_t n_devices;
	struct addr source[SOURCES_MAX]; /* looked at already */
	size_t n_sources;
};

static void close_socket(struct mnl_socket **nl)
{
	if (*nl)
		mnl_socket_close(*nl);
}

/* One that is configured and could not be attached has its own warning. */
static bool is_added(const struct dataplane *dp, uint32_t ifindex)
{
	for (size_t i = 0; i < dp->n_devices; i++)
		if (dp->devices[i].state.ifindex == ifindex)
			return true;
	return false;
}

static void check_device(struct check *c, const struct vip_service *s, uint32_t ifindex)
{
	char name[IF_NAMESIZE];

	for (size_t i = 0; i < c->n_devices; i++)
		if (c->device[i] == ifindex)
			return;
	if (c->n_devices == DEVICES_MAX || is_added(c->dp, ifindex) ||
	    !if_indextoname(ifindex, name))
		return;
	c->device[c->n_devices++] = ifindex;
	diagnose_say(&c->dp->warnings,
		     "vip %s: backends are reached by %s, which is not in dataplane.devices: what "
		     "they answer by it is not translated, and clients wait in vain; add it",
		     s->name, name);
}

static void check_source(struct check *c, const struct vip_service *s, const struct addr *source)
{
	struct neigh_route route;
	char text[ADDR_TEXT_MAX];

	for (size_t i = 0; i < c->n_sources; i++)
		if (addr_eq(&c->source[i], source))
			return;
	if (c->n_sources == SOURCES_MAX)
		return;
	c->source[c->n_sources++] = *source;
	if (neigh_query_route(c->nl, source, 0, &route) == 0 && route.local)
		return;
	diagnose_say(&c->dp->warnings,
		     "vip %s: snat %s is no address of this host, so what backends answer to it "
		     "goes elsewhere; add it to a device (`ip addr add`), or name one that is",
		     s->name, addr_format(source, text));
}

static void check_service(struct check *c, const struct vip_service *s)
{
	const uint32_t id = s->rec.id;
	struct nat_vip nat;

	for (size_t i = 0; i < s->n_backends; i++)
		if (s->backends[i].has_hop)
			check_device(c, s, s->backends[i].hop.ifindex);
	if (bpf_map_lookup_elem(pinned_map_fd(c->dp, "nat_vip"), &id, &nat))
		return;
	for (uint32_t i = 0; i < nat.n_sources && i < NAT_SOURCES_MAX; i++)
		check_source(c, s, &nat.source[i]);
}

void warning_nat_check(struct dataplane *dp)
{
	CLEANUP(close_socket) struct mnl_socket *nl = NULL;
	struct check c = { .dp = dp };

	for (size_t i = 0; dp->vip && i < dp->vip->n_services; i++) {
		if (dp->vip->services[i].mode != BACKEND_NAT)
			continue;
		if (!nl && netlink_open(NETLINK_ROUTE, &nl))
			return;
		c.nl = nl;
		check_service(&c, &dp->vip->services[i]);
	}
}
