/* SPDX-License-Identifier: BSD-2-Clause */
#include "device_facts.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "irq_spread.h"
#include "neigh_query.h"
#include "netlink.h"
#include "netdev_query.h"

#define FEATURES_MAX 512
/* a.root-servers.net: only looked up in the routes, as one address of the internet */
#define FAR_ADDRESS "198.41.0.4"

/* A number in a file below proc_fd; none, if it cannot be read. */
static long read_number(int proc_fd, const char *path, long none)
{
	CLEANUP_FD int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	char text[32] = "", *end;
	long value;

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return none;
	value = strtol(text, &end, 10);
	return end == text ? none : value;
}

static int ethtool(int fd, const char *device, void *command)
{
	struct ifreq ifr = { 0 };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", device);
	ifr.ifr_data = command;
	return ioctl(fd, SIOCETHTOOL, &ifr) ? -errno : 0;
}

/* The number of the kernel's feature bits; 0 when it does not say. */
static uint32_t feature_count(int fd, const char *device)
{
	uint64_t buf[(sizeof(struct ethtool_sset_info) + sizeof(uint32_t) + 7) / 8] = { 0 };
	struct ethtool_sset_info *info = (struct ethtool_sset_info *)buf;

	info->cmd = ETHTOOL_GSSET_INFO;
	info->sset_mask = 1ULL << ETH_SS_FEATURES;
	if (ethtool(fd, device, info) || !info->sset_mask || info->data[0] > FEATURES_MAX)
		return 0;
	return info->data[0];
}

static bool feature_bit(int fd, const char *device, uint32_t bit)
{
	const uint32_t blocks = FEATURES_MAX / 32;
	CLEANUP_FREE struct ethtool_gfeatures *f =
		calloc(1, sizeof(*f) + blocks * sizeof(f->features[0]));

	if (!f)
		return false;
	f->cmd = ETHTOOL_GFEATURES;
	f->size = blocks;
	if (ethtool(fd, device, f) || bit / 32 >= f->size || bit / 32 >= blocks)
		return false;
	return f->features[bit / 32].active & (1U << bit % 32);
}

/* Is this feature, by ethtool's name, active? */
static bool feature_active(int fd, const char *device, const char *name)
{
	uint32_t n = feature_count(fd, device), i;
	CLEANUP_FREE struct ethtool_gstrings *s =
		calloc(1, sizeof(*s) + (size_t)FEATURES_MAX * ETH_GSTRING_LEN);

	if (!n || !s)
		return false;
	s->cmd = ETHTOOL_GSTRINGS;
	s->string_set = ETH_SS_FEATURES;
	s->len = n;
	if (ethtool(fd, device, s))
		return false;
	for (i = 0; i < n; i++) {
		const char *text = (const char *)s->data + (size_t)i * ETH_GSTRING_LEN;

		if (strncmp(text, name, ETH_GSTRING_LEN) == 0)
			return feature_bit(fd, device, i);
	}
	return false;
}

static uint32_t device_mtu(int fd, const char *device)
{
	struct ifreq ifr = { 0 };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", device);
	return ioctl(fd, SIOCGIFMTU, &ifr) ? 0 : (uint32_t)ifr.ifr_mtu;
}

static void read_ethtool(int fd, const char *device, struct device_facts *f)
{
	struct ethtool_drvinfo driver = { .cmd = ETHTOOL_GDRVINFO };
	struct ethtool_channels c = { .cmd = ETHTOOL_GCHANNELS };

	if (ethtool(fd, device, &driver) == 0) {
		snprintf(f->driver, sizeof(f->driver), "%.31s", driver.driver);
		snprintf(f->bus, sizeof(f->bus), "%.31s", driver.bus_info);
	}
	if (ethtool(fd, device, &c) == 0) {
		f->queues = c.combined_count + c.rx_count;
		f->queues_max = c.max_combined + c.max_rx;
	}
	f->lro = feature_active(fd, device, "rx-lro");
	f->gro_hw = feature_active(fd, device, "rx-gro-hw");
	f->rxvlan = feature_active(fd, device, "rx-vlan-hw-parse");
	f->mtu = device_mtu(fd, device);
}

static void read_netlink(const char *device, struct device_facts *f)
{
	const uint32_t ifindex = if_nametoindex(device);
	struct netdev_query_port port;

	if (!ifindex)
		return;
	f->takes_known = netdev_query_takes(ifindex, &f->takes) == 0;
	if (netdev_query_port(ifindex, &port) || !port.master ||
	    !if_indextoname(port.master, f->port_of))
		return;
	snprintf(f->port_kind, sizeof(f->port_kind), "%s", port.kind);
}

int device_facts_rp_filter(int proc_fd, const char *device)
{
	long all = read_number(proc_fd, "sys/net/ipv4/conf/all/rp_filter", 0), own;
	char path[64];

	snprintf(path, sizeof(path), "sys/net/ipv4/conf/%.15s/rp_filter", device);
	own = read_number(proc_fd, path, 0);
	return (int)(own > all ? own : all);
}

static void close_socket(struct mnl_socket **nl)
{
	if (*nl)
		mnl_socket_close(*nl);
}

bool device_facts_is_way_out(const char *device)
{
	CLEANUP(close_socket) struct mnl_socket *nl = NULL;
	struct neigh_route route;
	struct addr far;

	return addr_parse(FAR_ADDRESS, &far) == 0 && netlink_open(NETLINK_ROUTE, &nl) == 0 &&
	       neigh_query_route(nl, &far, 0, &route) == 0 &&
	       route.ifindex == if_nametoindex(device);
}

void device_facts_read(int proc_fd, const char *device, struct device_facts *ret)
{
	CLEANUP_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct irq_spread irqs;

	*ret = (struct device_facts) { 0 };
	if (fd >= 0)
		read_ethtool(fd, device, ret);
	read_netlink(device, ret);
	ret->rp_filter = device_facts_rp_filter(proc_fd, device);
	ret->is_way_out = device_facts_is_way_out(device);
	if (irq_spread_read(proc_fd, device, ret->bus, &irqs) == 0) {
		ret->irqs = irqs.irqs;
		ret->irq_cpus = irqs.cpus;
	}
}

void host_facts_read(int proc_fd, struct host_facts *ret)
{
	*ret = (struct host_facts) {
		.cpus = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN),
		.jit = read_number(proc_fd, "sys/net/core/bpf_jit_enable", 1) != 0,
		.conntrack =
			(uint32_t)read_number(proc_fd, "sys/net/netfilter/nf_conntrack_count", 0),
		.conntrack_max =
			(uint32_t)read_number(proc_fd, "sys/net/netfilter/nf_conntrack_max", 0),
	};
}
