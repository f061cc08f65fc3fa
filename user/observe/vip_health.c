/* SPDX-License-Identifier: BSD-2-Clause */
/* Health checks of vips: state, probes by result, latency, transitions. */
#include "../health/health.h"
#include "prometheus.h"
#include "text.h"

static const char *const result_labels[HEALTH_RESULTS] = { "pass", "refused", "timeout",
							   "tls",  "answer",  "failed" };

static void write_up(struct text *t, const char *name, const char *vip, const char *backend,
		     const struct health_info *h)
{
	text_sample(t, name, h->status == HEALTH_UP, "vip", vip, "backend", backend, NULL);
}

static void write_share(struct text *t, const char *name, const char *vip, const char *backend,
			const struct health_info *h)
{
	text_sample_double(t, name, (double)h->share / HEALTH_SHARE_FULL, "vip", vip, "backend",
			   backend, NULL);
}

/* What never happened is left out: results times backends would be many lines of 0. */
static void write_probes(struct text *t, const char *name, const char *vip, const char *backend,
			 const struct health_info *h)
{
	for (int i = 0; i < HEALTH_RESULTS; i++)
		if (h->probes[i] || i == HEALTH_PASS)
			text_sample(t, name, h->probes[i], "vip", vip, "backend", backend, "result",
				    result_labels[i], NULL);
}

static void write_latency(struct text *t, const char *name, const char *vip, const char *backend,
			  const struct health_info *h)
{
	text_sample_double(t, name, (double)h->latency_us / 1e6, "vip", vip, "backend", backend,
			   NULL);
}

static void write_transitions(struct text *t, const char *name, const char *vip,
			      const char *backend, const struct health_info *h)
{
	text_sample(t, name, h->transitions, "vip", vip, "backend", backend, NULL);
}

static const struct {
	const char *name, *type, *help;
	void (*write)(struct text *t, const char *name, const char *vip, const char *backend,
		      const struct health_info *h);
} families[] = {
	{ "sluice_agent_backend_up", "gauge", "1 when its health checks say so.", write_up },
	{ "sluice_agent_backend_weight_ratio", "gauge",
	  "The part of its configured weight that health checks and slow start leave it.",
	  write_share },
	{ "sluice_agent_backend_probes_total", "counter", "Probes, by result.", write_probes },
	{ "sluice_agent_backend_probe_seconds", "gauge", "How long the last probe took.",
	  write_latency },
	{ "sluice_agent_backend_transitions_total", "counter",
	  "Times that it went up or down by its health checks.", write_transitions },
};

void vip_health_write_backends(const struct prometheus_source *src, struct text *t)
{
	struct health_info info;

	if (!src->health)
		return;
	for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
		text_family(t, families[f].name, families[f].type, families[f].help);
		for (size_t i = 0; i < src->conf->n_vips; i++) {
			const struct conf_vip *v = &src->conf->vips[i];

			for (size_t j = 0; j < v->n_backends; j++)
				if (health_get(src->health, i, j, &info))
					families[f].write(t, families[f].name, v->name,
							  v->backends[j].name, &info);
		}
	}
}

void vip_health_write(const struct prometheus_source *src, struct text *t)
{
	text_family(t, "sluice_agent_probes_running", "gauge", "Probes on their way.");
	text_sample(t, "sluice_agent_probes_running", health_running(src->health), NULL);
	text_family(t, "sluice_agent_probes_delayed_total", "counter",
		    "Probes that waited for others to end.");
	text_sample(t, "sluice_agent_probes_delayed_total", health_delayed(src->health), NULL);
}
