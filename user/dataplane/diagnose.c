/* SPDX-License-Identifier: BSD-2-Clause */
#include "diagnose.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A page less headroom and skb_shared_info: what drivers take without frags (x86-64). */
#define MTU_SINGLE_BUFFER 3498

void diagnose_say(struct diagnose_lines *lines, const char *format, ...)
{
	va_list args;

	if (lines->n == DIAGNOSE_LINES_MAX)
		return;
	va_start(args, format);
	vsnprintf(lines->line[lines->n++], sizeof(lines->line[0]), format, args);
	va_end(args);
}

void diagnose_host(const struct host_facts *h, struct diagnose_lines *lines)
{
	if (!h->jit)
		diagnose_say(lines, "the BPF JIT is off: every packet costs several times as much; "
				    "`sysctl net.core.bpf_jit_enable=1`");
	if (!h->frags)
		diagnose_say(
			lines,
			"this kernel has no multi-buffer XDP (5.18), so devices with an MTU over "
			"%d cannot have it natively; give those mode: generic or hook: tc",
			MTU_SINGLE_BUFFER);
	if (h->conntrack_max && (uint64_t)h->conntrack * 5 >= (uint64_t)h->conntrack_max * 4)
		diagnose_say(lines,
			     "connection tracking is over four fifths full (at most %u): then the "
			     "kernel drops new ones that sluice has passed; `sysctl "
			     "net.netfilter.nf_conntrack_max=%llu`, or take the listeners' traffic "
			     "out of it (nft `notrack`)",
			     h->conntrack_max, 4ULL * h->conntrack_max);
}

static void queues(const char *name, const struct device_facts *f, const struct host_facts *h,
		   struct diagnose_lines *lines)
{
	if (f->queues && f->queues < h->cpus)
		diagnose_say(
			lines, "%s has %u receive queues for %u CPUs: some never see a packet; %s",
			name, f->queues, h->cpus,
			f->queues_max > f->queues
				? "raise them with `ethtool -L`"
				: "its hardware has no more: spread by RPS if the CPUs are busy");
	if (f->irqs > 1 && f->irq_cpus == 1 && h->cpus > 1)
		diagnose_say(
			lines,
			"the interrupts of all %u receive queues of %s go to one CPU, which does "
			"all the work; start irqbalance, or give each a CPU of its own in "
			"/proc/irq/*/smp_affinity_list",
			f->irqs, name);
}

static void merging(const struct diagnose_use *u, const struct device_facts *f,
		    struct diagnose_lines *lines)
{
	if (u->native && f->lro)
		diagnose_say(lines,
			     "%s merges packets in hardware (LRO), which XDP cannot see through; "
			     "`ethtool -K %s lro off`",
			     u->name, u->name);
	if (f->gro_hw)
		diagnose_say(lines,
			     "%s merges packets in hardware (GRO-HW): limits count less than what "
			     "arrived; `ethtool -K %s rx-gro-hw off`",
			     u->name, u->name);
	if (!u->native && f->rxvlan)
		diagnose_say(
			lines,
			"%s strips VLAN tags before generic XDP sees them; `ethtool -K %s rxvlan "
			"off`",
			u->name, u->name);
}

static void xdp(const struct diagnose_use *u, const struct device_facts *f,
		const struct host_facts *h, struct diagnose_lines *lines)
{
	if (!u->native && u->mode == CONF_XDP_AUTO)
		diagnose_say(
			lines,
			"%s runs generic XDP (native: %s, driver %s), several times slower; use "
			"a driver with XDP, or set mode: generic to accept it",
			u->name, u->native_error ? strerror(-u->native_error) : "not tried",
			f->driver[0] ? f->driver : "not known");
	merging(u, f, lines);
	if (u->fixed)
		diagnose_say(lines,
			     "%s is shared through libxdp, where this kernel takes no program that "
			     "makes frames longer: vips of mode ipip and gue drop (encap), senders "
			     "are not told of an MTU; use attach: link or hook tc",
			     u->name);
	if (f->mtu > MTU_SINGLE_BUFFER && !h->frags)
		diagnose_say(
			lines,
			"%s has MTU %u, over the %d that XDP takes here; `ip link set dev %s mtu "
			"%d`, or hook tc",
			u->name, f->mtu, MTU_SINGLE_BUFFER, u->name, MTU_SINGLE_BUFFER);
	if (u->native && u->replies && !strcmp(f->driver, "veth") && f->takes_known && !f->takes)
		diagnose_say(
			lines,
			"what XDP sends back by %s is lost: a veth takes it only while its other "
			"end polls, and hands it over at once only for an XDP program there; give "
			"it one (with GRO alone, `ethtool -K DEVICE gro on`, answers come late)",
			u->name);
}

/* The master has its say before, after, or not at all, by its kind. */
static void port(const struct diagnose_use *u, const struct device_facts *f,
		 struct diagnose_lines *lines)
{
	if (!strcmp(f->port_kind, "bond"))
		diagnose_say(lines,
			     "%s is a port of the bond %s: what comes in by its other ports is not "
			     "seen, and XDP of the bond itself is refused; name %s in "
			     "dataplane.devices instead (native since 5.15), or all of its ports",
			     u->name, f->port_of, f->port_of);
	else if (!strcmp(f->port_kind, "team"))
		diagnose_say(lines,
			     "%s is a port of the team %s: what comes in by its other ports is not "
			     "seen; name all of its ports in dataplane.devices",
			     u->name, f->port_of);
	else if (!strcmp(f->port_kind, "bridge"))
		diagnose_say(
			lines,
			"%s is a port of the bridge %s: also what that only passes on to other "
			"ports is judged, and what comes in by those is not; name %s with hook: "
			"tc in dataplane.devices if this host is meant",
			u->name, f->port_of, f->port_of);
}

void diagnose_rp_filter(const char *device, int rp_filter, bool is_way_out, const char *what,
			char *ret, size_t ret_bytes)
{
	ret[0] = '\0';
	if (rp_filter != 1 || is_way_out)
		return;
	snprintf(ret, ret_bytes,
		 "rp_filter is strict on %s, and the way back to the internet is another device: "
		 "the kernel drops %s; `sysctl net.ipv4.conf.%s.rp_filter=2`",
		 device, what, device);
}

void diagnose_device(const struct diagnose_use *u, const struct device_facts *f,
		     const struct host_facts *h, struct diagnose_lines *lines)
{
	char text[DIAGNOSE_LINE_BYTES] = "";

	if (u->hook == CONF_HOOK_XDP)
		xdp(u, f, h, lines);
	queues(u->name, f, h, lines);
	port(u, f, lines);
	if (u->steered)
		diagnose_rp_filter(u->name, f->rp_filter, f->is_way_out,
				   "connections that are steered to listeners here", text,
				   sizeof(text));
	if (text[0])
		diagnose_say(lines, "%s", text);
}

void diagnose_way(const struct diagnose_use *u, const struct device_facts *f,
		  struct diagnose_lines *lines)
{
	const char *remedy = "use hook: tc on the devices that clients come in by";

	if (!f->takes_known || f->takes)
		return;
	if (!strcmp(f->driver, "veth"))
		remedy =
			"switch GRO on at its other end (`ethtool -K DEVICE gro on`), or give that "
			"an XDP program";
	else if (!u->is_added)
		remedy = "name it in dataplane.devices, since many drivers take them only beside a "
			 "program, or use hook: tc on the devices that clients come in by";
	diagnose_say(lines,
		     "packets to backends leave by %s, which takes none from native XDP "
		     "(driver %s): they are lost; %s",
		     u->name, f->driver[0] ? f->driver : "not known", remedy);
}
