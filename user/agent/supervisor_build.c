/* SPDX-License-Identifier: BSD-2-Clause */
/* From a configuration to a revision: what its text does not hold is read, checked and numbered. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "net/ipc.h"
#include "http/message.h"
#include "pem.h"
#include "quic_secret.h"
#include "supervisor_state.h"

/* What conf lets a file ask for is what the rooms below can do. */
_Static_assert(CONF_CERTIFICATES_MAX == TLS_PAIRS_MAX, "certificates of a listener");
_Static_assert(CONF_HEADERS_MAX == HTTP_FIELDS_MAX, "fields of a request");

static int read_all(int fd, char **ret, size_t *ret_len)
{
	struct buf text;

	buf_init(&text, CONF_FILE_MAX_BYTES + 1);
	for (;;) {
		char *room = buf_reserve(&text, 65536);
		ssize_t n = room ? read(fd, room, 65536) : -1;

		if (n < 0 && room && errno == EINTR)
			continue;
		if (n < 0) {
			buf_clear(&text);
			return room ? -errno : -EFBIG;
		}
		if (n == 0)
			break;
		buf_commit(&text, (size_t)n);
	}
	*ret_len = buf_len(&text);
	*ret = malloc(*ret_len + 1);
	if (*ret && *ret_len)
		memcpy(*ret, buf_head(&text), *ret_len);
	buf_clear(&text);
	return *ret ? 0 : -ENOMEM;
}

int supervisor_read_config(struct supervisor *s, char **ret, size_t *ret_len, struct errmsg *err)
{
	struct monitor_request r = { 0 };
	int fds[IPC_FDS_MAX] = { -1 };
	size_t n = 0;
	int code = monitor_link_ask(&s->monitor, MONITOR_OPEN_CONFIG, &r, -1, fds, &n);

	if (code)
		return errmsg_set(err, code, "%s", r.path[0] ? r.path : strerror(-code));
	code = n ? read_all(fds[0], ret, ret_len) : -EPROTO;
	cleanup_fd(&fds[0]);
	return code ? errmsg_set(err, code, "%s: cannot read: %s", s->config_path, strerror(-code))
		    : 0;
}

static int open_pem(const char *path, struct errmsg *err, void *ctx)
{
	struct supervisor *s = ctx;
	struct monitor_request r = { 0 };
	int fds[IPC_FDS_MAX] = { -1 };
	size_t n = 0;
	int ret;

	if ((size_t)snprintf(r.path, sizeof(r.path), "%s", path) >= sizeof(r.path))
		return errmsg_set(err, -ENAMETOOLONG, "%s: the path is too long", path);
	ret = monitor_link_ask(&s->monitor, MONITOR_OPEN_PEM, &r, -1, fds, &n);
	if (ret)
		return errmsg_set(err, ret, "%s", r.path[0] ? r.path : strerror(-ret));
	return n ? fds[0] : -EPROTO;
}

void supervisor_check_outside(const struct conf *conf, struct conf_errors *errors, void *ctx)
{
	const struct pem_source source = { open_pem, ctx };

	pem_check(conf, &source, errors);
	quic_secret_check(conf, &source, errors);
	supervisor_health_check(conf, errors);
}

static int number_rows(struct supervisor *s, struct revision *r, struct errmsg *err)
{
	CLEANUP(buf_clear) struct buf names;
	int fd, ret;

	for (size_t i = 0; i < r->conf->n_routes; i++)
		r->route_stat_ids[i] = ids_table_get(&s->routes, r->conf->routes[i].name);
	for (size_t i = 0; i < r->conf->n_clusters; i++)
		r->cluster_stat_ids[i] = ids_table_get(&s->clusters, r->conf->clusters[i].name);
	buf_init(&names, 2 * METRIC_STAT_IDS * (CONF_NAME_MAX + 3));
	ret = ids_table_encode(&s->routes, &s->clusters, &names);
	fd = ret ? ret : ipc_blob_new("stat-ids", buf_head(&names), buf_len(&names));
	if (fd < 0)
		return errmsg_set(err, fd, "stat ids: %s", strerror(-fd));
	ret = supervisor_keep(s, "stat-ids", fd);
	close(fd);
	if (!ret)
		ret = ids_consumers(r->conf, r->consumer_ids);
	return ret ? errmsg_set(err, ret, "ids: %s", strerror(-ret)) : 0;
}

int supervisor_prepare(struct supervisor *s, struct conf *conf, bool fresh, struct revision **ret,
		       struct conf_errors *errors, struct errmsg *err)
{
	const struct pem_source source = { open_pem, s };
	struct revision *r = revision_new(conf);
	int code;

	if (!r) {
		conf_free(conf);
		return errmsg_set(err, -ENOMEM, "out of memory");
	}
	err->text[0] = '\0';
	if (s->revision)
		r->tickets = s->revision->tickets;
	code = s->revision ? 0 : tickets_rotate(&r->tickets);
	if (!code)
		code = fresh ? pem_load(r, &source, &s->checked, errors) : pem_copy(s->revision, r);
	if (!code)
		code = quic_secret_load(conf, !fresh && s->revision ? s->revision->conf : NULL,
					&source, errors);
	if (!code && fresh) {
		supervisor_health_check(conf, errors);
		code = errors->n ? -EINVAL : 0;
	}
	if (!code)
		code = number_rows(s, r, err);
	if (code) {
		revision_free(r);
		return code;
	}
	*ret = r;
	return 0;
}

void supervisor_read_keys(struct supervisor *s)
{
	const struct pem_source source = { open_pem, s };
	struct conf_errors errors = { .n = 0 };

	if (quic_secret_load(s->revision->conf, NULL, &source, &errors))
		log_error("quic.key", LOG_STR("error", errors.n ? errors.error[0].text : ""));
}

bool supervisor_pems_turn(struct supervisor *s)
{
	const struct pem_source source = { open_pem, s };

	return pem_watch_turn(&s->pems, s->revision->conf, &source);
}

int supervisor_build(struct supervisor *s, struct conf *conf, bool fresh, struct revision **ret,
		     struct conf_errors *errors, struct errmsg *err)
{
	struct revision *r;
	int code = supervisor_prepare(s, conf, fresh, &r, errors, err);

	if (code)
		return code;
	code = slots_assign(s->slots, s->kernel.dp, s->revision, r, err);
	if (code) {
		revision_free(r);
		return code;
	}
	*ret = r;
	return 0;
}
