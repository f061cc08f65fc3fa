/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a monitor holds, and how it hands that to the program that takes its place (execve(2) keeps
 * the process, its children and the numbers of its descriptors): a sealed memfd of rows that say which
 * descriptor is what. Rows have a kind and a size of their own, so that versions may differ.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "../base/errmsg.h"
#include "../conf/conf.h"
#include "kept_fds.h"
#include "listen_group.h"
#include "message.h"

#define HANDOVER_PATH_MAX 128

struct handover {
	int control_fd, internal_fd, bpffs_fd; /* -1: none */
	int config_fd;			       /* the text that was checked; -1 but in an upgrade */
	char control_socket[HANDOVER_PATH_MAX], bpffs_dir[HANDOVER_PATH_MAX]; /* cut */
	/* The first of the workers' slots: those of a generation are in one half of them. */
	uint32_t base;
	struct {
		pid_t pid; /* 0: none */
		int fd;
	} worker[MESSAGE_SLOTS_MAX];
	struct kept_fds kept;
	struct listen_groups groups;
};

/* Note the places that the configuration of the start names. */
void handover_name(struct handover *h, const struct conf_agent *c);
/* A descriptor of its rows, without close-on-exec, or negative errno. */
int handover_write(const struct handover *h);
/*
 * Read what handover_write wrote, here or in another version; all descriptors become close-on-exec.
 * -EPROTO and *err: not one, of a version that this one does not know, or of descriptors that are
 * not there.
 */
int handover_read(int fd, struct handover *ret, struct errmsg *err);
/* Whether all that it names survives an execve(2). */
void handover_inherit(const struct handover *h, bool inherit);
/*
 * May the agent go on with this configuration, or was something changed in it that only a new start
 * brings about? -EINVAL and *err.
 */
int handover_fits(const struct handover *h, const struct conf *conf, struct errmsg *err);
/* Workers that belong to the generation before this one. */
uint32_t handover_leaving(const struct handover *h);
