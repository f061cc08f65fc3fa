/* SPDX-License-Identifier: BSD-2-Clause */
#include "prometheus.h"

#include "text.h"

/* For what the caller adds. */
#define REST_BYTES 65536

#define COUNTER_NAME(id, name, help) { "sluice_" name "_total", help },
static const struct {
	const char *name;
	const char *help;
} counters[] = { METRIC_COUNTERS(COUNTER_NAME) };

static const uint64_t bounds_us[] = METRIC_BUCKET_BOUNDS_US;
_Static_assert(sizeof(bounds_us) / sizeof(bounds_us[0]) == METRIC_BUCKETS - 1, "buckets");

static uint64_t load(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

static void write_counters(const struct prometheus_source *src, struct text *t)
{
	for (size_t c = 0; c < METRIC_COUNTER_COUNT; c++) {
		uint64_t sum = 0;

		for (size_t i = 0; i < src->n_pages; i++)
			sum += load(&src->pages[i]->counter[c]);
		text_family(t, counters[c].name, "counter", counters[c].help);
		text_sample(t, counters[c].name, sum, NULL);
	}
}

static void write_strips(const struct prometheus_source *src, struct text *t)
{
	static const char family[] = "sluice_agent_request_fields_stripped_total";
#define STRIP_LABEL(id, label) label,
	static const char *const kinds[] = { METRIC_STRIPS(STRIP_LABEL) };

	text_family(t, family, "counter", "Request fields that endpoints must not believe.");
	for (size_t k = 0; k < METRIC_STRIP_COUNT; k++) {
		uint64_t sum = 0;

		for (size_t i = 0; i < src->n_pages; i++)
			sum += load(&src->pages[i]->stripped[k]);
		text_sample(t, family, sum, "kind", kinds[k], NULL);
	}
}

static void route_sum(const struct prometheus_source *src, uint32_t id, struct metric_route *ret)
{
	*ret = (struct metric_route) { 0 };
	for (size_t i = 0; i < src->n_pages; i++) {
		const struct metric_route *row = &src->pages[i]->route[id];

		for (size_t c = 0; c < 5; c++)
			ret->responses[c] += load(&row->responses[c]);
		for (size_t b = 0; b < METRIC_BUCKETS; b++)
			ret->duration[b] += load(&row->duration[b]);
		ret->bytes_in += load(&row->bytes_in);
		ret->bytes_out += load(&row->bytes_out);
		ret->duration_sum_us += load(&row->duration_sum_us);
	}
}

static void write_route_responses(const struct prometheus_source *src, struct text *t)
{
	static const char *const classes[] = { "1xx", "2xx", "3xx", "4xx", "5xx" };
	struct metric_route sum;

	text_family(t, "sluice_agent_responses_total", "counter", "Responses sent, by route.");
	for (uint32_t id = 0; id < METRIC_STAT_IDS; id++) {
		const char *name = src->route_name(src->ctx, id);

		if (!name)
			continue;
		route_sum(src, id, &sum);
		for (size_t c = 0; c < 5; c++)
			text_sample(t, "sluice_agent_responses_total", sum.responses[c], "route",
				    name, "class", classes[c], NULL);
	}
}

static void write_route_bytes(const struct prometheus_source *src, struct text *t)
{
	struct metric_route sum;

	text_family(t, "sluice_agent_body_bytes_total", "counter", "Body bytes, by route.");
	for (uint32_t id = 0; id < METRIC_STAT_IDS; id++) {
		const char *name = src->route_name(src->ctx, id);

		if (!name)
			continue;
		route_sum(src, id, &sum);
		text_sample(t, "sluice_agent_body_bytes_total", sum.bytes_in, "route", name,
			    "direction", "request", NULL);
		text_sample(t, "sluice_agent_body_bytes_total", sum.bytes_out, "route", name,
			    "direction", "response", NULL);
	}
}

static void write_route_histogram(const struct prometheus_source *src, struct text *t)
{
	static const char family[] = "sluice_agent_request_duration_seconds";
	struct metric_route sum;

	text_family(t, family, "histogram", "From the request's header to the response's end.");
	for (uint32_t id = 0; id < METRIC_STAT_IDS; id++) {
		const char *name = src->route_name(src->ctx, id);
		uint64_t count = 0;
		char le[32];

		if (!name)
			continue;
		route_sum(src, id, &sum);
		for (size_t b = 0; b < METRIC_BUCKETS; b++) {
			count += sum.duration[b];
			text_bound(le, b < METRIC_BUCKETS - 1 ? bounds_us[b] : UINT64_MAX);
			text_sample(t, "sluice_agent_request_duration_seconds_bucket", count,
				    "route", name, "le", le, NULL);
		}
		text_sample_double(t, "sluice_agent_request_duration_seconds_sum",
				   (double)sum.duration_sum_us / 1e6, "route", name, NULL);
		text_sample(t, "sluice_agent_request_duration_seconds_count", count, "route", name,
			    NULL);
	}
}

static void write_cluster_column(const struct prometheus_source *src, struct text *t,
				 const char *family, const char *help, bool failures)
{
	text_family(t, family, "counter", help);
	for (uint32_t id = 0; id < METRIC_STAT_IDS; id++) {
		const char *name = src->cluster_name(src->ctx, id);
		uint64_t sum = 0;

		if (!name)
			continue;
		for (size_t i = 0; i < src->n_pages; i++) {
			const struct metric_cluster *row = &src->pages[i]->cluster[id];

			sum += load(failures ? &row->failures : &row->requests);
		}
		text_sample(t, family, sum, "cluster", name, NULL);
	}
}

static void write_decisions(const struct prometheus_source *src, struct text *t)
{
	text_family(t, "sluice_agent_verdicts_total", "counter",
		    "Verdicts that refusals would have set in the kernel, by what was decided.");
	for (size_t i = 0; i < src->n_verdicts; i++)
		text_sample(t, "sluice_agent_verdicts_total", src->verdicts[i].value, "outcome",
			    src->verdicts[i].label, NULL);
	text_family(t, "sluice_agent_audit_lost_total", "counter",
		    "Audit records that were not stored.");
	text_sample(t, "sluice_agent_audit_lost_total", src->audit_lost, NULL);
}

/*
 * Of thousands of backends that may be more than an answer holds: then they are left out, so that all the
 * rest is told. In two parts, of which one may have room.
 */
static void write_backends(const struct prometheus_source *src, struct text *t)
{
	static void (*const parts[])(const struct prometheus_source *,
				     struct text *) = { backend_write, vip_health_write_backends };
	uint64_t n_cut = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		const size_t len = buf_len(t->out);

		if (t->failed)
			return;
		parts[i](src, t);
		if (!t->failed && buf_room(t->out) >= REST_BYTES)
			continue;
		text_cut(t, len);
		n_cut++;
	}
	text_family(t, "sluice_agent_metrics_cut", "gauge",
		    "Parts by backend that are left out: there are too many of them.");
	text_sample(t, "sluice_agent_metrics_cut", n_cut, NULL);
}

int prometheus_write(const struct prometheus_source *src, struct buf *out)
{
	struct text t = { .out = out };

	text_family(&t, "sluice_build_info", "gauge", "Always 1; the version is in the label.");
	text_sample(&t, "sluice_build_info", 1, "version", src->version, NULL);
	text_family(&t, "sluice_agent_revision", "gauge", "Running revision of the configuration.");
	text_sample(&t, "sluice_agent_revision", src->revision, NULL);
	text_family(&t, "sluice_agent_ready", "gauge", "1 when /readyz says ready.");
	text_sample(&t, "sluice_agent_ready", src->ready, NULL);
	text_family(&t, "sluice_agent_connections", "gauge", "Client connections that are open.");
	text_sample(&t, "sluice_agent_connections", src->connections, NULL);
	write_counters(src, &t);
	write_strips(src, &t);
	write_decisions(src, &t);
	write_route_responses(src, &t);
	write_route_bytes(src, &t);
	write_route_histogram(src, &t);
	write_cluster_column(src, &t, "sluice_agent_upstream_requests_total",
			     "Requests sent to a cluster.", false);
	write_cluster_column(src, &t, "sluice_agent_upstream_failures_total",
			     "Requests that a cluster did not answer in order.", true);
	if (src->dataplane)
		kernel_write(src, &t);
	decap_write(src, &t);
	if (src->health)
		vip_health_write(src, &t);
	write_backends(src, &t);
	return t.failed ? -ENOSPC : 0;
}
