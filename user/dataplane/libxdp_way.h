/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What takes CAP_SYS_ADMIN, asked of somebody who has it: libxdp looks programs up by id and pins
 * below /sys/fs/bpf/xdp. The supervisor has not; it asks the monitor, whose child runs it.
 */
#pragma once

#include <stdint.h>

#include "../base/errmsg.h"

enum libxdp_op {
	LIBXDP_ATTACH =
		1,     /* our program with the pinned maps, beside or in place of ours of before */
	LIBXDP_DETACH, /* ours alone */
	LIBXDP_NAME,   /* the XDP program that is on the device, for a message */
};

struct libxdp_request {
	uint32_t op;
	char device[16];
	uint32_t mode; /* enum conf_xdp_mode */
	/* of bpf/config.h, as in the program of a link */
	uint32_t unknown_l4; /* enum conf_unknown_l4 */
	uint32_t ring_size;
	uint32_t events_per_s;
	uint32_t too_big_per_s;
	uint32_t echo_per_s;
	uint32_t frags;
	uint32_t prog_id; /* that the asker attached already, 0; answer: that runs now */
	/* answer */
	uint32_t native;
	uint32_t adopted; /* a program of ours was there before */
	uint32_t fixed;	  /* it cannot make frames longer: see dataplane_device */
};

/*
 * Who does it; do_it NULL: this process. A blocking call of bounded time: 0 and the answer in *r, or
 * negative errno and *err. With LIBXDP_NAME the name is *err's text.
 */
struct libxdp_way {
	int (*do_it)(struct libxdp_request *r, struct errmsg *err, void *ctx);
	void *ctx;
};

/*
 * Do it in this process, for one that is not trusted: everything in *r is checked, and nothing can be
 * attached but the program built into this binary, on maps of the shapes that it wants.
 *   dir_fd  the bpffs directory; what is pinned in it will be its owner's
 */
int libxdp_way_run(int dir_fd, struct libxdp_request *r, struct errmsg *err);
