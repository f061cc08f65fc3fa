/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A change: parsed, checked, compared, then applied from what can be refused to what cannot: sockets,
 * kernel, workers. Each step is undone when a later one fails.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "net/ipc.h"
#include "meter_debt.h"
#include "pem.h"
#include "quic_secret.h"
#include "supervisor_state.h"

#define WORKERS_TIMEOUT_MS 5000
#define DIFF_MAX_BYTES	   (64U << 20)

int supervisor_keep(struct supervisor *s, const char *name, int fd)
{
	struct monitor_request r = { 0 };

	snprintf(r.path, sizeof(r.path), "%s", name);
	return monitor_link_ask(&s->monitor, MONITOR_KEEP, &r, fd, NULL, NULL);
}

/* The blob in which it travels; also kept by the monitor once it is in force. */
static int make_blob(const struct revision *r, struct errmsg *err)
{
	struct buf text;
	int ret;

	buf_init_secret(&text, REVISION_MAX_BYTES); /* it has the keys of certificates */
	ret = revision_encode(r, &text);
	if (!ret)
		ret = ipc_blob_new("revision", buf_head(&text), buf_len(&text));
	buf_clear(&text);
	return ret < 0 ? errmsg_set(err, ret, "cannot encode the revision: %s", strerror(-ret))
		       : ret;
}

int supervisor_publish(struct supervisor *s, struct revision *r, struct errmsg *err)
{
	int fd, ret;

	r->number = s->workers.number + 1;
	fd = make_blob(r, err);
	if (fd < 0)
		return fd;
	worker_set_revise(&s->workers, r->number, r->conf, fd);
	ret = worker_set_wait(&s->workers, WORKERS_TIMEOUT_MS, err);
	if (ret)
		return ret;
	ret = supervisor_keep(s, "revision", fd);
	if (ret) /* the next supervisor would begin with an older one */
		log_error("revision.keep", LOG_STR("error", strerror(-ret)));
	ret = s->storage ? storage_revision_set(s->storage, r->number) : 0;
	if (ret) /* the number would be given again after a restart */
		log_warn("revision.store", LOG_STR("error", strerror(-ret)));
	return 0;
}

static bool has_listener(const struct conf *conf, const struct conf_listener *l)
{
	for (size_t i = 0; conf && i < conf->n_listeners; i++) {
		if (conf->listeners[i].port == l->port &&
		    addr_eq(&conf->listeners[i].address, &l->address))
			return true;
	}
	return false;
}

/* Close what the monitor holds for listeners of from that to has not. */
void supervisor_close_listeners(struct supervisor *s, const struct conf *from,
				const struct conf *to)
{
	for (size_t i = 0; i < from->n_listeners; i++) {
		const struct conf_listener *l = &from->listeners[i];
		struct monitor_request r = { .address = l->address, .port = l->port };

		if (!has_listener(to, l))
			monitor_link_ask(&s->monitor, MONITOR_UNLISTEN, &r, -1, NULL, NULL);
	}
}

int supervisor_open_listeners(struct supervisor *s, const struct conf *from, const struct conf *to,
			      struct errmsg *err)
{
	for (size_t i = 0; i < to->n_listeners; i++) {
		const struct conf_listener *l = &to->listeners[i];
		struct monitor_request r = { .address = l->address,
					     .port = l->port,
					     .slots = (uint16_t)s->memory.slots };
		char text[ADDR_TEXT_MAX];
		int fds[IPC_FDS_MAX];
		size_t n = 0;
		int ret;

		if (has_listener(from, l))
			continue;
		ret = monitor_link_ask(&s->monitor, MONITOR_LISTEN, &r, -1, fds, &n);
		while (n)
			close(fds[--n]);
		if (!ret)
			continue;
		if (from)
			supervisor_close_listeners(s, to, from);
		return errmsg_set(err, ret, "cannot listen on %s: %s (listener %s%s)",
				  addr_format_port(&l->address, l->port, text), strerror(-ret),
				  l->name,
				  ret == -EADDRINUSE ? "; `ss -ltnp` names who has the port"
				  : ret == -EACCES   ? "; a port below 1024 that was not there at "
						       "the start has to be in "
						       "agent.privileged_ports"
						     : "");
	}
	return 0;
}

/* All that is not only data changes hands here; the old revision goes on when it returns an error. */
static int replace(struct supervisor *s, struct revision *next, const char *diff,
		   struct errmsg *err)
{
	struct revision *last = s->revision;
	struct meter_debt *debt = NULL;
	struct errmsg back;
	int ret = supervisor_open_listeners(s, last->conf, next->conf, err);

	if (ret)
		return ret;
	ret = supervisor_kernel_apply(s, last->conf, next->conf, diff, err);
	if (!ret) {
		if (meter_debt_note(&s->memory, last, next, &debt))
			log_warn("meters.carry", LOG_STR("error", "no memory"));
		ret = supervisor_publish(s, next, err);
		if (!ret && debt)
			meter_debt_settle(debt);
		meter_debt_free(debt);
		if (ret) { /* some workers have it: all go on with the old one, under a new number */
			if (supervisor_kernel_apply(s, next->conf, last->conf, diff, &back) ||
			    supervisor_publish(s, last, &back))
				log_error("revision.rollback", LOG_STR("error", back.text));
		}
	}
	if (ret) {
		supervisor_health_apply(s); /* vips may have lost what they were told */
		supervisor_close_listeners(s, next->conf, last->conf);
		return ret;
	}
	supervisor_close_listeners(s, last->conf, next->conf);
	s->revision = next;
	supervisor_health_apply(s);
	s->sweep_slots = next->number;
	judge_configure(s->pushdown.judge, &next->conf->pushdown);
	revision_free(last);
	return 0;
}

static void apply_log_level(const struct conf *conf)
{
	enum log_level level;

	if (log_level_parse(conf->agent.log_level, &level) == 0)
		log_set_level(level);
}

/* The first line of the diff that begins like this, for a message. */
static int refuse_restart(const char *diff, const char *setting, struct errmsg *err)
{
	const char *line = setting ? strstr(diff, setting) : NULL;

	for (const char *at = diff; !line && at && *at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (strncmp(at, "agent.", 6) == 0)
			line = at;
	}
	line = line ? line : diff;
	return errmsg_set(err, -EINVAL, "needs a restart of sluiced, so nothing was changed: %.*s",
			  (int)strcspn(line, "\n"), line);
}

/* Takes conf. fresh: certificates are read again, and their change is a change. */
static int change_to(struct supervisor *s, struct conf *conf, bool fresh, bool dry_run,
		     struct buf *diff, struct conf_errors *errors, struct errmsg *err)
{
	const struct conf *now = s->revision->conf;
	const char *restart = kernel_needs_restart(now, conf);
	const struct dataplane *dp = s->kernel.dp;
	CLEANUP(buf_clear) struct buf text;
	struct revision *next;
	int tiers, ret;

	buf_init(&text, DIFF_MAX_BYTES);
	tiers = conf_diff(now, conf, &text);
	if (tiers < 0 || buf_add(&text, "", 1) ||
	    (diff && buf_add(diff, buf_head(&text), buf_len(&text) - 1))) {
		conf_free(conf);
		return errmsg_set(err, -ENOSPC, "the list of differences is too long");
	}
	if ((tiers & CONF_TIER_RESTART) || restart || (!tiers && !fresh)) {
		conf_free(conf);
		return tiers ? refuse_restart(buf_head(&text), restart, err) : 0;
	}
	ret = supervisor_build(s, conf, fresh, &next, errors, err);
	if (ret)
		return ret;
	if (!tiers && !pem_differ(s->revision, next) &&
	    !quic_secret_differ(s->revision->conf, next->conf)) {
		revision_free(next);
		return 0;
	}
	if (!tiers && diff)
		(void)buf_printf(diff, "files of certificates or keys have changed\n");
	if (!dry_run)
		ret = replace(s, next, buf_head(&text), err);
	if (ret || dry_run) {
		revision_free(next);
		s->sweep_slots = s->workers.number; /* slots that it was given */
		return ret;
	}
	apply_log_level(s->revision->conf);
	s->events_on = s->events_on && s->kernel.dp == dp; /* its ring went with the old one */
	supervisor_events_switch(s);
	log_info("revision.applied", LOG_U64("revision", s->revision->number),
		 LOG_U64("workers", worker_set_current(&s->workers)));
	return 0;
}

static void audit_change(struct supervisor *s, const struct supervisor_caller *who,
			 const char *what, json_t *detail)
{
	json_t *record = json_pack("{s:s,s:I,s:O?}", "what", what, "revision",
				   (json_int_t)s->revision->number, "edit", detail);

	supervisor_audit(s, who, record);
	json_decref(record);
}

int supervisor_apply(struct supervisor *s, const char *text, size_t len, bool replace_edits,
		     bool dry_run, const struct supervisor_caller *who, struct buf *diff,
		     struct conf_errors *errors, struct errmsg *err)
{
	const struct conf_outside outside = { supervisor_check_outside, s };
	struct conf *conf, *edited;
	uint64_t before = s->revision->number;
	int ret = conf_parse_with(text, len, &outside, &conf, errors);

	if (ret)
		return ret;
	edited = conf;
	ret = replace_edits ? 0 : edits_apply(&s->edits, conf, &edited, errors, err);
	if (ret) {
		conf_free(conf);
		return ret;
	}
	ret = change_to(s, edited, true, dry_run, diff, errors, err);
	if (ret || dry_run)
		return ret;
	kernel_read_lists(&s->kernel, s->revision->conf);
	if (s->revision->number == before) /* files of authorities may have changed */
		supervisor_health_apply(s);
	s->reload_why.text[0] = '\0';
	s->pem_why.text[0] = '\0';
	edits_settled(&s->edits);
	if (replace_edits)
		ret = edits_clear(&s->edits, err);
	if (s->revision->number != before)
		audit_change(s, who, "config.apply", NULL);
	return ret;
}

int supervisor_edit(struct supervisor *s, json_t *edit, bool dry_run,
		    const struct supervisor_caller *who, struct buf *diff,
		    struct conf_errors *errors, struct errmsg *err)
{
	struct conf *conf;
	int ret = edits_try(s->revision->conf, edit, &conf, errors);

	if (!ret)
		ret = change_to(s, conf, false, dry_run, diff, errors, err);
	if (ret || dry_run)
		return ret;
	audit_change(s, who, "config.edit", edit);
	/* On the loop on purpose: who is told "changed" can rely on it, and a commit is short beside the
	 * wait for the workers above. */
	return edits_add(&s->edits, edit, err);
}

int supervisor_acl_import(struct supervisor *s, const struct acl_import *import, bool dry_run,
			  acl_job_done *done, void *ctx)
{
	if (!s->kernel.dp || !s->kernel.acl)
		return -ENODEV;
	return acl_job_import(s->kernel.acl, s->revision->conf, s->kernel.dp, import, dry_run, done,
			      ctx);
}

void supervisor_acl_forget(struct supervisor *s, void *ctx)
{
	acl_job_forget(s->kernel.acl, ctx);
}

size_t supervisor_acl_imported(const struct supervisor *s)
{
	return s->kernel.acl ? acl_job_imported(s->kernel.acl) : 0;
}

static void log_errors(const struct supervisor *s, const struct conf_errors *errors)
{
	for (size_t i = 0; i < errors->n; i++)
		log_error("config.error", LOG_STR("file", s->config_path),
			  LOG_U64("line", errors->error[i].line),
			  LOG_U64("column", errors->error[i].column),
			  LOG_STR("text", errors->error[i].text));
}

/* The configuration in force, edits included, with its files as they are now. */
static int read_again(struct supervisor *s, struct conf_errors *errors, struct errmsg *err)
{
	struct conf *conf;
	int ret = conf_edit(s->revision->conf, "[]", &conf, errors);

	return ret ? ret : change_to(s, conf, true, false, NULL, errors, err);
}

void supervisor_watch_pems(struct supervisor *s)
{
	const struct supervisor_caller who = { 0 };
	uint64_t before = s->revision->number;
	struct conf_errors errors = { .n = 0 };
	struct errmsg err = { "" };
	const char *why;

	if (!s->revision->conf->agent.watch_certificates || !supervisor_pems_turn(s))
		return;
	if (read_again(s, &errors, &err) == 0) {
		s->pem_why.text[0] = '\0';
		if (s->revision->number == before)
			return;
		counters_add(s->memory.counters, COUNTER_CERTIFICATES_OK, 1);
		log_info("certificates.replaced", LOG_U64("revision", s->revision->number));
		audit_change(s, &who, "certificates.replaced", NULL);
		return;
	}
	why = err.text[0] ? err.text : errors.n ? errors.error[0].text : "unknown";
	errmsg_set(&s->pem_why, 0, "files of certificates have changed and were refused: %.400s",
		   why);
	counters_add(s->memory.counters, COUNTER_CERTIFICATES_REFUSED, 1);
	log_errors(s, &errors);
	log_error("certificates.refused", LOG_STR("error", why),
		  LOG_U64("revision", s->revision->number));
}

void supervisor_reload(struct supervisor *s)
{
	const struct supervisor_caller who = { 0 };
	CLEANUP_FREE char *text = NULL;
	struct conf_errors errors = { .n = 0 };
	struct errmsg err = { "" };
	size_t len;
	int ret = supervisor_read_config(s, &text, &len, &err);

	if (!ret)
		ret = supervisor_apply(s, text, len, false, false, &who, NULL, &errors, &err);
	log_errors(s, &errors);
	counters_add(s->memory.counters, ret ? COUNTER_RELOADS_REFUSED : COUNTER_RELOADS_OK, 1);
	if (ret)
		errmsg_set(&s->reload_why, 0, "the last reload of %.200s was refused: %.250s",
			   s->config_path, err.text[0] ? err.text : errors.error[0].text);
	if (ret)
		log_error("config.refused", LOG_STR("file", s->config_path),
			  LOG_STR("error", err.text[0] ? err.text : errors.error[0].text),
			  LOG_U64("revision", s->revision->number));
	else
		log_info("config.reloaded", LOG_U64("revision", s->revision->number));
}
