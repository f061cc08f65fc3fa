/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane_lab.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/clock.h"

#define WAIT_NS (5 * NS_PER_S)

/* Under an emulator: how many times longer to wait. */
static uint64_t wait_ns(void)
{
	const char *slower = getenv("SLUICE_SLOWER");
	int times = slower ? atoi(slower) : 1;

	return WAIT_NS * (uint64_t)(times > 0 ? times : 1);
}

void lab_run(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

/*
 * libxdp makes it when it is asked for anything, once a process: gone again when the process ends,
 * unless it was there before, or is in use.
 */
#define LIBXDP_DIR "/sys/fs/bpf/xdp"

static void remove_libxdp_dir(void)
{
	rmdir(LIBXDP_DIR);
}

static void remember_libxdp_dir(void)
{
	static bool asked;

	if (!asked && access(LIBXDP_DIR, F_OK) != 0)
		atexit(remove_libxdp_dir);
	asked = true;
}

/* The lab that is open: a setup that fails has no teardown. */
static struct lab *open_lab;

static void clean_up(void)
{
	struct errmsg err;

	if (!open_lab)
		return;
	dataplane_detach_all(open_lab->dir_fd, &err);
	rmdir(open_lab->dir);
}

static int current_netns(void)
{
	return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
}

int lab_open(void **state)
{
	struct lab *l = calloc(1, sizeof(*l));

	assert_non_null(l);
	*state = l;
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	l->netns = current_netns();
	remember_libxdp_dir(); /* first, so that it is removed last */
	if (!open_lab)
		atexit(clean_up);
	open_lab = l;
	snprintf(l->dir, sizeof(l->dir), "/sys/fs/bpf/t-dataplane-%d", (int)getpid());
	assert_true(mkdir(l->dir, 0700) == 0 || errno == EEXIST);
	l->dir_fd = open(l->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(l->dir_fd >= 0);
	assert_int_equal(loop_new(&l->loop), 0);
	lab_run("ip link set lo up && ip link add edge0 type veth peer name client0 && "
		"ip link set edge0 up && ip link set client0 up");
	return 0;
}

int lab_close(void **state)
{
	struct lab *l = *state;
	struct errmsg err;

	lab_enter(l->netns);
	assert_int_equal(dataplane_detach_all(l->dir_fd, &err), 0);
	close(l->dir_fd);
	assert_int_equal(rmdir(l->dir), 0);
	open_lab = NULL;
	loop_free(l->loop);
	close(l->netns);
	free(l);
	return 0;
}

int lab_netns_new(void)
{
	int here = current_netns(), made;

	assert_int_equal(unshare(CLONE_NEWNET), 0);
	made = current_netns();
	lab_run("ip link set lo up");
	lab_enter(here);
	close(here);
	return made;
}

void lab_enter(int netns)
{
	assert_int_equal(setns(netns, CLONE_NEWNET), 0);
}

void lab_host(int netns, const char *here, const char *there, const char *address)
{
	int home = current_netns();

	/* ip(8) runs as a child: it can name the namespace by the parent's descriptor. */
	lab_run("ip link add %s type veth peer name %s && ip link set %s up && "
		"ip link set %s netns /proc/%d/fd/%d",
		here, there, here, there, (int)getpid(), netns);
	lab_enter(netns);
	lab_run("ip addr add %s dev %s && ip link set %s up && ethtool -K %s gro on", address,
		there, there, there);
	lab_enter(home);
	close(home);
}

struct conf_dataplane lab_conf(struct conf_device *device)
{
	return (struct conf_dataplane) {
		.enabled = true,
		.devices = device,
		.n_devices = device ? 1 : 0,
		.max_clients = 4096,
		.limit_rows = 65536,
		.max_responses = 4096,
		.max_concurrent = 1024,
		.max_acl = 1024,
		.max_verdicts = 1024,
		.max_vips = 8,
		.max_backends = 32,
		.max_meters = 256,
		.ring_size = 251,
		.max_flows = 1024,
		.events_per_s = 1000,
	};
}

struct dataplane *lab_dataplane(struct lab *l, const struct conf_dataplane *conf)
{
	struct dataplane *dp = NULL;
	struct errmsg err = { 0 };
	int e = dataplane_open(l->dir_fd, conf, &dp, &err);

	if (e)
		fail_msg("dataplane_open: %d %s", e, err.text);
	return dp;
}

void lab_until(struct lab *l, bool (*done)(void *ctx), void *ctx)
{
	uint64_t end = clock_now_ns() + wait_ns();

	while (!done(ctx)) {
		assert_int_equal(loop_turn(l->loop, 10), 0);
		if (clock_now_ns() > end)
			fail_msg("what was waited for did not happen within %d s",
				 (int)(wait_ns() / NS_PER_S));
	}
}

size_t lab_pins(const struct lab *l)
{
	DIR *dir = opendir(l->dir);
	struct dirent *e;
	size_t n = 0;

	assert_non_null(dir);
	while ((e = readdir(dir)))
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

static int pin_open(const struct lab *l, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", l->dir, name);
	return bpf_obj_get(path);
}

bool lab_has_pin(const struct lab *l, const char *name)
{
	int fd = pin_open(l, name);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

uint32_t lab_link_id(const struct lab *l, const char *name)
{
	struct bpf_link_info info = { 0 };
	uint32_t len = sizeof(info);
	int fd = pin_open(l, name);

	assert_true(fd >= 0);
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	close(fd);
	return info.id;
}

uint32_t lab_prog_id(const struct lab *l, const char *name)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);
	int fd = pin_open(l, name);

	assert_true(fd >= 0);
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	close(fd);
	return info.id;
}

uint32_t lab_xdp_on(const char *device)
{
	uint32_t id = 0;

	assert_int_equal(bpf_xdp_query_id((int)if_nametoindex(device), 0, &id), 0);
	return id;
}

uint32_t lab_test_run(const struct lab *l, const void *frame, size_t bytes)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = (uint32_t)bytes,
		    .repeat = 1);
	int fd = pin_open(l, "prog_xdp_ingress");

	assert_true(fd >= 0);
	assert_int_equal(bpf_prog_test_run_opts(fd, &opts), 0);
	close(fd);
	return opts.retval;
}

static uint16_t ip_checksum(const uint8_t *header)
{
	uint32_t sum = 0;
	size_t i;

	for (i = 0; i < 20; i += 2)
		sum += (uint32_t)(header[i] << 8 | header[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~((sum & 0xffff) + (sum >> 16));
}

struct lab_frame lab_ipv4(const char *src, const char *dst, uint8_t proto, uint16_t sport,
			  uint16_t dport)
{
	struct lab_frame f = { .n = 14 + 20 + (proto == 6 ? 20 : 8) + 4 };
	uint8_t *ip = f.bytes + 14, *l4 = ip + 20;
	uint16_t sum;

	memcpy(f.bytes, "\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\x00", 14);
	ip[0] = 0x45;
	ip[3] = (uint8_t)(f.n - 14);
	ip[8] = 64;
	ip[9] = proto;
	assert_int_equal(inet_pton(AF_INET, src, ip + 12), 1);
	assert_int_equal(inet_pton(AF_INET, dst, ip + 16), 1);
	sum = ip_checksum(ip);
	ip[10] = (uint8_t)(sum >> 8);
	ip[11] = (uint8_t)sum;
	l4[0] = (uint8_t)(sport >> 8);
	l4[1] = (uint8_t)sport;
	l4[2] = (uint8_t)(dport >> 8);
	l4[3] = (uint8_t)dport;
	if (proto == 6) {
		l4[12] = 0x50; /* 20 bytes of header */
		l4[13] = 0x02; /* SYN */
	} else {
		l4[5] = 12; /* length; checksum 0: none */
	}
	return f;
}

struct addr lab_addr(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

struct prefix lab_prefix(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(text, &p), 0);
	return p;
}
