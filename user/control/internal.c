/* SPDX-License-Identifier: BSD-2-Clause */
#include "internal.h"

#include "observe/endpoint.h"
#include "observe/prometheus.h"
#include "status.h"

static struct endpoint_server *internal_server; /* one per process */

static const char *route_name(const void *ctx, uint32_t id)
{
	return supervisor_route_name(ctx, id);
}

static const char *cluster_name(const void *ctx, uint32_t id)
{
	return supervisor_cluster_name(ctx, id);
}

static unsigned int answer_metrics(struct buf *body, const char **type, void *ctx)
{
	struct supervisor *s = ctx;
	struct supervisor_worker workers[SUPERVISOR_WORKERS_MAX];
	size_t n_workers = supervisor_workers(s, workers);
	struct prometheus_count verdicts[JUDGE_OUTCOME_COUNT];
	struct prometheus_source src = {
		.conf = supervisor_conf(s),
		.dataplane = supervisor_dataplane(s, NULL),
		.decap = supervisor_decap(s),
		.health = supervisor_health(s),
		.route_name = route_name,
		.cluster_name = cluster_name,
		.ctx = s,
		.version = SLUICE_VERSION,
		.revision = supervisor_revision(s),
		.verdicts = verdicts,
		.n_verdicts = JUDGE_OUTCOME_COUNT,
		.audit_lost = supervisor_audit_lost(s),
		.ready = supervisor_ready(s, NULL),
	};

	for (enum judge_outcome o = 0; o < JUDGE_OUTCOME_COUNT; o++)
		verdicts[o] = (struct prometheus_count) { judge_outcome_name(o),
							  supervisor_rulings(s, o) };
	src.n_pages = supervisor_metric_pages(s, &src.pages);
	for (size_t i = 0; i < n_workers; i++)
		src.connections += workers[i].connections;
	*type = PROMETHEUS_CONTENT_TYPE;
	return prometheus_write(&src, body) || supervisor_counters_write(s, body) ? 500 : 200;
}

static unsigned int answer_live(struct buf *body, const char **type, void *ctx)
{
	(void)type;
	(void)ctx;
	return buf_printf(body, "ok\n") ? 500 : 200;
}

static unsigned int answer_ready(struct buf *body, const char **type, void *ctx)
{
	const char *why = "";
	bool ready = supervisor_ready(ctx, &why);
	char kernel[600];

	(void)type;
	if (!ready)
		return buf_printf(body, "%s\n", why) ? 500 : 503;
	/* A host whose packets nobody checks still answers requests: say so, and do not fail. */
	if (status_kernel(ctx, kernel, sizeof(kernel)))
		return buf_printf(body, "ok\n") ? 500 : 200;
	return buf_printf(body, "ok; kernel half: %s\n", kernel) ? 500 : 200;
}

static const struct endpoint endpoints[] = {
	{ "/metrics", answer_metrics },
	{ "/livez", answer_live },
	{ "/readyz", answer_ready },
	{ 0 },
};

int internal_start(struct supervisor *s, int fd)
{
	return endpoint_open(supervisor_loop(s), fd, endpoints, s, &internal_server);
}

void internal_stop(void)
{
	endpoint_close(internal_server);
	internal_server = NULL;
}
