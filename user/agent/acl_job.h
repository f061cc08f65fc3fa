/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is denied beside acl.deny (acl_source.h), brought into force off the loop: a thread reads,
 * sorts and stores, the loop exchanges the lists, and a thread again writes the maps, which takes some
 * hundred milliseconds for a million prefixes. One job at a time.
 */
#pragma once

#include "../event/loop.h"
#include "acl_source.h"

struct acl_job;
struct dataplane;

/* How a job ended; lines only in the call. */
struct acl_job_result {
	int code; /* 0 or negative errno: nothing was changed, or what err says */
	struct errmsg err;
	struct str lines; /* all that is wrong with lists */
	size_t imported;  /* prefixes that are stored as imported */
	size_t denied;	  /* of all sources of acl_source.h together */
	size_t added;	  /* by this job; of a dry run: they would be */
	size_t removed;
};
typedef void acl_job_done(const struct acl_job_result *r, void *ctx);

int acl_job_new(struct loop *loop, struct acl_job **ret);
void acl_job_free(struct acl_job *j); /* waits; a job that has not been written is given up */

/*
 * At start, at once: dp has it in memory afterwards, to be applied with the other lists. What is
 * wrong is left out, and in acl_job_warning.
 */
void acl_job_load(struct acl_job *j, const struct conf *conf, struct dataplane *dp);
/* Read all sources again; one that is wrong leaves everything as it is, and acl_job_warning. */
void acl_job_reload(struct acl_job *j, const struct conf *conf, struct dataplane *dp);
/*
 * Takes import->fd. done is called from the loop, never from here, unless acl_job_forget was.
 * -EBUSY: another one runs; -ENOMEM. Nothing was taken then.
 */
int acl_job_import(struct acl_job *j, const struct conf *conf, struct dataplane *dp,
		   const struct acl_import *import, bool dry_run, acl_job_done *done, void *ctx);
void acl_job_forget(struct acl_job *j, void *ctx); /* who waited is gone; the job goes on */

/*
 * Before a list, a limit or the dataplane is changed: ends the writing of maps, if that is going on.
 * from NULL or to NULL: no other dataplane takes over; a job that still reads will not be written.
 */
void acl_job_settle(struct acl_job *j);
void acl_job_carry(struct acl_job *j, struct dataplane *from, struct dataplane *to);

const char *acl_job_warning(const struct acl_job *j); /* "": none */
size_t acl_job_imported(const struct acl_job *j);
