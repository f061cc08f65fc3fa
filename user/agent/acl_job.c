/* SPDX-License-Identifier: BSD-2-Clause */
#include "acl_job.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "dataplane/acl_map.h"

#define LINES_MAX_BYTES (64U << 10)

enum phase { PHASE_IDLE, PHASE_READ, PHASE_WRITE };

struct acl_job {
	struct loop *loop;
	struct watch watch; /* eventfd: the thread is done */
	enum phase phase;
	pthread_t thread;

	/* the loop's */
	struct dataplane *dp;
	bool dry_run;
	struct acl_source *next; /* of a reload that came meanwhile */
	acl_job_done *done;
	void *ctx;
	struct errmsg warning;
	size_t imported;

	/* the thread's while phase is not idle */
	struct acl_source *source;
	bool has_import;
	struct acl_import import;
	struct acl_denied denied;
	struct buf lines;
	bool in_force; /* written, stored or not */
	struct acl_job_result result;
};

static void *run_read(void *arg)
{
	struct acl_job *j = arg;
	const uint64_t one = 1;

	j->result.code = acl_source_read(j->source, j->has_import ? &j->import : NULL, false,
					 &j->denied, &j->lines, &j->result.err);
	(void)!write(j->watch.fd, &one, sizeof(one));
	return NULL;
}

static void *run_write(void *arg)
{
	struct acl_job *j = arg;
	const uint64_t one = 1;
	int err;

	j->result.code = acl_map_apply_feed(j->dp, &j->result.err);
	j->in_force = !j->result.code;
	err = j->result.code ? 0 : acl_source_store(j->source, &j->denied);
	if (err)
		j->result.code = errmsg_set(&j->result.err, err,
					    "in force until the next restart, but not stored: %s",
					    strerror(-err));
	(void)!write(j->watch.fd, &one, sizeof(one));
	return NULL;
}

static int start_thread(struct acl_job *j, enum phase phase)
{
	sigset_t all, before;
	int err;

	sigfillset(&all); /* signals are the loop's */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&j->thread, NULL, phase == PHASE_READ ? run_read : run_write, j);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!err)
		j->phase = phase;
	return -err;
}

static void tell(const struct acl_job *j)
{
	const struct acl_job_result *r = &j->result;
	struct str lines = buf_str(&j->lines);

	if (!r->code) {
		log_info("acl.applied", LOG_U64("denied", r->denied), LOG_U64("added", r->added),
			 LOG_U64("removed", r->removed));
		return;
	}
	while (!j->has_import && lines.len) { /* those of an import are in its answer */
		const char *end = memchr(lines.ptr, '\n', lines.len);
		size_t n = end ? (size_t)(end - lines.ptr) : lines.len;
		char line[512];

		snprintf(line, sizeof(line), "%.*s", (int)(n < 500 ? n : 500), lines.ptr);
		log_error("acl.line", LOG_STR("text", line));
		n += end != NULL;
		lines.ptr += n;
		lines.len -= n;
	}
	log_error("acl.refused", LOG_STR("error", r->err.text));
}

static void begin_reload(struct acl_job *j, struct acl_source *source);

static void finish(struct acl_job *j)
{
	acl_job_done *done = j->done;
	void *ctx = j->ctx;

	j->phase = PHASE_IDLE;
	j->result.lines = buf_str(&j->lines);
	if (!j->dry_run && !j->result.code) {
		j->imported = j->result.imported;
		j->warning.text[0] = '\0';
	} else if (!j->has_import && j->result.code) {
		j->warning = j->result.err;
	}
	if (!j->dry_run)
		tell(j);
	j->done = NULL;
	if (done)
		done(&j->result, ctx);
	if (j->has_import)
		cleanup_fd(&j->import.fd);
	acl_denied_clear(&j->denied);
	acl_source_free(take_ptr(&j->source));
	buf_clear(&j->lines);
	if (j->next)
		begin_reload(j, take_ptr(&j->next));
}

/* Takes source, where it can be begun. The rest of the job is set. */
static int begin(struct acl_job *j, struct acl_source *source)
{
	int err;

	j->source = source;
	j->in_force = false;
	j->result = (struct acl_job_result) { 0 };
	buf_init(&j->lines, LINES_MAX_BYTES);
	err = start_thread(j, PHASE_READ);
	if (err)
		j->source = NULL;
	return err;
}

static void begin_reload(struct acl_job *j, struct acl_source *source)
{
	int err;

	j->has_import = j->dry_run = false;
	j->done = NULL;
	err = begin(j, source);
	if (!err)
		return;
	acl_source_free(source);
	errmsg_set(&j->warning, err, "lists of files and places were not read: %s", strerror(-err));
}

/* Read: now it is in memory, if all of it was right. True: a thread writes it. */
static bool exchange(struct acl_job *j)
{
	struct acl_job_result *r = &j->result;
	char text[ADDR_TEXT_MAX];

	if (r->code)
		return false;
	if (!j->dp) {
		r->code = errmsg_set(&r->err, -ENODEV, "the kernel half has gone");
		return false;
	}
	if (j->has_import && j->import.has_guard &&
	    source_feed_covers(j->denied.feed, &j->import.guard) &&
	    !acl_map_allows(j->dp, &j->import.guard)) {
		r->code =
			errmsg_set(&r->err, -EPERM,
				   "it denies %s, the address of your own SSH session: repeat with "
				   "--force, or exempt it first (sluicectl acl add allow %s)",
				   addr_format(&j->import.guard, text), text);
		return false;
	}
	r->imported = j->denied.imported;
	r->denied = source_feed_count(j->denied.feed);
	acl_map_diff_feed(j->dp, j->denied.feed, &r->added, &r->removed);
	if (j->dry_run)
		return false;
	acl_map_swap_feed(j->dp, j->denied.feed);
	r->code = start_thread(j, PHASE_WRITE);
	if (!r->code)
		return true;
	acl_map_swap_feed(j->dp, j->denied.feed);
	errmsg_set(&r->err, r->code, "cannot start a thread: %s", strerror(-r->code));
	return false;
}

/* Written, or refused: what was in force is in memory again then, and where a part was written, too. */
static void written(struct acl_job *j)
{
	struct errmsg back;

	if (j->in_force)
		return;
	acl_map_swap_feed(j->dp, j->denied.feed);
	if (acl_map_apply_feed(j->dp, &back))
		log_error("acl.rollback", LOG_STR("error", back.text));
}

static void advance(struct acl_job *j)
{
	uint64_t count;

	pthread_join(j->thread, NULL);
	(void)!read(j->watch.fd, &count, sizeof(count)); /* it wrote before it ended */
	if (j->phase == PHASE_READ) {
		j->phase = PHASE_IDLE;
		if (exchange(j))
			return;
	} else {
		written(j);
	}
	finish(j);
}

static void on_event(struct watch *w, uint32_t events)
{
	struct acl_job *j = container_of(w, struct acl_job, watch);
	struct pollfd p = { .fd = w->fd, .events = POLLIN };

	(void)events;
	/* nothing to read: acl_job_settle was here before, and another phase may run */
	if (j->phase != PHASE_IDLE && poll(&p, 1, 0) == 1)
		advance(j);
}

int acl_job_new(struct loop *loop, struct acl_job **ret)
{
	struct acl_job *j = calloc(1, sizeof(*j));
	int err;

	if (!j)
		return -ENOMEM;
	j->loop = loop;
	j->import.fd = -1;
	j->watch.on_event = on_event;
	j->watch.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = j->watch.fd < 0 ? -errno : loop_add(loop, &j->watch);
	if (err) {
		cleanup_fd(&j->watch.fd);
		free(j);
		return err;
	}
	*ret = j;
	return 0;
}

void acl_job_free(struct acl_job *j)
{
	if (!j)
		return;
	acl_source_free(take_ptr(&j->next));
	j->dp = NULL;
	while (j->phase != PHASE_IDLE)
		advance(j);
	loop_del(j->loop, &j->watch);
	close(j->watch.fd);
	free(j);
}

void acl_job_load(struct acl_job *j, const struct conf *conf, struct dataplane *dp)
{
	CLEANUP(buf_clear) struct buf lines;
	CLEANUP(acl_denied_clear) struct acl_denied denied = { 0 };
	struct acl_source *source = NULL;
	struct errmsg err = { "" };
	int code = acl_source_new(conf, &source);

	buf_init(&lines, LINES_MAX_BYTES);
	if (!code)
		code = acl_source_read(source, NULL, true, &denied, &lines, &err);
	acl_source_free(source);
	if (code || err.text[0]) {
		j->warning = err;
		log_error("acl.refused", LOG_STR("error", err.text));
	}
	if (code)
		return;
	j->imported = denied.imported;
	acl_map_swap_feed(dp, denied.feed);
}

void acl_job_reload(struct acl_job *j, const struct conf *conf, struct dataplane *dp)
{
	struct acl_source *source;

	if (!dp || acl_source_new(conf, &source))
		return;
	if (j->phase != PHASE_IDLE) { /* only the newest of several counts */
		acl_source_free(j->next);
		j->next = source;
		return;
	}
	j->dp = dp;
	begin_reload(j, source);
}

int acl_job_import(struct acl_job *j, const struct conf *conf, struct dataplane *dp,
		   const struct acl_import *import, bool dry_run, acl_job_done *done, void *ctx)
{
	struct acl_source *source;
	int err;

	if (j->phase != PHASE_IDLE)
		return -EBUSY;
	if (acl_source_new(conf, &source))
		return -ENOMEM;
	j->dp = dp;
	j->dry_run = dry_run;
	j->has_import = true;
	j->import = *import;
	j->done = done;
	j->ctx = ctx;
	err = begin(j, source);
	if (err)
		acl_source_free(source);
	return err;
}

void acl_job_forget(struct acl_job *j, void *ctx)
{
	if (j && j->ctx == ctx)
		j->done = NULL;
}

void acl_job_settle(struct acl_job *j)
{
	if (j && j->phase == PHASE_WRITE)
		advance(j);
}

void acl_job_carry(struct acl_job *j, struct dataplane *from, struct dataplane *to)
{
	struct source_feed *feed;

	if (!j)
		return;
	acl_job_settle(j);
	j->dp = to;
	if (!from || !to || source_feed_new(NULL, 0, &feed))
		return;
	acl_map_swap_feed(from, feed);
	acl_map_swap_feed(to, feed);
	source_feed_free(feed);
}

const char *acl_job_warning(const struct acl_job *j)
{
	return j->warning.text;
}

size_t acl_job_imported(const struct acl_job *j)
{
	return j->imported;
}
