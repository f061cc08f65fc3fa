/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "neigh_query.h"
#include "netlink.h"

#define QUERY_BYTES 512
#define ATTRS_MAX   64

static uint8_t family(const struct addr *a)
{
	return addr_is_v4(a) ? AF_INET : AF_INET6;
}

static void put_addr(struct nlmsghdr *h, uint16_t type, const struct addr *a)
{
	if (addr_is_v4(a))
		mnl_attr_put(h, type, 4, a->b + 12);
	else
		mnl_attr_put(h, type, 16, a->b);
}

static bool get_addr(const struct nlattr *attr, struct addr *ret)
{
	const void *data = mnl_attr_get_payload(attr);

	if (mnl_attr_get_payload_len(attr) == 16) {
		memcpy(ret->b, data, 16);
		return true;
	}
	if (mnl_attr_get_payload_len(attr) != 4)
		return false;
	memset(ret->b, 0, 10);
	memset(ret->b + 10, 0xff, 2);
	memcpy(ret->b + 12, data, 4);
	return true;
}

/* Attributes by type; the last of a type that is given twice. */
struct attrs {
	const struct nlattr *of[ATTRS_MAX];
};

static int on_attr(const struct nlattr *attr, void *ctx)
{
	struct attrs *a = ctx;

	if (mnl_attr_get_type(attr) < ATTRS_MAX)
		a->of[mnl_attr_get_type(attr)] = attr;
	return MNL_CB_OK;
}

static uint32_t attr_u32(const struct nlattr *attr)
{
	return attr && mnl_attr_validate(attr, MNL_TYPE_U32) >= 0 ? mnl_attr_get_u32(attr) : 0;
}

static bool attr_mac(const struct nlattr *attr, uint8_t ret[6])
{
	if (!attr || mnl_attr_get_payload_len(attr) != 6)
		return false;
	memcpy(ret, mnl_attr_get_payload(attr), 6);
	return true;
}

/* Is the answer what the kernel learned from an ICMP error, for a while? No event tells of its end. */
static bool is_learned(const struct nlattr *attr)
{
	const struct rta_cacheinfo *info;

	if (!attr || mnl_attr_get_payload_len(attr) < sizeof(*info))
		return false;
	info = mnl_attr_get_payload(attr);
	return info->rta_expires != 0;
}

static int on_metric(const struct nlattr *attr, void *ctx)
{
	if (mnl_attr_get_type(attr) == RTAX_MTU)
		*(uint32_t *)ctx = attr_u32(attr);
	return MNL_CB_OK;
}

static int on_route(const struct nlmsghdr *h, void *ctx)
{
	const struct rtmsg *rt = mnl_nlmsg_get_payload(h);
	struct neigh_route *r = ctx;
	struct attrs attrs = { 0 };
	const struct nlattr *via;

	if (h->nlmsg_type != RTM_NEWROUTE)
		return MNL_CB_STOP;
	mnl_attr_parse(h, sizeof(*rt), on_attr, &attrs);
	r->local = rt->rtm_type == RTN_LOCAL;
	r->ifindex = attr_u32(attrs.of[RTA_OIF]);
	if (attrs.of[RTA_METRICS] && !is_learned(attrs.of[RTA_CACHEINFO]))
		mnl_attr_parse_nested(attrs.of[RTA_METRICS], on_metric, &r->mtu);
	if (attrs.of[RTA_PREFSRC] && !get_addr(attrs.of[RTA_PREFSRC], &r->source))
		r->source = (struct addr) { 0 };
	if (attrs.of[RTA_GATEWAY])
		r->has_gateway = get_addr(attrs.of[RTA_GATEWAY], &r->next);
	/* An IPv4 route over an IPv6 gateway (RFC 5549): struct rtvia, a family and an address. */
	via = attrs.of[RTA_VIA];
	if (via && mnl_attr_get_payload_len(via) == 2 + 16) {
		memcpy(r->next.b, (const char *)mnl_attr_get_payload(via) + 2, 16);
		r->has_gateway = true;
	}
	return MNL_CB_STOP;
}

int neigh_query_route(struct mnl_socket *nl, const struct addr *a, uint32_t out_ifindex,
		      struct neigh_route *ret)
{
	char buf[QUERY_BYTES] = { 0 };
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct neigh_route r = { .next = *a };
	struct rtmsg *rt;
	int err;

	h->nlmsg_type = RTM_GETROUTE;
	h->nlmsg_flags = NLM_F_REQUEST;
	rt = mnl_nlmsg_put_extra_header(h, sizeof(*rt));
	rt->rtm_family = family(a);
	rt->rtm_dst_len = addr_is_v4(a) ? 32 : 128;
	put_addr(h, RTA_DST, a);
	if (out_ifindex)
		mnl_attr_put_u32(h, RTA_OIF, out_ifindex);
	err = netlink_ask(nl, h, on_route, &r);
	if (err || !r.ifindex)
		return err ? err : -ENETUNREACH;
	*ret = r;
	return 0;
}

static int on_link(const struct nlmsghdr *h, void *ctx)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(h);
	struct attrs attrs = { 0 };
	struct neigh_link *l = ctx;

	if (h->nlmsg_type != RTM_NEWLINK)
		return MNL_CB_STOP;
	mnl_attr_parse(h, sizeof(*info), on_attr, &attrs);
	l->up = (info->ifi_flags & IFF_UP) && (info->ifi_flags & IFF_LOWER_UP);
	l->mtu = attr_u32(attrs.of[IFLA_MTU]);
	l->ethernet = attr_mac(attrs.of[IFLA_ADDRESS], l->mac);
	return MNL_CB_STOP;
}

int neigh_query_link(struct mnl_socket *nl, uint32_t ifindex, struct neigh_link *ret)
{
	char buf[QUERY_BYTES] = { 0 };
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct neigh_link l = { 0 };
	struct ifinfomsg *info;
	int err;

	h->nlmsg_type = RTM_GETLINK;
	h->nlmsg_flags = NLM_F_REQUEST;
	info = mnl_nlmsg_put_extra_header(h, sizeof(*info));
	info->ifi_index = (int)ifindex;
	err = netlink_ask(nl, h, on_link, &l);
	if (!err)
		*ret = l;
	return err;
}

static struct ndmsg *neigh_head(struct nlmsghdr *h, uint16_t type, uint16_t flags, uint32_t ifindex,
				const struct addr *a)
{
	struct ndmsg *nd;

	h->nlmsg_type = type;
	h->nlmsg_flags = flags;
	nd = mnl_nlmsg_put_extra_header(h, sizeof(*nd));
	nd->ndm_family = family(a);
	nd->ndm_ifindex = (int)ifindex;
	put_addr(h, NDA_DST, a);
	return nd;
}

static int on_entry(const struct nlmsghdr *h, void *ctx)
{
	const struct ndmsg *nd = mnl_nlmsg_get_payload(h);
	struct attrs attrs = { 0 };
	struct neigh_entry *e = ctx;

	if (h->nlmsg_type != RTM_NEWNEIGH)
		return MNL_CB_STOP;
	mnl_attr_parse(h, sizeof(*nd), on_attr, &attrs);
	if (attr_mac(attrs.of[NDA_LLADDR], e->mac))
		e->state = nd->ndm_state;
	else /* without an address it is no hop, whatever its state */
		e->state = nd->ndm_state & (NUD_INCOMPLETE | NUD_FAILED);
	return MNL_CB_STOP;
}

int neigh_query_entry(struct mnl_socket *nl, uint32_t ifindex, const struct addr *a,
		      struct neigh_entry *ret)
{
	char buf[QUERY_BYTES] = { 0 };
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct neigh_entry e = { .state = NUD_NONE };
	int err;

	neigh_head(h, RTM_GETNEIGH, NLM_F_REQUEST, ifindex, a);
	err = netlink_ask(nl, h, on_entry, &e);
	if (err && err != -ENOENT)
		return err;
	*ret = e;
	return 0;
}

int neigh_query_probe(struct mnl_socket *nl, uint32_t ifindex, const struct addr *a)
{
	char buf[QUERY_BYTES] = { 0 };
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct ndmsg *nd;

	nd = neigh_head(h, RTM_NEWNEIGH, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE, ifindex, a);
	nd->ndm_flags = NTF_USE;
	nd->ndm_state = NUD_NONE;
	return netlink_ask(nl, h, NULL, NULL);
}

int neigh_query_read_event(const struct nlmsghdr *h, uint32_t *ret_ifindex, struct addr *ret)
{
	const struct ndmsg *nd = mnl_nlmsg_get_payload(h);
	struct attrs attrs = { 0 };
	struct addr a;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*nd))
		return -ENOENT;
	mnl_attr_parse(h, sizeof(*nd), on_attr, &attrs);
	if (!attrs.of[NDA_DST] || !get_addr(attrs.of[NDA_DST], &a))
		return -ENOENT;
	*ret_ifindex = (uint32_t)nd->ndm_ifindex;
	*ret = a;
	return 0;
}
