/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From nothing to a revision in force. A supervisor that takes over from one that died goes on with
 * the revision that the monitor kept, not with the file: it may be half edited.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/ipc.h"
#include "supervisor_state.h"

#define WORKERS_TIMEOUT_MS 10000
#define FITTING_NS	   (20 * NS_PER_S) /* systemd waits 90 s for the start */
#define STAT_IDS_MAX_BYTES (1U << 20)
#define LOG_FD		   STDOUT_FILENO

static int find_kept(const char *name, void *ctx)
{
	struct supervisor *s = ctx;

	for (size_t i = 0; i < s->kept.n; i++) {
		if (strcmp(s->kept.row[i].name, name) == 0)
			return fcntl(s->kept.row[i].fd, F_DUPFD_CLOEXEC, 0);
	}
	return -1;
}

static int keep(const char *name, int fd, void *ctx)
{
	return supervisor_keep(ctx, name, fd);
}

static int read_kept(struct supervisor *s, const char *name, size_t max_bytes, char **ret,
		     size_t *ret_len)
{
	CLEANUP_FD int fd = find_kept(name, s);

	return fd < 0 ? -ENOENT : ipc_blob_read(fd, max_bytes, ret, ret_len);
}

/* -ENOENT: nothing was kept. */
static int restore(struct supervisor *s, struct revision **ret, struct errmsg *err)
{
	char *data;
	size_t len;
	int code = read_kept(s, "stat-ids", STAT_IDS_MAX_BYTES, &data, &len);

	if (!code) {
		code = ids_table_decode(data, len, &s->routes, &s->clusters);
		free(data);
		if (code)
			return errmsg_set(err, code, "the kept stat ids are damaged");
	}
	code = read_kept(s, "revision", REVISION_MAX_BYTES, &data, &len);
	if (code)
		return code;
	code = revision_decode(data, len, ret, err);
	if (code)
		free(data);
	return code;
}

static int read_file(struct supervisor *s, struct conf **ret, struct errmsg *err)
{
	CLEANUP_FREE char *text = NULL;
	CLEANUP(buf_clear) struct buf lines;
	struct conf_errors errors;
	size_t len;
	int code = supervisor_read_config(s, &text, &len, err);

	buf_init(&lines, 1U << 20);
	if (code)
		return code;
	code = conf_parse(text, len, ret, &errors);
	if (code == -EINVAL && conf_errors_format(&errors, s->config_path, &lines) == 0) {
		fprintf(stderr, "%.*s", (int)buf_len(&lines), buf_head(&lines));
		errmsg_set(err, code, "%s is not valid", s->config_path);
	}
	return code;
}

static void open_storage(struct supervisor *s, const char *dir)
{
	int ret = storage_open(dir, &s->storage, &s->storage_why);

	if (!ret) {
		ret = storage_writer_start(s->storage, STORAGE_WRITER_RECORDS, &s->writer);
		if (ret) {
			errmsg_set(&s->storage_why, ret, "%s: cannot start the audit trail: %s",
				   dir, strerror(-ret));
			storage_close(s->storage);
		}
	}
	if (!ret) {
		s->edits.storage = s->storage;
		s->storage_why.text[0] = '\0';
		return;
	}
	s->storage = NULL;
	log_warn("storage.absent", LOG_STR("reason", s->storage_why.text));
}

/* The file's text with those stored changes on top that fit to it. Takes conf. */
static int with_edits(struct supervisor *s, struct conf *conf, struct conf **ret,
		      struct errmsg *err)
{
	CLEANUP(buf_clear) struct buf lines;
	struct conf_errors errors = { .n = 0 };
	int code = edits_apply_fitting(&s->edits, conf, clock_now_ns() + FITTING_NS, ret, &errors,
				       err);

	buf_init(&lines, 1U << 20);
	if (code)
		conf_free(conf);
	if (code && conf_errors_format(&errors, "stored changes", &lines) == 0)
		fprintf(stderr, "%.*s", (int)buf_len(&lines), buf_head(&lines));
	return code;
}

static uint32_t count_workers(const struct conf *conf)
{
	cpu_set_t cpus;
	uint32_t n = conf->agent.workers;

	if (!n && sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		n = (uint32_t)CPU_COUNT(&cpus);
	n = n ? n : 1;
	return n < MESSAGE_WORKERS_MAX ? n : MESSAGE_WORKERS_MAX;
}

/* Own log lines go through a ring as well: a full pipe must not stop this loop. */
static int start_log(struct supervisor *s, const struct conf *conf)
{
	struct log_pump_source rings[MEMORY_PAGES_MAX] = { 0 };
	struct memory_slot *mine = &s->memory.slot[MEMORY_OWN];
	struct ring *own;
	enum log_level level;
	size_t n = 0;
	int ret;

	for (uint32_t slot = 0; slot < MEMORY_PAGES_MAX; slot++) {
		if (!s->memory.slot[slot].ring)
			continue;
		rings[n].ring = s->memory.slot[slot].ring;
		if (slot != MEMORY_OWN)
			snprintf(rings[n].role, sizeof(rings[n].role), "worker-%u",
				 slot % MESSAGE_WORKERS_MAX);
		n++;
	}
	ret = ring_attach(mine->ring_mem, ring_bytes(MEMORY_RING_DATA_BYTES), &own);
	if (!ret)
		ret = log_pump_start(rings, n, LOG_FD, s->memory.counters, &s->pump);
	if (ret)
		return ret;
	log_open_ring("supervisor", own);
	metric_use(mine->page);
	if (log_level_parse(conf->agent.log_level, &level) == 0)
		log_set_level(level);
	return 0;
}

/* What workers and the first revision need, and the kernel does not notice. */
static int open_rooms(struct supervisor *s, const struct conf *conf, struct errmsg *err)
{
	const struct memory_keeper keeper = { find_kept, keep, s };
	int ret = memory_open(&s->memory, s->workers.base, count_workers(conf), &keeper, err);

	if (!ret && start_log(s, conf))
		ret = errmsg_set(err, -EIO, "cannot start the log");
	if (ret)
		return ret;
	open_storage(s, conf->agent.state_dir);
	return 0;
}

/*
 * The kernel half, last: an agent that cannot start for a port or a certificate has loaded nothing,
 * attached nothing and left what is pinned as it was. Meters are in its maps.
 */
static int open_kernel(struct supervisor *s, bool kept, struct errmsg *err)
{
	const struct memory_keeper keeper = { find_kept, keep, s };
	const struct conf *conf = s->revision->conf;
	int ret;

	s->kernel.libxdp = (struct libxdp_way) { monitor_link_libxdp, &s->monitor };
	ret = kernel_open(&s->kernel, s->loop, s->bpffs_fd, s->bpffs_error, conf, err);
	if (!ret)
		ret = memory_open_shared(&s->memory, s->kernel.dp, conf->dataplane.max_meters,
					 &keeper, err);
	if (!ret)
		ret = slots_new(conf->dataplane.max_meters, &s->slots);
	if (!ret && kept)
		slots_adopt(s->slots, s->revision);
	else if (!ret)
		ret = slots_assign(s->slots, s->kernel.dp, NULL, s->revision, err);
	return ret ? ret : supervisor_kernel_apply(s, NULL, conf, NULL, err);
}

/* A revision that was in force before this process, or one from the file. */
static int first_revision(struct supervisor *s, struct revision *kept, struct conf *conf,
			  struct errmsg *err)
{
	CLEANUP(buf_clear) struct buf lines;
	struct conf_errors errors = { .n = 0 };
	struct conf *edited;
	int ret;

	buf_init(&lines, 1U << 20);
	if (kept) {
		s->revision = kept;
		supervisor_read_keys(s);
		return 0;
	}
	if (s->storage) /* revisions are counted on: a number in a log means one of them */
		(void)storage_revision_get(s->storage, &s->workers.number);
	ret = with_edits(s, conf, &edited, err);
	if (!ret)
		ret = supervisor_prepare(s, edited, true, &s->revision, &errors, err);
	if (errors.n && conf_errors_format(&errors, s->config_path, &lines) == 0) {
		fprintf(stderr, "%.*s", (int)buf_len(&lines), buf_head(&lines));
		errmsg_set(err, ret, "%s is not valid", s->config_path);
	}
	return ret;
}

static const char *device_mode(const struct dataplane_device *d)
{
	if (!d->attached)
		return "not attached";
	if (d->hook == CONF_HOOK_TC)
		return "tc";
	return d->native ? "xdp native" : "xdp generic";
}

/* "eth0 (xdp native), eth1 (not attached)"; cut where there are too many for a line. */
static void describe_devices(const struct supervisor *s, struct errmsg *ret)
{
	const struct dataplane_device *devices;
	size_t n = s->kernel.dp ? dataplane_devices(s->kernel.dp, &devices) : 0, at = 0;

	ret->text[0] = '\0';
	for (size_t i = 0; i < n && at < sizeof(ret->text); i++)
		at += (size_t)snprintf(ret->text + at, sizeof(ret->text) - at, "%s%s (%s)",
				       i ? ", " : "", devices[i].name, device_mode(&devices[i]));
}

static void log_ready(const struct supervisor *s, bool adopted)
{
	const struct conf *conf = s->revision->conf;
	struct errmsg devices;

	describe_devices(s, &devices);
	log_info("supervisor.ready", LOG_U64("revision", s->revision->number),
		 LOG_STR("version", SLUICE_VERSION), LOG_BOOL("adopted", adopted),
		 LOG_U64("workers", s->memory.slots), LOG_U64("listeners", conf->n_listeners),
		 LOG_U64("routes", conf->n_routes), LOG_BOOL("kernel_half", s->kernel.dp != NULL),
		 LOG_STR("devices", devices.text));
}

static int bring_workers(struct supervisor *s, bool kept, struct errmsg *err)
{
	int ret = worker_set_start(&s->workers, s->memory.slots, err);

	if (!ret && kept) {
		worker_set_revise(&s->workers, s->revision->number, s->revision->conf,
				  find_kept("revision", s));
		ret = worker_set_wait(&s->workers, WORKERS_TIMEOUT_MS, err);
	} else if (!ret) {
		ret = supervisor_publish(s, s->revision, err);
	}
	if (!ret && !worker_set_current(&s->workers))
		ret = errmsg_set(err, -ECHILD, "no worker came up");
	return ret;
}

int supervisor_start(struct supervisor *s, struct errmsg *err)
{
	struct monitor_request ready = { 0 };
	struct revision *kept = NULL;
	struct conf *conf = NULL;
	int ret = restore(s, &kept, err);

	if (ret && ret != -ENOENT) { /* another version wrote it */
		log_warn("revision.unreadable", LOG_STR("error", err->text));
		ret = -ENOENT;
	}
	if (ret)
		ret = read_file(s, &conf, err);
	if (kept)
		ret = open_rooms(s, kept->conf, err);
	else if (conf)
		ret = open_rooms(s, conf, err);
	if (!ret)
		ret = first_revision(s, kept, conf, err);
	if (!ret)
		ret = supervisor_open_listeners(s, NULL, s->revision->conf, err);
	if (!ret)
		ret = open_kernel(s, kept != NULL, err);
	if (!ret)
		ret = pushdown_open(s);
	if (ret)
		return ret;
	judge_configure(s->pushdown.judge, &s->revision->conf->pushdown);
	ret = bring_workers(s, kept != NULL, err);
	if (!ret && s->hooks && s->hooks->start) {
		ret = s->hooks->start(s, s->control_fd, s->internal_fd, err);
		s->hooked = ret == 0;
	}
	if (ret)
		return ret;
	/* Not before: the loop has not turned since it began, and its clock is of then. */
	supervisor_health_apply(s);
	s->sweep_slots = s->revision->number;
	s->ready = true;
	worker_set_retire(&s->workers);
	if (s->last_pid) {
		counters_add(s->memory.counters, COUNTER_RESTARTS_SUPERVISOR, 1);
		log_error("supervisor.replaced", LOG_I64("pid", s->last_pid),
			  LOG_I64("wait_status", s->last_status));
	}
	log_ready(s, kept != NULL);
	return monitor_link_ask(&s->monitor, MONITOR_READY, &ready, -1, NULL, NULL);
}
