/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All counters of both halves in the Prometheus text format 0.0.4, under one naming scheme:
 * sluice_<half>_<what>_<unit>, half being kernel or agent. Labels are names from the configuration,
 * never something that a peer sent.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/buf.h"
#include "../base/metric.h"
#include "../conf/conf.h"
#include "../dataplane/dataplane.h"

#define PROMETHEUS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct health;

struct prometheus_count {
	const char *label;
	uint64_t value;
};

/* What a scrape reads; borrowed for its duration. */
struct prometheus_source {
	const struct conf *conf;
	struct dataplane *dataplane; /* NULL: no kernel half */
	const struct decap *decap;   /* NULL: none */
	const struct health *health; /* NULL: nothing is probed */
	struct metric_page *const *pages;
	size_t n_pages;
	const char *(*route_name)(const void *ctx, uint32_t stat_id);
	const char *(*cluster_name)(const void *ctx, uint32_t stat_id);
	const void *ctx;
	const char *version;
	uint64_t revision;
	const struct prometheus_count
		*verdicts; /* pushes to the kernel that were decided, by outcome */
	size_t n_verdicts;
	uint64_t audit_lost;
	uint32_t connections;
	bool ready;
};

/* 0, or -ENOSPC when out cannot hold it. */
int prometheus_write(const struct prometheus_source *src, struct buf *out);
