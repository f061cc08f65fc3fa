/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines of the Prometheus text format; what does not fit is remembered in `failed`. */
#pragma once

#include <errno.h>
#include <stdint.h>

#include "../base/buf.h"

struct text {
	struct buf *out;
	bool failed;
};

struct prometheus_source;

void text_family(struct text *t, const char *name, const char *type, const char *help);
/* Pairs of label name and value, ended by NULL; values are escaped. */
void text_sample(struct text *t, const char *name, uint64_t value, ...) __attribute__((sentinel));
void text_sample_double(struct text *t, const char *name, double value, ...)
	__attribute__((sentinel));
/* Take back all that was written since the text was that long, and that it failed. */
void text_cut(struct text *t, size_t len);
/* A histogram's bound in seconds; UINT64_MAX is +Inf. */
void text_bound(char le[32], uint64_t us);

/* The kernel half's families (kernel.c). */
void kernel_write(const struct prometheus_source *src, struct text *t);
/* Of xdp_decap. */
void decap_write(const struct prometheus_source *src, struct text *t);
/* Of them, those of the guard (guard.c). */
void guard_write(const struct prometheus_source *src, struct text *t);
/* Health checks, which there are then (vip_health.c). */
void vip_health_write(const struct prometheus_source *src, struct text *t);
/* By backend, if there are any: what health checks say, and what they got and have of flows (backend.c). */
void vip_health_write_backends(const struct prometheus_source *src, struct text *t);
void backend_write(const struct prometheus_source *src, struct text *t);
/* Of vips that read connection ids (quic.c). */
void quic_write(const struct prometheus_source *src, struct text *t);
/* Of vips of mode nat (nat.c). */
void nat_write(const struct prometheus_source *src, struct text *t);
/* Of listeners that steer (steer.c). */
void vip_flow_write(const struct prometheus_source *src, struct text *t);
void steer_write(const struct prometheus_source *src, struct text *t);
