/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One device, two owners: our program in libxdp's dispatcher beside somebody else's.
 * harness: may-skip alone
 * The dispatcher takes programs of type EXT on XDP (freplace), which some kernels are built without;
 * `make test-kernels` runs this on kernels that have them.
 */
#include "dataplane_lab.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xdp/libxdp.h>

#include "dataplane/acl_map.h"
#include "dataplane/stats_map.h"
#include "foreign.skel.h"

#define FRAMES 10

struct shared {
	struct lab *lab;
	struct xdp_program *foreign;
	struct dataplane *dp;
	uint64_t ours_at_least, foreign_at_least;
};

static uint64_t foreign_seen(const struct shared *s)
{
	struct bpf_object *obj = xdp_program__bpf_obj(s->foreign);
	uint32_t zero = 0;
	uint64_t n = 0;

	assert_int_equal(bpf_map_lookup_elem(bpf_object__find_map_fd_by_name(obj, "foreign_seen"),
					     &zero, &n),
			 0);
	return n;
}

static uint64_t ours_seen(const struct shared *s)
{
	struct stats_count drops[DROP_REASON_COUNT];

	assert_int_equal(stats_map_drops(s->dp, drops), 0);
	return drops[0].packets;
}

static bool have_seen(void *ctx)
{
	const struct shared *s = ctx;

	return foreign_seen(s) >= s->foreign_at_least &&
	       (!s->dp || ours_seen(s) >= s->ours_at_least);
}

static void send_frames(const char *source)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_ifindex = (int)if_nametoindex("client0"),
				  .sll_halen = 6 };
	struct lab_frame f = lab_ipv4(source, "192.0.2.1", 17, 1000, 2000);
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), i;

	assert_true(fd >= 0);
	for (i = 0; i < FRAMES; i++)
		assert_int_equal(sendto(fd, f.bytes, f.n, 0, (struct sockaddr *)&to, sizeof(to)),
				 f.n);
	close(fd);
}

/* Frames that both programs (ours: while there is a dataplane) have to see. */
static void both_see(struct shared *s)
{
	s->foreign_at_least = foreign_seen(s) + FRAMES;
	s->ours_at_least = s->dp ? ours_seen(s) + FRAMES : 0;
	send_frames("198.51.100.1");
	lab_until(s->lab, have_seen, s);
}

/* Was it put alone onto the device, since the kernel refuses the dispatcher? */
static bool without_dispatcher(void)
{
	struct xdp_multiprog *mp = xdp_multiprog__get_from_ifindex((int)if_nametoindex("edge0"));
	bool legacy;

	assert_int_equal(libxdp_get_error(mp), 0);
	legacy = xdp_multiprog__is_legacy(mp);
	xdp_multiprog__close(mp);
	return legacy;
}

static void foreign_attach(struct shared *s)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "foreign");
	const void *data;
	size_t bytes;

	data = foreign__elf_bytes(&bytes);
	s->foreign = xdp_program__from_bpf_obj(bpf_object__open_mem(data, bytes, &opts), "xdp");
	assert_int_equal(libxdp_get_error(s->foreign), 0);
	assert_int_equal(
		xdp_program__attach(s->foreign, (int)if_nametoindex("edge0"), XDP_MODE_NATIVE, 0),
		0);
}

static void foreign_detach(struct shared *s)
{
	assert_int_equal(
		xdp_program__detach(s->foreign, (int)if_nametoindex("edge0"), XDP_MODE_NATIVE, 0),
		0);
	xdp_program__close(s->foreign);
}

static void start(struct shared *s, struct conf_dataplane *conf)
{
	const struct dataplane_device *d;

	s->dp = lab_dataplane(s->lab, conf);
	if (dataplane_attach(s->dp, conf)) {
		dataplane_devices(s->dp, &d);
		fail_msg("attach: %s", d->error);
	}
	dataplane_devices(s->dp, &d);
	assert_true(d->through_libxdp && d->native);
}

static void stop(struct shared *s)
{
	dataplane_close(s->dp);
	s->dp = NULL;
}

/* A kernel that takes only what leaves a frame's length alone is named as the reason. */
static void warned_where_fixed(const struct shared *s)
{
	const struct dataplane_device *d;
	const char *lines[DATAPLANE_WARNINGS_MAX];
	size_t n = dataplane_warnings(s->dp, lines, DATAPLANE_WARNINGS_MAX), found = 0;

	dataplane_devices(s->dp, &d);
	for (size_t i = 0; i < n; i++)
		found += strstr(lines[i], "is shared through libxdp") != NULL;
	assert_int_equal(found, d->fixed);
}

static void both_run_and_ours_goes_alone(void **state)
{
	struct conf_device dev = { .name = "edge0" }; /* attach: auto */
	struct conf_dataplane conf = lab_conf(&dev);
	struct shared s = { .lab = *state };
	struct prefix denied = lab_prefix("203.0.113.0/24");
	struct stats_count drops[DROP_REASON_COUNT];
	struct errmsg err;

	foreign_attach(&s);
	if (without_dispatcher()) {
		foreign_detach(&s);
		puts("this kernel refuses libxdp's dispatcher (programs of type EXT on XDP)");
		skip();
	}
	both_see(&s);
	start(&s, &conf);
	warned_where_fixed(&s);
	both_see(&s);

	/* Ours decides, too. */
	assert_int_equal(acl_map_add(s.dp, ACL_LIST_DENY, &denied, ACL_FROM_OPERATOR), 0);
	s.ours_at_least = ours_seen(&s) + FRAMES;
	s.foreign_at_least = 0;
	send_frames("203.0.113.7");
	lab_until(s.lab, have_seen, &s);
	assert_int_equal(stats_map_drops(s.dp, drops), 0);
	assert_int_equal(drops[DROP_ACL_DENY].packets, FRAMES);

	/* Another agent takes over, in the same dispatcher. */
	stop(&s);
	start(&s, &conf);
	both_see(&s);

	stop(&s);
	assert_int_equal(dataplane_detach_all(s.lab->dir_fd, &err), 0);
	assert_int_not_equal(lab_xdp_on("edge0"), 0);
	both_see(&s);
	foreign_detach(&s);
	assert_int_equal(lab_xdp_on("edge0"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(both_run_and_ours_goes_alone, lab_open, lab_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
