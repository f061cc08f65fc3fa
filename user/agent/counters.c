/* SPDX-License-Identifier: BSD-2-Clause */
#include "counters.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "observe/text.h"

static const struct {
	const char *family, *label, *value;
} rows[COUNTER_COUNT] = {
#define COUNTER_ROW(id, family, label, value) { "sluice_" family "_total", label, value },
	COUNTERS(COUNTER_ROW)
#undef COUNTER_ROW
};

static const struct {
	const char *family, *help;
} helps[] = {
	{ "sluice_agent_config_reloads_total", "Reloads of the configuration file (SIGHUP)." },
	{ "sluice_agent_certificate_reloads_total", "Changes of certificate files." },
	{ "sluice_agent_restarts_total", "Processes that ended unasked and were replaced." },
	{ "sluice_agent_workers_killed_total", "Workers that the supervisor had killed." },
	{ "sluice_agent_proposals_refused_total", "Refusal reports of workers not believed." },
	{ "sluice_agent_proofs_total", "What became of workers' word that sources are real." },
	{ "sluice_agent_log_lines_refused_total", "Log lines of workers that were replaced." },
};

uint64_t counters_get(const struct counters *c, enum counter id)
{
	return c ? atomic_load_explicit(&c->word[id], memory_order_relaxed) : 0;
}

static const char *help_of(const char *family)
{
	for (size_t i = 0; i < sizeof(helps) / sizeof(helps[0]); i++) {
		if (strcmp(helps[i].family, family) == 0)
			return helps[i].help;
	}
	return "";
}

int counters_write(const struct counters *c, uint64_t started_s, struct buf *out)
{
	static const char start[] = "sluice_agent_start_time_seconds";
	struct text t = { .out = out };

	for (size_t i = 0; i < COUNTER_COUNT; i++) {
		if (!i || strcmp(rows[i].family, rows[i - 1].family) != 0)
			text_family(&t, rows[i].family, "counter", help_of(rows[i].family));
		text_sample(&t, rows[i].family, counters_get(c, (enum counter)i), rows[i].label,
			    rows[i].value, NULL);
	}
	text_family(&t, start, "gauge", "When the supervisor began, in seconds since 1970.");
	text_sample(&t, start, started_s, NULL);
	return t.failed ? -ENOSPC : 0;
}
