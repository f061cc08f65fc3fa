/* SPDX-License-Identifier: BSD-2-Clause */
/* Limits as the agent writes them, against the program that reads the same maps. */
#pragma once

#include "dataplane/limit_map.h"
#include "dataplane_lab.h"

struct limit_lab {
	struct lab *lab;
	struct dataplane *dp;
};

/* cmocka fixtures; *state is a struct limit_lab. */
int limit_lab_open(void **state);
int limit_lab_close(void **state);

/* So many packets a second; or one in 1,000 s, so that what passes in a test is burst alone. */
struct conf_limit limit_lab_limit(char *name, uint64_t count, uint64_t burst,
				  struct prefix *source);
struct conf_limit limit_lab_burst(char *name, uint64_t n, struct prefix *source);
int limit_lab_try(struct limit_lab *w, struct conf_limit *limits, size_t n, struct errmsg *err);
void limit_lab_apply(struct limit_lab *w, struct conf_limit *limits, size_t n);
/* As an agent that starts: its lists are in force once all of them have been applied. */
void limit_lab_reopen(struct limit_lab *w, uint32_t limit_rows);
/* How many of n packets pass. */
int limit_lab_passed_to(struct limit_lab *w, const char *src, uint8_t proto, uint16_t dport, int n);
int limit_lab_passed(struct limit_lab *w, const char *src, int n);
struct limit_explain limit_lab_explained(struct limit_lab *w, const char *src, const char *name);
