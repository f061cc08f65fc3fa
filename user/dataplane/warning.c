/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "dataplane_state.h"
#include "layout.h"
#include "pin.h"
#include "warning.h"

/* A page less headroom and skb_shared_info: what drivers take without frags (x86-64). */
#define MTU_SINGLE_BUFFER 3498
#define FEATURES_MAX	  512

void warning_add(struct dataplane *dp, const char *format, ...)
{
	va_list args;

	if (dp->n_warnings == DATAPLANE_WARNINGS_MAX)
		return;
	va_start(args, format);
	vsnprintf(dp->warnings[dp->n_warnings++], sizeof(dp->warnings[0]), format, args);
	va_end(args);
}

static void close_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

static int check_left_behind(const char *name, void *ctx)
{
	struct dataplane *dp = ctx;
	char device[16];

	if (pin_device_parse(name, PIN_LIBXDP, "", device) ||
	    pin_device_parse(name, PIN_CLSACT, "", device))
		warning_add(
			dp,
			"%s was attached from another network namespace (net:[%u]): if that is "
			"still there, take the program off in it (`ip link set dev %s xdp off`)",
			device, layout_netns(dp->dir_fd), device);
	return 0;
}

void warning_check_netns(struct dataplane *dp)
{
	uint32_t before = layout_netns(dp->dir_fd), here = layout_netns_here();

	if (before && here && before != here)
		pin_each(dp->dir_fd, check_left_behind, dp);
}

void warning_check_kernel(struct dataplane *dp)
{
	CLEANUP(close_file) FILE *f = fopen("/proc/sys/net/core/bpf_jit_enable", "re");
	int jit = 1;

	if (f && fscanf(f, "%d", &jit) == 1 && jit == 0)
		warning_add(dp, "the BPF JIT is off: every packet costs several times as much; "
				"`sysctl net.core.bpf_jit_enable=1`");
	if (!dp->xdp.frags)
		warning_add(dp,
			    "this kernel has no multi-buffer XDP (5.18): devices with an MTU "
			    "over %d need generic mode or hook tc",
			    MTU_SINGLE_BUFFER);
	dp->n_warnings_load = dp->n_warnings;
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

static void check_queues(struct dataplane *dp, int fd, const char *device)
{
	struct ethtool_channels c = { .cmd = ETHTOOL_GCHANNELS };
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	uint32_t queues, max;

	if (ethtool(fd, device, &c))
		return;
	queues = c.combined_count + c.rx_count;
	max = c.max_combined + c.max_rx;
	if (queues == 0 || (long)queues >= cpus)
		return;
	warning_add(dp, "%s has %u receive queues for %ld CPUs: some never see a packet; %s",
		    device, queues, cpus,
		    max > queues ? "raise them with `ethtool -L`"
				 : "its hardware has no more: spread by RPS if the CPUs are busy");
}

static void check_xdp(struct dataplane *dp, int fd, const struct device *d)
{
	const char *name = d->state.name;
	uint32_t mtu = device_mtu(fd, name);

	if (!d->state.native && d->want.mode == CONF_XDP_AUTO)
		warning_add(dp,
			    "%s runs generic XDP (native: %s), several times slower; use a "
			    "driver with XDP, or set mode: generic to accept it",
			    name, d->native_error ? strerror(-d->native_error) : "not tried");
	if (d->state.native && feature_active(fd, name, "rx-lro"))
		warning_add(dp,
			    "%s merges packets in hardware (LRO), which XDP cannot see through; "
			    "`ethtool -K %s lro off`",
			    name, name);
	if (feature_active(fd, name, "rx-gro-hw"))
		warning_add(dp,
			    "%s merges packets in hardware (GRO-HW): limits count less than "
			    "what arrived; `ethtool -K %s rx-gro-hw off`",
			    name, name);
	if (!d->state.native && feature_active(fd, name, "rx-vlan-hw-parse"))
		warning_add(dp,
			    "%s strips VLAN tags before generic XDP sees them; `ethtool -K %s "
			    "rxvlan off`",
			    name, name);
	if (d->state.fixed)
		warning_add(dp,
			    "%s is shared through libxdp, where this kernel takes no program that "
			    "makes frames longer: vips of mode ipip and gue drop (encap), senders "
			    "are not told of an MTU; use attach: link or hook tc",
			    name);
	if (mtu > MTU_SINGLE_BUFFER && !dp->xdp.frags)
		warning_add(dp,
			    "%s has MTU %u, over the %d that XDP takes here; lower it or use "
			    "hook tc",
			    name, mtu, MTU_SINGLE_BUFFER);
}

void warning_check_devices(struct dataplane *dp)
{
	CLEANUP_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	size_t i;

	dp->n_warnings = dp->n_warnings_load;
	for (i = 0; fd >= 0 && i < dp->n_devices; i++) {
		const struct device *d = &dp->devices[i];

		if (!d->state.attached)
			continue;
		if (d->state.hook == CONF_HOOK_XDP)
			check_xdp(dp, fd, d);
		check_queues(dp, fd, d->state.name);
	}
}
