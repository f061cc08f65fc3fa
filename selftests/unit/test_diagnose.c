/* SPDX-License-Identifier: BSD-2-Clause */
/* What is said of a host and its devices, from facts as they were found; nothing of healthy ones. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "dataplane/diagnose.h"
#include "dataplane/irq_spread.h"

static const struct host_facts healthy_host = { .cpus = 8, .jit = true, .frags = true };
static const struct device_facts healthy = { .driver = "ice",
					     .mtu = 1500,
					     .queues = 8,
					     .queues_max = 8,
					     .takes_known = true,
					     .takes = true,
					     .is_way_out = true,
					     .rp_filter = 1,
					     .irqs = 8,
					     .irq_cpus = 8 };
static const struct diagnose_use native = { .name = "eth0", .native = true, .is_added = true };

/* One line, with both texts and a remedy: a command, or a sentence after a semicolon. */
static void says_one(const struct diagnose_lines *lines, const char *what, const char *remedy)
{
	if (lines->n != 1 || !strstr(lines->line[0], what) || !strstr(lines->line[0], remedy))
		fail_msg("%zu lines, not one of %s: %s", lines->n, what,
			 lines->n ? lines->line[0] : "none");
	assert_non_null(strstr(lines->line[0], "; "));
	assert_true(strlen(lines->line[0]) < DIAGNOSE_LINE_BYTES - 1);
}

static void nothing_is_said_of_what_is_healthy(void **state)
{
	struct diagnose_lines lines = { .n = 0 };
	struct diagnose_use use = native;
	struct device_facts facts = healthy;

	(void)state;
	use.replies = use.steered = true;
	diagnose_host(&healthy_host, &lines);
	diagnose_device(&use, &healthy, &healthy_host, &lines);
	diagnose_way(&use, &healthy, &lines);
	/* what is not known is not held against it */
	facts = (struct device_facts) { 0 };
	diagnose_device(&use, &facts, &healthy_host, &lines);
	diagnose_way(&use, &facts, &lines);
	/* a vrf hands its ports' packets on as they come; loose or no filter drops nothing */
	facts = healthy;
	strcpy(facts.port_of, "red");
	strcpy(facts.port_kind, "vrf");
	facts.is_way_out = false;
	facts.rp_filter = 2;
	diagnose_device(&use, &facts, &healthy_host, &lines);
	/* tc sits behind all that XDP cannot see through */
	facts.lro = facts.gro_hw = facts.rxvlan = true;
	use = (struct diagnose_use) { .name = "eth0", .hook = CONF_HOOK_TC };
	diagnose_device(&use, &facts, &healthy_host, &lines);
	assert_int_equal(lines.n, 0);
}

static void a_host_is_told_what_to_set(void **state)
{
	const struct {
		struct host_facts host;
		const char *what, *remedy;
	} rows[] = {
		{ { .cpus = 8, .frags = true },
		  "JIT is off",
		  "`sysctl net.core.bpf_jit_enable=1`" },
		{ { .cpus = 8, .jit = true }, "no multi-buffer XDP", "hook: tc" },
		{ { .jit = true, .frags = true, .conntrack = 80, .conntrack_max = 100 },
		  "connection tracking",
		  "nf_conntrack_max=400" },
	};
	const struct host_facts room = {
		.jit = true, .frags = true, .conntrack = 79, .conntrack_max = 100
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct diagnose_lines lines = { .n = 0 };

		diagnose_host(&rows[i].host, &lines);
		says_one(&lines, rows[i].what, rows[i].remedy);
		lines.n = 0;
		diagnose_host(&room, &lines);
		assert_int_equal(lines.n, 0);
	}
}

/* One change of a healthy device a row. */
struct row {
	const char *what, *remedy;
	struct diagnose_use use;
	struct device_facts facts; /* is_way_out and no queues: as nothing was said */
};

#define USE(...)                                              \
	{                                                     \
		.name = "eth0", .is_added = true, __VA_ARGS__ \
	}
#define NATIVE .native = true
#define FACTS(...)                              \
	{                                       \
		.is_way_out = true, __VA_ARGS__ \
	}

static const struct row rows[] = {
	{ "native: Operation not supported, driver r8169", "mode: generic",
	  USE(.native_error = -EOPNOTSUPP), FACTS(.driver = "r8169") },
	{ "native: not tried, driver not known", "mode: generic", USE(.fixed = false), FACTS() },
	{ "(LRO)", "`ethtool -K eth0 lro off`", USE(NATIVE), FACTS(.lro = true) },
	{ "(GRO-HW)", "`ethtool -K eth0 rx-gro-hw off`", USE(NATIVE), FACTS(.gro_hw = true) },
	{ "strips VLAN tags", "`ethtool -K eth0 rxvlan off`", USE(.mode = CONF_XDP_GENERIC),
	  FACTS(.rxvlan = true) },
	{ "through libxdp", "attach: link", USE(NATIVE, .fixed = true), FACTS() },
	{ "1 receive queues for 8 CPUs", "`ethtool -L`", USE(NATIVE),
	  FACTS(.queues = 1, .queues_max = 8) },
	{ "4 receive queues for 8 CPUs", "RPS", USE(.hook = CONF_HOOK_TC),
	  FACTS(.queues = 4, .queues_max = 4) },
	{ "all 8 receive queues of eth0 go to one CPU", "irqbalance", USE(NATIVE),
	  FACTS(.irqs = 8, .irq_cpus = 1) },
	{ "a port of the bond bond0", "name bond0", USE(NATIVE),
	  FACTS(.port_of = "bond0", .port_kind = "bond") },
	{ "a port of the team team0", "all of its ports", USE(NATIVE),
	  FACTS(.port_of = "team0", .port_kind = "team") },
	{ "a port of the bridge br0", "name br0 with hook: tc", USE(.hook = CONF_HOOK_TC),
	  FACTS(.port_of = "br0", .port_kind = "bridge") },
	{ "what XDP sends back by eth0 is lost", "gro on", USE(NATIVE, .replies = true),
	  FACTS(.driver = "veth", .takes_known = true) },
	{ "rp_filter is strict on eth0",
	  "`sysctl net.ipv4.conf.eth0.rp_filter=2`",
	  USE(NATIVE, .steered = true),
	  { .rp_filter = 1 } },
};

static void a_device_is_told_what_to_change(void **state)
{
	const struct device_facts jumbo = FACTS(.mtu = 9000);
	struct host_facts old = healthy_host;
	struct diagnose_lines lines;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		lines.n = 0;
		diagnose_device(&rows[i].use, &rows[i].facts, &healthy_host, &lines);
		says_one(&lines, rows[i].what, rows[i].remedy);
	}
	lines.n = 0;
	diagnose_device(&native, &jumbo, &healthy_host, &lines);
	assert_int_equal(lines.n, 0);
	old.frags = false;
	diagnose_device(&native, &jumbo, &old, &lines);
	says_one(&lines, "MTU 9000, over the 3498", "`ip link set dev eth0 mtu 3498`");
}

/* By which backends are reached: what becomes of packets there, and whose other end has to change. */
static void a_way_out_that_takes_nothing_is_named(void **state)
{
	struct diagnose_use use = { .name = "eth1" };
	struct device_facts facts = { .driver = "i40e", .takes_known = true };
	struct diagnose_lines lines = { .n = 0 };

	(void)state;
	diagnose_way(&use, &facts, &lines);
	says_one(&lines, "leave by eth1", "name it in dataplane.devices");
	use.is_added = true;
	strcpy(facts.driver, "bridge");
	lines.n = 0;
	diagnose_way(&use, &facts, &lines);
	says_one(&lines, "driver bridge", "use hook: tc");
	assert_null(strstr(lines.line[0], "name it"));
	strcpy(facts.driver, "veth");
	lines.n = 0;
	diagnose_way(&use, &facts, &lines);
	says_one(&lines, "driver veth", "`ethtool -K DEVICE gro on`");
}

static void a_line_too_many_is_left_out(void **state)
{
	struct diagnose_lines *lines = calloc(1, sizeof(*lines));

	(void)state;
	for (int i = 0; i < DIAGNOSE_LINES_MAX + 3; i++)
		diagnose_say(lines, "%d", i);
	assert_int_equal(lines->n, DIAGNOSE_LINES_MAX);
	assert_string_equal(lines->line[DIAGNOSE_LINES_MAX - 1], "63");
	free(lines);
}

/* Of a machine with 4 CPUs: virtio_net, ixgbe, mlx5, and a device whose name begins as another's. */
static const char interrupts[] =
	"           CPU0       CPU1       CPU2       CPU3\n"
	"  8:          0          0          0          0  IO-APIC   8-edge      rtc0\n"
	" 37:          0          0          0          0 PCI-MSIX-0000:00:03.0   0-edge      "
	"virtio2-config\n"
	" 38:          0      13230          0          0 PCI-MSIX-0000:00:03.0   1-edge      "
	"virtio2-input.0\n"
	" 39:       9644          0          0          0 PCI-MSIX-0000:00:03.0   2-edge      "
	"virtio2-output.0\n"
	" 40:          0      13230          0          0 PCI-MSIX-0000:00:03.0   3-edge      "
	"virtio2-input.1\n"
	" 50:  1  0  0  0  PCI-MSI 524288-edge      eth1-TxRx-0\n"
	" 51:  1  0  0  0  PCI-MSI 524289-edge      eth1-TxRx-1\n"
	" 52:  1  0  0  0  PCI-MSI 524290-edge      eth1\n"
	" 60:  1  0  0  0  PCI-MSI 524288-edge      eth10-TxRx-0\n"
	" 70:  1  0  0  0  PCI-MSI 1-edge      mlx5_async0@pci:0000:81:00.0\n"
	" 71:  1  0  0  0  PCI-MSI 2-edge      mlx5_comp0@pci:0000:81:00.0\n"
	"NMI:          0          0          0          0   Non-maskable interrupts\n"
	"ERR:          0\n";

static void write_at(int dir, const char *path, const char *text)
{
	CLEANUP_FD int fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static int recorded(char path[32])
{
	static const struct {
		const char *dir, *file, *text;
	} affinity[] = {
		{ "irq/38", "irq/38/effective_affinity_list", "1\n" },
		{ "irq/40", "irq/40/effective_affinity_list", "1\n" },
		{ "irq/50", "irq/50/effective_affinity_list", "\n" }, /* not set up */
		{ "irq/51", "irq/51/smp_affinity_list", "0-1,3\n" },
		{ "irq/60", "irq/60/smp_affinity_list", "3\n" },
	};
	int dir;

	strcpy(path, "/tmp/test_diagnose.XXXXXX");
	assert_non_null(mkdtemp(path));
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir >= 0);
	write_at(dir, "interrupts", interrupts);
	assert_int_equal(mkdirat(dir, "irq", 0755), 0);
	for (size_t i = 0; i < sizeof(affinity) / sizeof(affinity[0]); i++) {
		assert_int_equal(mkdirat(dir, affinity[i].dir, 0755), 0);
		write_at(dir, affinity[i].file, affinity[i].text);
	}
	write_at(dir, "irq/50/smp_affinity_list", "0\n");
	return dir;
}

static void interrupts_are_a_devices_by_name_or_bus(void **state)
{
	char path[32], remove[64];
	CLEANUP_FD int dir = recorded(path);
	struct irq_spread spread;

	(void)state;
	assert_int_equal(irq_spread_read(dir, "eth0", "0000:00:03.0", &spread), 0);
	assert_int_equal(spread.irqs, 2);
	assert_int_equal(spread.cpus, 1);
	assert_int_equal(irq_spread_read(dir, "eth1", "", &spread), 0);
	assert_int_equal(spread.irqs, 2);
	assert_int_equal(spread.cpus, 3);
	assert_int_equal(irq_spread_read(dir, "eth7", "0000:81:00.0", &spread), 0);
	assert_int_equal(spread.irqs, 1);
	assert_int_equal(spread.cpus, 0); /* /proc does not say */
	assert_int_equal(irq_spread_read(dir, "veth0", "", &spread), 0);
	assert_int_equal(spread.irqs, 0);
	assert_int_equal(unlinkat(dir, "interrupts", 0), 0);
	assert_int_equal(irq_spread_read(dir, "eth0", "", &spread), -ENOENT);
	snprintf(remove, sizeof(remove), "rm -r %s", path);
	assert_int_equal(system(remove), 0);
}

/* The stricter of the two counts: loose (2) is over strict (1). */
static void settings_are_read_as_the_kernel_takes_them(void **state)
{
	static const struct {
		const char *all, *own;
		int in_force;
	} filters[] = { { "0\n", "1\n", 1 },
			{ "1\n", "0\n", 1 },
			{ "2\n", "1\n", 2 },
			{ "0\n", "0\n", 0 },
			{ "x", "", 0 } };
	char path[32], remove[64];
	CLEANUP_FD int dir = recorded(path);
	struct host_facts host;

	(void)state;
	host_facts_read(dir, &host);
	assert_true(host.jit); /* of a namespace that has no such file */
	assert_int_equal(host.conntrack_max, 0);
	snprintf(remove, sizeof(remove), "mkdir -p %s/sys/net", path);
	assert_int_equal(system(remove), 0);
	for (size_t i = 0; i < 4; i++) {
		static const char *const dirs[] = { "sys/net/core", "sys/net/netfilter",
						    "sys/net/ipv4", "sys/net/ipv4/conf" };

		assert_int_equal(mkdirat(dir, dirs[i], 0755), 0);
	}
	assert_int_equal(mkdirat(dir, "sys/net/ipv4/conf/all", 0755), 0);
	assert_int_equal(mkdirat(dir, "sys/net/ipv4/conf/eth0.7", 0755), 0);
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
		write_at(dir, "sys/net/ipv4/conf/all/rp_filter", filters[i].all);
		write_at(dir, "sys/net/ipv4/conf/eth0.7/rp_filter", filters[i].own);
		assert_int_equal(device_facts_rp_filter(dir, "eth0.7"), filters[i].in_force);
	}
	write_at(dir, "sys/net/core/bpf_jit_enable", "0\n");
	write_at(dir, "sys/net/netfilter/nf_conntrack_count", "17\n");
	write_at(dir, "sys/net/netfilter/nf_conntrack_max", "262144\n");
	host_facts_read(dir, &host);
	assert_false(host.jit);
	assert_int_equal(host.conntrack, 17);
	assert_int_equal(host.conntrack_max, 262144);
	snprintf(remove, sizeof(remove), "rm -r %s", path);
	assert_int_equal(system(remove), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_said_of_what_is_healthy),
		cmocka_unit_test(a_host_is_told_what_to_set),
		cmocka_unit_test(a_device_is_told_what_to_change),
		cmocka_unit_test(a_way_out_that_takes_nothing_is_named),
		cmocka_unit_test(a_line_too_many_is_left_out),
		cmocka_unit_test(interrupts_are_a_devices_by_name_or_bus),
		cmocka_unit_test(settings_are_read_as_the_kernel_takes_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
