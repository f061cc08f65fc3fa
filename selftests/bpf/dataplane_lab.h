/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the dataplane tests run: a network namespace of the test's own and a bpffs directory that
 * goes with it. The veth edge0 is the device under test; its other end is client0, in the same
 * namespace or in that of a host.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/dataplane.h"
#include "event/loop.h"

struct lab {
	char dir[64]; /* below /sys/fs/bpf */
	int dir_fd;
	int netns; /* the edge's, the process' own */
	struct loop *loop;
};

/* cmocka fixtures; *state is a struct lab. The process is in the lab's namespace. */
int lab_open(void **state);
int lab_close(void **state);

/* Run by the shell, in the current namespace; the test fails unless it exits with 0. */
void lab_run(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A namespace for a host; enter and leave it by lab_enter. Closed with close(2). */
int lab_netns_new(void);
void lab_enter(int netns);
/* Put one end of a new veth into netns (device and address as given), the other stays here. */
void lab_host(int netns, const char *here, const char *there, const char *address);

/* Small maps; devices is one, edge0, unless n is 0. */
struct conf_dataplane lab_conf(struct conf_device *device);
/* Open, with a clear message when it fails. */
struct dataplane *lab_dataplane(struct lab *l, const struct conf_dataplane *conf);
/* Turn the loop until done(ctx), at most 5 s ($SLUICE_SLOWER times that, under an emulator). */
void lab_until(struct lab *l, bool (*done)(void *ctx), void *ctx);

size_t lab_pins(const struct lab *l);
bool lab_has_pin(const struct lab *l, const char *name);
/* Id of the link or program pinned there. */
uint32_t lab_link_id(const struct lab *l, const char *name);
uint32_t lab_prog_id(const struct lab *l, const char *name);
/* The XDP program on edge0; 0: none. */
uint32_t lab_xdp_on(const char *device);
/* Run a frame through the pinned XDP program: the action. */
uint32_t lab_test_run(const struct lab *l, const void *frame, size_t bytes);

struct lab_frame {
	uint8_t bytes[128];
	size_t n;
};

/* A UDP (17) or TCP (6, SYN) packet over IPv4. */
struct lab_frame lab_ipv4(const char *src, const char *dst, uint8_t proto, uint16_t sport,
			  uint16_t dport);
struct addr lab_addr(const char *text);
struct prefix lab_prefix(const char *text);
