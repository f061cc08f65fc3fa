/* SPDX-License-Identifier: BSD-2-Clause */
#include "warning.h"

#include <fcntl.h>
#include <net/if.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "dataplane_state.h"
#include "device_facts.h"
#include "layout.h"
#include "pin.h"
#include "steer_map.h"
#include "vip_state.h"
#include "warning_nat.h"

static int check_left_behind(const char *name, void *ctx)
{
	struct dataplane *dp = ctx;
	char device[16];

	if (pin_device_parse(name, PIN_LIBXDP, "", device) ||
	    pin_device_parse(name, PIN_CLSACT, "", device))
		diagnose_say(
			&dp->warnings,
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

static void if_names_free(struct if_nameindex **names)
{
	if (*names)
		if_freenameindex(*names);
}

static struct diagnose_use use_of(const struct dataplane *dp, const struct device *d)
{
	return (struct diagnose_use) {
		.name = d->state.name,
		.hook = d->state.hook,
		.mode = d->want.mode,
		.native = d->state.native,
		.native_error = d->native_error,
		.fixed = d->state.fixed,
		.steered = steer_map_used(dp) > 0,
		.is_added = true,
		.replies = dp->guard_is_used || (dp->vip && dp->vip->n_services),
	};
}

/* Is a packet that native XDP took in to leave by that device? */
static bool is_way(const struct dataplane *dp, uint32_t ifindex)
{
	for (size_t i = 0; dp->vip && i < dp->vip->n_services; i++) {
		const struct vip_service *s = &dp->vip->services[i];

		for (size_t j = 0; j < s->n_backends; j++)
			if (s->backends[j].has_hop && s->backends[j].hop.ifindex == ifindex)
				return true;
	}
	return false;
}

static void check_ways(struct dataplane *dp, int proc_fd)
{
	CLEANUP(if_names_free) struct if_nameindex *all = NULL;
	bool native = false;

	for (size_t i = 0; i < dp->n_devices; i++)
		native = native || (dp->devices[i].state.attached && dp->devices[i].state.native);
	if (native && dp->vip && dp->vip->n_services)
		all = if_nameindex();
	for (const struct if_nameindex *p = all; p && p->if_index; p++) {
		struct diagnose_use use = { .name = p->if_name };
		struct device_facts facts;

		if (!is_way(dp, p->if_index))
			continue;
		for (size_t i = 0; i < dp->n_devices; i++)
			use.is_added = use.is_added || dp->devices[i].state.ifindex == p->if_index;
		device_facts_read(proc_fd, p->if_name, &facts);
		diagnose_way(&use, &facts, &dp->warnings);
	}
}

void warning_check(struct dataplane *dp)
{
	CLEANUP_FD int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct host_facts host;

	dp->warnings.n = dp->n_warnings_load;
	if (proc_fd < 0)
		return;
	host_facts_read(proc_fd, &host);
	host.frags = dp->xdp.frags;
	diagnose_host(&host, &dp->warnings);
	for (size_t i = 0; i < dp->n_devices; i++) {
		const struct diagnose_use use = use_of(dp, &dp->devices[i]);
		struct device_facts facts;

		if (!dp->devices[i].state.attached)
			continue;
		device_facts_read(proc_fd, use.name, &facts);
		diagnose_device(&use, &facts, &host, &dp->warnings);
	}
	check_ways(dp, proc_fd);
	warning_nat_check(dp);
}

static bool has_line(const struct diagnose_lines *lines, const char *line)
{
	for (size_t i = 0; i < lines->n; i++)
		if (strcmp(lines->line[i], line) == 0)
			return true;
	return false;
}

void dataplane_diagnose_soon(struct dataplane *dp)
{
	dp->diagnose_checks = 2;
}

void dataplane_diagnose(struct dataplane *dp)
{
	warning_check(dp);
	for (size_t i = 0; i < dp->warnings.n; i++)
		if (!has_line(&dp->told, dp->warnings.line[i]))
			log_warn("dataplane.warning", LOG_STR("text", dp->warnings.line[i]));
	dp->told = dp->warnings;
}
