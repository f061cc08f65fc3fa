/* SPDX-License-Identifier: BSD-2-Clause */
#include "probe_way.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/lwtunnel.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "dataplane_state.h"
#include "lwt_probe.skel.h"
#include "neigh_query.h"
#include "netlink.h"
#include "sluice/abi/probe.h"
#include "steer_query.h"
#include "vip_map.h"

#define QUERY_BYTES 512
/* Outer headers and what is in front of them. */
#define HEADROOM_BYTES 128

struct probe_way {
	struct mnl_socket *nl;
	struct bpf_object *object;
};

static const uint8_t families[] = { AF_INET, AF_INET6 };

static int change_rule(struct mnl_socket *nl, uint8_t family, uint16_t type, uint16_t flags)
{
	char buf[QUERY_BYTES] = { 0 };
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct fib_rule_hdr *rule;

	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	rule = mnl_nlmsg_put_extra_header(h, sizeof(*rule));
	rule->family = family;
	rule->action = FR_ACT_TO_TBL;
	mnl_attr_put_u32(h, FRA_PRIORITY, PROBE_TABLE);
	mnl_attr_put_u32(h, FRA_FWMARK, PROBE_MARK);
	mnl_attr_put_u32(h, FRA_FWMASK, PROBE_MARK_MASK);
	mnl_attr_put_u32(h, FRA_TABLE, PROBE_TABLE);
	mnl_attr_put_u8(h, FRA_PROTOCOL, STEER_QUERY_PROTOCOL);
	return netlink_ask(nl, h, NULL, NULL);
}

static void put_program(struct nlmsghdr *h, int prog_fd)
{
	struct nlattr *metrics = mnl_attr_nest_start(h, RTA_METRICS), *encap, *xmit;

	mnl_attr_put_u32(h, RTAX_MTU, PROBE_MTU);
	mnl_attr_nest_end(h, metrics);
	mnl_attr_put_u16(h, RTA_ENCAP_TYPE, LWTUNNEL_ENCAP_BPF);
	encap = mnl_attr_nest_start(h, RTA_ENCAP);
	xmit = mnl_attr_nest_start(h, LWT_BPF_XMIT);
	mnl_attr_put_u32(h, LWT_BPF_PROG_FD, (uint32_t)prog_fd);
	mnl_attr_put_strz(h, LWT_BPF_PROG_NAME, "sluice");
	mnl_attr_nest_end(h, xmit);
	mnl_attr_put_u32(h, LWT_BPF_XMIT_HEADROOM, HEADROOM_BYTES);
	mnl_attr_nest_end(h, encap);
}

/* prog_fd -1: of any. The device is of no meaning but for being always there. */
static int change_route(struct mnl_socket *nl, uint8_t family, uint16_t type, uint16_t flags,
			int prog_fd)
{
	char buf[QUERY_BYTES] = { 0 };
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct rtmsg *rt;

	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	rt = mnl_nlmsg_put_extra_header(h, sizeof(*rt));
	rt->rtm_family = family;
	rt->rtm_protocol = STEER_QUERY_PROTOCOL;
	rt->rtm_scope = family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	/* IPv6 takes other routes by the loopback device for ones that reject. */
	rt->rtm_type = family == AF_INET ? RTN_UNICAST : RTN_LOCAL;
	mnl_attr_put_u32(h, RTA_TABLE, PROBE_TABLE);
	mnl_attr_put_u32(h, RTA_OIF, if_nametoindex("lo"));
	if (prog_fd >= 0)
		put_program(h, prog_fd);
	return netlink_ask(nl, h, NULL, NULL);
}

/* IPv6 is switched off: at boot, or on all devices. */
static bool lacks_family(uint8_t family, int err)
{
	return family == AF_INET6 && (err == -EAFNOSUPPORT || err == -EOPNOTSUPP || err == -EACCES);
}

static int remove_all(struct mnl_socket *nl)
{
	int err = 0;

	for (size_t i = 0; i < sizeof(families); i++) {
		int e = change_rule(nl, families[i], RTM_DELRULE, 0);

		/* Of a table that nobody used yet, or a family that the kernel lacks. */
		if (e && e != -ENOENT && e != -ESRCH && !lacks_family(families[i], e) && !err)
			err = e;
		(void)change_route(nl, families[i], RTM_DELROUTE, 0, -1);
	}
	return err;
}

static int add_family(struct mnl_socket *nl, uint8_t family, int prog_fd)
{
	int err = change_route(nl, family, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, prog_fd);

	if (!err)
		err = change_rule(nl, family, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL);
	return err == -EEXIST ? 0 : err;
}

static int load(struct dataplane *dp, struct probe_way *w)
{
	const void *image;
	size_t bytes;
	int err;

	image = lwt_probe__elf_bytes(&bytes);
	w->object = bpf_object__open_mem(image, bytes, NULL);
	if (!w->object)
		return -errno;
	err = bpf_map__reuse_fd(bpf_object__find_map_by_name(w->object, "backends"),
				pinned_map_fd(dp, "backends"));
	return err ? err : bpf_object__load(w->object);
}

static void close_it(struct probe_way **w)
{
	if (!*w)
		return;
	bpf_object__close((*w)->object);
	if ((*w)->nl)
		mnl_socket_close((*w)->nl);
	free(*w);
}

void probe_way_close(struct dataplane *dp)
{
	close_it(&dp->probe_way);
	dp->probe_way = NULL;
}

static int open_it(struct dataplane *dp, struct probe_way **ret)
{
	CLEANUP(close_it) struct probe_way *w = calloc(1, sizeof(*w));
	int err = w ? netlink_open(NETLINK_ROUTE, &w->nl) : -ENOMEM;

	if (!err)
		err = load(dp, w);
	for (size_t i = 0; !err && i < sizeof(families); i++) {
		err = add_family(w->nl, families[i],
				 bpf_program__fd(bpf_object__next_program(w->object, NULL)));
		if (lacks_family(families[i], err))
			err = 0;
	}
	if (!err)
		*ret = take_ptr(&w);
	return err;
}

int probe_way_set(struct dataplane *dp, bool wanted, struct errmsg *err)
{
	int e = 0;

	if (wanted && !dp->probe_way)
		e = open_it(dp, &dp->probe_way);
	if (!wanted) {
		probe_way_close(dp);
		return probe_way_remove();
	}
	if (e)
		errmsg_set(err, e,
			   "health checks cannot go through the encapsulation of their vips: %s%s; "
			   "they go to the backends' own addresses",
			   strerror(-e),
			   e == -EOPNOTSUPP ? " (the kernel lacks CONFIG_LWTUNNEL_BPF)" : "");
	return e;
}

bool probe_way_is_local(struct dataplane *dp, const struct addr *vip)
{
	struct neigh_route route;

	return dp->probe_way && neigh_query_route(dp->probe_way->nl, vip, 0, &route) == 0 &&
	       route.local;
}

bool probe_way_get(struct dataplane *dp, const struct conf *conf, size_t vip, size_t backend,
		   struct probe_way_to *ret)
{
	const struct conf_vip *v = &conf->vips[vip];
	struct addr source = { 0 };
	struct neigh_route route;
	uint32_t id;

	if (!dp->probe_way)
		return false;
	id = vip_map_backend(dp, conf, vip, backend, &source);
	if (!id || id & PROBE_MARK_MASK)
		return false;
	if (neigh_query_route(dp->probe_way->nl, &v->address, 0, &route) == 0) {
		if (route.local)
			return false;
		/* Where the backend is of another family: as the host would send to the vip. */
		if (addr_is_v4(&source) != addr_is_v4(&v->address))
			source = route.source;
	}
	*ret = (struct probe_way_to) { .addr = v->address, .mark = PROBE_MARK | id };
	ret->has_source = addr_is_v4(&source) == addr_is_v4(&v->address) &&
			  !addr_eq(&source, &(struct addr) { 0 });
	ret->source = source;
	return true;
}

int probe_way_remove(void)
{
	struct mnl_socket *nl;
	int err = netlink_open(NETLINK_ROUTE, &nl);

	if (err)
		return err;
	err = remove_all(nl);
	mnl_socket_close(nl);
	return err;
}
