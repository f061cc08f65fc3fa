/* SPDX-License-Identifier: BSD-2-Clause */
/* What an operator should know about a host and its devices, from facts: one line each, with its remedy. */
#pragma once

#include <stddef.h>

#include "../conf/conf.h"
#include "device_facts.h"

#define DIAGNOSE_LINES_MAX  64
#define DIAGNOSE_LINE_BYTES 320

struct diagnose_lines {
	char line[DIAGNOSE_LINES_MAX][DIAGNOSE_LINE_BYTES];
	size_t n;
};

/* How the device is used. */
struct diagnose_use {
	const char *name;
	enum conf_hook hook;
	enum conf_xdp_mode mode; /* wanted */
	bool native;		 /* what became of it */
	int native_error;
	bool fixed;    /* see struct dataplane_device */
	bool steered;  /* connections of clients are handed to listeners of this host */
	bool is_added; /* one of dataplane.devices */
	bool replies;  /* programs send back what came by it */
};

/* Add a line; what is over DIAGNOSE_LINES_MAX is dropped. */
void diagnose_say(struct diagnose_lines *lines, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void diagnose_host(const struct host_facts *h, struct diagnose_lines *lines);
/* A device that packets come in by. */
void diagnose_device(const struct diagnose_use *u, const struct device_facts *f,
		     const struct host_facts *h, struct diagnose_lines *lines);
/* A device that packets to backends leave by, which native XDP redirects. */
void diagnose_way(const struct diagnose_use *u, const struct device_facts *f,
		  struct diagnose_lines *lines);
/* Does the kernel drop what is not from where it would answer to? "" or a line, of at most bytes. */
void diagnose_rp_filter(const char *device, int rp_filter, bool is_way_out, const char *what,
			char *ret, size_t ret_bytes);
