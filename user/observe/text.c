/* SPDX-License-Identifier: BSD-2-Clause */
#include "text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void put(struct text *t, const char *s, size_t n)
{
	if (buf_add(t->out, s, n))
		t->failed = true;
}

void text_family(struct text *t, const char *name, const char *type, const char *help)
{
	if (buf_printf(t->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type))
		t->failed = true;
}

static void put_label_value(struct text *t, const char *value)
{
	for (; *value; value++) {
		if (*value == '\\' || *value == '"')
			put(t, "\\", 1);
		if (*value == '\n')
			put(t, "\\n", 2);
		else
			put(t, value, 1);
	}
}

static void put_labels(struct text *t, va_list labels)
{
	const char *label = va_arg(labels, const char *);
	bool first = true;

	if (!label)
		return;
	for (; label; label = va_arg(labels, const char *)) {
		put(t, first ? "{" : ",", 1);
		put(t, label, strlen(label));
		put(t, "=\"", 2);
		put_label_value(t, va_arg(labels, const char *));
		put(t, "\"", 1);
		first = false;
	}
	put(t, "}", 1);
}

void text_sample(struct text *t, const char *name, uint64_t value, ...)
{
	va_list labels;

	put(t, name, strlen(name));
	va_start(labels, value);
	put_labels(t, labels);
	va_end(labels);
	if (buf_printf(t->out, " %" PRIu64 "\n", value))
		t->failed = true;
}

void text_sample_double(struct text *t, const char *name, double value, ...)
{
	va_list labels;

	put(t, name, strlen(name));
	va_start(labels, value);
	put_labels(t, labels);
	va_end(labels);
	if (buf_printf(t->out, " %.9g\n", value))
		t->failed = true;
}

void text_cut(struct text *t, size_t len)
{
	t->out->end = t->out->start + len;
	t->failed = false;
}

void text_bound(char le[32], uint64_t us)
{
	if (us == UINT64_MAX)
		snprintf(le, 32, "+Inf");
	else
		snprintf(le, 32, "%.9g", (double)us / 1e6);
}
