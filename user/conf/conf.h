/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration, parsed and checked. One table of rows (conf_rows.h) makes the parser, the dump,
 * the diff, the JSON Schema and the man page, so that they cannot disagree.
 *
 * A struct conf is immutable once conf_parse returned it and owns all of its memory. Its dump is
 * JSON, which is YAML too: what `config show` prints can be applied again, and it is what the
 * supervisor hands to the workers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/buf.h"
#include "../base/errmsg.h"
#include "conf_settings.h"

#define CONF_FILE_MAX_BYTES (16U << 20)
#define CONF_ERRORS_MAX	    100 /* reported at once; the rest is counted */

/* All that is wrong with a file, in order of line: "file:line:column: what; what would be right". */
struct conf_errors {
	struct {
		uint32_t line, column; /* from 1; 0: of the whole */
		char text[256];
	} error[CONF_ERRORS_MAX];
	size_t n;
	size_t suppressed;
};

/* Add one, or count it as suppressed. Returns -EINVAL. */
int conf_errors_add(struct conf_errors *errors, uint32_t line, uint32_t column, const char *fmt,
		    ...) __attribute__((format(printf, 4, 5)));
/* By line and column; errors of the whole first. */
void conf_errors_sort(struct conf_errors *errors);
/* Write one line per error, "NAME:LINE:COLUMN: TEXT\n". 0 or -ENOSPC. */
int conf_errors_format(const struct conf_errors *errors, const char *file_name, struct buf *out);

/*
 * Parse and check YAML (aliases, anchors, tags and duplicate keys are refused). Touches no file.
 * 0 and *ret, or -EINVAL and at least one error; -ENOMEM. errors is initialised here.
 */
int conf_parse(const char *text, size_t len, struct conf **ret, struct conf_errors *errors);

/*
 * A look at what a refused text refers to outside of itself, so that all that is wrong is reported at
 * once: called when there are errors, with what could be read; every pointer may be NULL, every
 * number 0. A text that is accepted is the caller's to look further into.
 */
struct conf_outside {
	void (*check)(const struct conf *conf, struct conf_errors *errors, void *ctx);
	void *ctx;
};
/* conf_parse; outside may be NULL. */
int conf_parse_with(const char *text, size_t len, const struct conf_outside *outside,
		    struct conf **ret, struct conf_errors *errors);
void conf_free(struct conf *conf);

enum conf_dump {
	CONF_DUMP_FULL,	    /* for our own processes: key hashes included */
	CONF_DUMP_REDACTED, /* for people: key hashes cut to 8 digits, not to be parsed again */
};
/* Every setting, defaults included, as JSON. 0 or -ENOSPC. */
int conf_dump(const struct conf *conf, enum conf_dump mode, struct buf *out);

/* What a change touches: a bit per room, so that a reload applies the cheapest tiers only. */
enum conf_tier {
	CONF_TIER_DATA = 1,	 /* keys, limits, backends, endpoints, certificates, acl */
	CONF_TIER_ROUTES = 2,	 /* routes and policies */
	CONF_TIER_LISTENERS = 4, /* listeners that came, went or changed */
	CONF_TIER_DATAPLANE = 8, /* devices, map sizes */
	CONF_TIER_RESTART = 16,	 /* users, worker count, state_dir: refused while running */
};

/*
 * Compare. One line per difference is added to *text (may be NULL): "limits[web].packets.rate:
 * 100/s -> 200/s"; lines that do not fit are left out. Returns a mask of enum conf_tier, or negative errno.
 */
int conf_diff(const struct conf *from, const struct conf *to, struct buf *text);

/*
 * Apply operators' changes: edits are one JSON array of objects
 *   {"kind":"limit"|"consumer"|"plan"|"vip"|"backend"|"acl", "name":…, "op":"set"|"add"|"del", …}
 * in the order in which they were made, fields named as in the file. Maps are merged, a null takes
 * back to the default. A backend names its "vip", acl a "list" and a "prefix" (add, del); plans can
 * be set only, their limits by name: "limits":{"burst":{"rate":"20/s"}}.
 * 0 and a new conf, or -EINVAL with *err and errors in *errors when the result does not check.
 */
int conf_edit(const struct conf *from, const char *edits_json, struct conf **ret,
	      struct conf_errors *errors);

/* Is there anything for the kernel to run, and so a bpffs to be had? */
static inline bool conf_wants_kernel(const struct conf *conf)
{
	return conf->dataplane.enabled || conf->decap.n_devices > 0;
}

/* Find by name, by bisection; NULL when there is none. */
const struct conf_limit *conf_limit(const struct conf *conf, const char *name);
const struct conf_vip *conf_vip(const struct conf *conf, const char *name);
const struct conf_cluster *conf_cluster(const struct conf *conf, const char *name);
const struct conf_plan *conf_plan(const struct conf *conf, const char *name);
const struct conf_consumer *conf_consumer(const struct conf *conf, const char *name);

/*
 * "100/s" and "20" into a rate; the same grammar as in the file (also for sluicectl's words), with
 * units of bytes where the rate has one. burst NULL: one second of the rate. -EINVAL, -ERANGE.
 */
int conf_rate_parse(const char *rate, const char *burst, struct conf_rate *ret, struct errmsg *err);
/* "100/s", "none"; the burst is not in it. 0 or -ENOSPC. */
int conf_rate_format(const struct conf_rate *rate, char *text, size_t text_bytes);
/* A rate as the meters spend it. -ERANGE: cannot be represented (see algo/gcra.h). */
int conf_rate_compile(const struct conf_rate *rate, struct gcra_rate *ret);

/* The JSON Schema of the file and the settings part of sluice.yaml(5), from the rows. */
int conf_schema(struct buf *out);
int conf_man(struct buf *out);
