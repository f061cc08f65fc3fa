/* SPDX-License-Identifier: BSD-2-Clause */
#include "netdev_query.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "netlink.h"

#define QUERY_BYTES 256

/* linux/netdev.h, which is newer than the headers of Debian 12. */
#define NETDEV_FAMILY	      "netdev"
#define NETDEV_DEV_GET	      1
#define NETDEV_A_IFINDEX      1
#define NETDEV_A_XDP_FEATURES 3
#define NETDEV_XDP_NDO_XMIT   4ULL

static void close_socket(struct mnl_socket **nl)
{
	if (*nl)
		mnl_socket_close(*nl);
}

/* A socket for one question: nobody asks often, and nothing is left of one that timed out. */
static int ask(int bus, struct nlmsghdr *h, mnl_cb_t fn, void *ctx)
{
	CLEANUP(close_socket) struct mnl_socket *nl = NULL;
	int err = netlink_open(bus, &nl);

	return err ? err : netlink_ask(nl, h, fn, ctx);
}

static int on_info(const struct nlattr *attr, void *ctx)
{
	struct netdev_query_port *port = ctx;

	if (mnl_attr_get_type(attr) == IFLA_INFO_SLAVE_KIND &&
	    mnl_attr_validate(attr, MNL_TYPE_STRING) >= 0)
		snprintf(port->kind, sizeof(port->kind), "%.*s",
			 (int)mnl_attr_get_payload_len(attr), mnl_attr_get_str(attr));
	return MNL_CB_OK;
}

static int on_link_attr(const struct nlattr *attr, void *ctx)
{
	struct netdev_query_port *port = ctx;

	if (mnl_attr_get_type(attr) == IFLA_MASTER && mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
		port->master = mnl_attr_get_u32(attr);
	if (mnl_attr_get_type(attr) == IFLA_LINKINFO)
		mnl_attr_parse_nested(attr, on_info, port);
	return MNL_CB_OK;
}

static int on_link(const struct nlmsghdr *h, void *ctx)
{
	mnl_attr_parse(h, sizeof(struct ifinfomsg), on_link_attr, ctx);
	return MNL_CB_OK;
}

int netdev_query_port(uint32_t ifindex, struct netdev_query_port *ret)
{
	char buf[QUERY_BYTES];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *info;

	*ret = (struct netdev_query_port) { 0 };
	h->nlmsg_type = RTM_GETLINK;
	h->nlmsg_flags = NLM_F_REQUEST;
	info = mnl_nlmsg_put_extra_header(h, sizeof(*info));
	info->ifi_index = (int)ifindex;
	return ask(NETLINK_ROUTE, h, on_link, ret);
}

static struct nlmsghdr *generic(char buf[QUERY_BYTES], uint16_t type, uint8_t command)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *g;

	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST;
	g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	g->cmd = command;
	g->version = 1;
	return h;
}

static int on_family_attr(const struct nlattr *attr, void *ctx)
{
	if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID &&
	    mnl_attr_validate(attr, MNL_TYPE_U16) >= 0)
		*(uint16_t *)ctx = mnl_attr_get_u16(attr);
	return MNL_CB_OK;
}

static int on_family(const struct nlmsghdr *h, void *ctx)
{
	mnl_attr_parse(h, sizeof(struct genlmsghdr), on_family_attr, ctx);
	return MNL_CB_OK;
}

static int on_feature(const struct nlattr *attr, void *ctx)
{
	if (mnl_attr_get_type(attr) == NETDEV_A_XDP_FEATURES &&
	    mnl_attr_validate(attr, MNL_TYPE_U64) >= 0)
		*(uint64_t *)ctx = mnl_attr_get_u64(attr);
	return MNL_CB_OK;
}

static int on_features(const struct nlmsghdr *h, void *ctx)
{
	mnl_attr_parse(h, sizeof(struct genlmsghdr), on_feature, ctx);
	return MNL_CB_OK;
}

int netdev_query_takes(uint32_t ifindex, bool *ret)
{
	char buf[QUERY_BYTES];
	struct nlmsghdr *h = generic(buf, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	uint64_t features = 0;
	uint16_t family = 0;
	int err;

	mnl_attr_put_strz(h, CTRL_ATTR_FAMILY_NAME, NETDEV_FAMILY);
	err = ask(NETLINK_GENERIC, h, on_family, &family);
	if (err || !family)
		return err ? err : -ENOENT;
	h = generic(buf, family, NETDEV_DEV_GET);
	mnl_attr_put_u32(h, NETDEV_A_IFINDEX, ifindex);
	err = ask(NETLINK_GENERIC, h, on_features, &features);
	if (err)
		return err;
	*ret = features & NETDEV_XDP_NDO_XMIT;
	return 0;
}
