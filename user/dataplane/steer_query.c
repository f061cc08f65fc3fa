/* SPDX-License-Identifier: BSD-2-Clause */
#include "steer_query.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "conf/steer_compile.h"
#include "netlink.h"

#define QUERY_BYTES 512
#define ATTRS_MAX   64
#define NETS_MAX    (1U << 20) /* a host with more addresses is none that this was written for */

int steer_query_open(struct mnl_socket **ret)
{
	int on = 1, err = netlink_open(NETLINK_ROUTE, ret);

	/* Only so does the kernel look at the table that a dump asks for (4.20). Without, we do. */
	if (!err)
		(void)mnl_socket_setsockopt(*ret, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	return err;
}

void steer_nets_clear(struct steer_nets *nets)
{
	free(nets->net);
	*nets = (struct steer_nets) { 0 };
}

static int add(struct steer_nets *nets, const struct steer_net *net)
{
	if (nets->n == nets->room) {
		size_t room = nets->room ? 2 * nets->room : 64;
		struct steer_net *more =
			room <= NETS_MAX ? realloc(nets->net, room * sizeof(*more)) : NULL;

		if (!more)
			return -ENOMEM;
		nets->net = more;
		nets->room = room;
	}
	nets->net[nets->n++] = *net;
	return 0;
}

/* An address of a message, all zeros where it has none, as a prefix. False: of no family of ours. */
static bool get_prefix(uint8_t family, uint8_t bits, const struct nlattr *attr, struct prefix *ret)
{
	const bool v4 = family == AF_INET;
	const size_t bytes = v4 ? 4 : 16;

	if ((!v4 && family != AF_INET6) || bits > 8 * bytes ||
	    (attr && mnl_attr_get_payload_len(attr) != bytes))
		return false;
	*ret = (struct prefix) { .len_bits = bits + (v4 ? ADDR_V4_BITS : 0U) };
	if (v4)
		ret->addr.b[10] = ret->addr.b[11] = 0xff;
	if (attr)
		memcpy(ret->addr.b + (16 - bytes), mnl_attr_get_payload(attr), bytes);
	ret->addr = addr_mask(&ret->addr, ret->len_bits);
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

static int on_route(const struct nlmsghdr *h, void *ctx)
{
	const struct rtmsg *rt = mnl_nlmsg_get_payload(h);
	struct steer_net net = { 0 };
	struct attrs attrs = { 0 };
	const struct nlattr *id;
	uint32_t table;

	if (h->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(h) < sizeof(*rt))
		return MNL_CB_OK;
	mnl_attr_parse(h, sizeof(*rt), on_attr, &attrs);
	id = attrs.of[RTA_TABLE];
	table = id && mnl_attr_validate(id, MNL_TYPE_U32) >= 0 ? mnl_attr_get_u32(id)
							       : rt->rtm_table;
	if (table != RT_TABLE_LOCAL || rt->rtm_type != RTN_LOCAL ||
	    !get_prefix(rt->rtm_family, rt->rtm_dst_len, attrs.of[RTA_DST], &net.prefix))
		return MNL_CB_OK;
	net.ours = rt->rtm_protocol == STEER_QUERY_PROTOCOL;
	errno = ENOMEM;
	return add(ctx, &net) ? MNL_CB_ERROR : MNL_CB_OK;
}

static int on_address(const struct nlmsghdr *h, void *ctx)
{
	const struct ifaddrmsg *a = mnl_nlmsg_get_payload(h);
	struct steer_net net = { 0 };
	struct attrs attrs = { 0 };
	const struct nlattr *address;

	if (h->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(h) < sizeof(*a))
		return MNL_CB_OK;
	mnl_attr_parse(h, sizeof(*a), on_attr, &attrs);
	address = attrs.of[IFA_ADDRESS];
	if (!address || !get_prefix(a->ifa_family, a->ifa_prefixlen, address, &net.prefix) ||
	    net.prefix.len_bits == 128 || !if_indextoname(a->ifa_index, net.device) ||
	    strcmp(net.device, "lo") == 0)
		return MNL_CB_OK;
	errno = ENOMEM;
	return add(ctx, &net) ? MNL_CB_ERROR : MNL_CB_OK;
}

static int dump_routes(struct mnl_socket *nl, uint8_t family, struct steer_nets *ret)
{
	char buf[QUERY_BYTES] = { 0 };
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct rtmsg *rt;

	h->nlmsg_type = RTM_GETROUTE;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	rt = mnl_nlmsg_put_extra_header(h, sizeof(*rt));
	rt->rtm_family = family;
	mnl_attr_put_u32(h, RTA_TABLE, RT_TABLE_LOCAL);
	return netlink_ask(nl, h, on_route, ret);
}

static int dump_addresses(struct mnl_socket *nl, uint8_t family, struct steer_nets *ret)
{
	char buf[QUERY_BYTES] = { 0 };
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct ifaddrmsg *a;

	h->nlmsg_type = RTM_GETADDR;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	a = mnl_nlmsg_put_extra_header(h, sizeof(*a));
	a->ifa_family = family;
	return netlink_ask(nl, h, on_address, ret);
}

int steer_query_local(struct mnl_socket *nl, struct steer_nets *ret)
{
	int err = dump_routes(nl, AF_INET, ret);

	return err ? err : dump_routes(nl, AF_INET6, ret);
}

int steer_query_connected(struct mnl_socket *nl, struct steer_nets *ret)
{
	int err = dump_addresses(nl, AF_INET, ret);

	return err ? err : dump_addresses(nl, AF_INET6, ret);
}

static int change(struct mnl_socket *nl, uint16_t type, uint16_t flags, const struct prefix *p)
{
	const bool v4 = steer_compile_is_v4(p);
	char buf[QUERY_BYTES] = { 0 };
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct rtmsg *rt;

	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	rt = mnl_nlmsg_put_extra_header(h, sizeof(*rt));
	rt->rtm_family = v4 ? AF_INET : AF_INET6;
	rt->rtm_dst_len = (uint8_t)(p->len_bits - (v4 ? ADDR_V4_BITS : 0));
	rt->rtm_table = RT_TABLE_LOCAL;
	rt->rtm_protocol = STEER_QUERY_PROTOCOL;
	rt->rtm_scope = v4 ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
	rt->rtm_type = RTN_LOCAL;
	mnl_attr_put(h, RTA_DST, v4 ? 4 : 16, p->addr.b + (v4 ? 12 : 0));
	mnl_attr_put_u32(h, RTA_OIF, if_nametoindex("lo"));
	return netlink_ask(nl, h, NULL, NULL);
}

int steer_query_add(struct mnl_socket *nl, const struct prefix *p)
{
	return change(nl, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, p);
}

int steer_query_del(struct mnl_socket *nl, const struct prefix *p)
{
	return change(nl, RTM_DELROUTE, 0, p);
}
