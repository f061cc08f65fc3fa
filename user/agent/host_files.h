/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files and directories that root opens or makes for the others. The monitor and `sluiced --check`
 * share these checks, so that what passes the one passes the other.
 */
#pragma once

#include "../base/errmsg.h"
#include "../conf/conf.h"
#include "privilege.h"

#define HOST_FILES_DIR		 "/etc/sluice"
#define HOST_FILES_BPFFS	 "/sys/fs/bpf" /* mounted by the agent where it is not */
#define HOST_FILES_PEM_MAX_BYTES (1U << 20)

/* The configuration: a regular file of at most CONF_FILE_MAX_BYTES. The fd, or negative errno. */
int host_files_open_config(const char *path, struct errmsg *err);

/* Where certificates and keys may be, fixed when the agent starts. */
struct host_files_pems {
	const struct conf_agent *conf; /* its certificate_dirs; none: HOST_FILES_DIR and */
	const char *config_path;       /* the directory of this file; absolute */
	const struct privilege_account *agent;
};

/*
 * A certificate chain or a key: a regular file below one of those directories, also behind symbolic
 * links, owned by root or the agent's account, that begins as PEM and is not in OpenSSH's own format.
 * Nothing else can be read through the monitor by a supervisor that was taken over. The fd at offset
 * 0, or negative errno and *err naming path.
 */
int host_files_open_pem(const char *path, const struct host_files_pems *bounds, struct errmsg *err);

/* Is the path, or what is there of the way to it, on a bpffs? 1, 0, negative errno: not known. */
int host_files_on_bpffs(const char *path);

/* A directory of the agent's alone (0700), made with its parents. One that is there and not empty
 * keeps its owner. */
int host_files_state_dir(const char *path, const struct privilege_account *agent,
			 struct errmsg *err);

/*
 * The bpffs directory, made below a bpffs that is mounted if need be, given to the account, and locked
 * against other agents for as long as the descriptor is open anywhere. *ret_fd is for dataplane_open,
 * or negative: no data plane is wanted, or there is none to be had and *why says why.
 * 0, or *err: -EBUSY, another agent has it; -EINVAL, the place is on no bpffs, or is the mount itself.
 */
int host_files_bpffs_dir(const struct conf *conf, const struct privilege_account *agent,
			 int *ret_fd, struct errmsg *why, struct errmsg *err);

/*
 * The control socket: listening, 0660, root's and the group's (NULL: root alone), its folders made. A
 * stale file is replaced. The fd; -EADDRINUSE and *err when somebody serves it.
 */
int host_files_control_socket(const char *path, const char *group, struct errmsg *err);
