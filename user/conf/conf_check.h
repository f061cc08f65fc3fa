/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "conf_node.h"

/*
 * What no single setting can say: overlaps, sums, values that contradict each other. Every error
 * names the place in the file by the node that the value came from. 0 or -ENOMEM.
 *   scratch  memory for the time of the check
 */
int conf_check(const struct conf *conf, struct conf_node *root, struct conf_arena *scratch,
	       struct conf_errors *errors);

/* The halves of it, and what conf_check_kernel leaves to a file of its own. */
int conf_check_kernel(const struct conf *conf, struct conf_node *root, struct conf_arena *scratch,
		      struct conf_errors *errors);
/* Fails the node where its size is no prime. */
void conf_check_ring_size(uint32_t size, struct conf_node *node, struct conf_errors *errors);
/* Prefixes that no source matches, since the kernel knows an IPv6 source by its /64. */
void conf_check_prefix_lengths(const struct prefix *prefixes, size_t n, struct conf_node *list,
			       struct conf_errors *errors);
int conf_check_vips(const struct conf *conf, struct conf_node *root, struct conf_arena *scratch,
		    struct conf_errors *errors);
int conf_check_decap(const struct conf *conf, struct conf_node *root, struct conf_arena *scratch,
		     struct conf_errors *errors);
int conf_check_limits(const struct conf *conf, struct conf_node *root, struct conf_arena *scratch,
		      struct conf_errors *errors);
int conf_check_responses(const struct conf *conf, struct conf_node *root,
			 struct conf_arena *scratch, struct conf_errors *errors);
void conf_check_health(const struct conf_vip *vip, struct conf_node *node,
		       struct conf_errors *errors);
int conf_check_quic(const struct conf_vip *vip, struct conf_node *node, struct conf_arena *scratch,
		    struct conf_errors *errors);
/* What only mode nat has, of all vips. */
int conf_check_nat(const struct conf *conf, struct conf_node *vips, struct conf_arena *scratch,
		   struct conf_errors *errors);
int conf_check_gateway(const struct conf *conf, struct conf_node *root, struct conf_arena *scratch,
		       struct conf_errors *errors);
void conf_check_upstream(const struct conf *conf, struct conf_node *root,
			 struct conf_errors *errors);
int conf_check_steer(const struct conf *conf, struct conf_node *root, struct conf_errors *errors);

/* 0.0.0.0 or ::. */
bool conf_check_is_any(const struct addr *a);
/* Why packets cannot be sent to it from another host: "a loopback address"; NULL: they can. */
const char *conf_check_unroutable(const struct addr *a);

/* A value that has to be unique, and where it is in the file. */
struct conf_unique {
	const void *key;
	size_t key_bytes;
	struct conf_node *node;
};

/*
 * Report each key that was there before: "…; the first is in line N", or what for edits have no
 * lines. Sorts the entries. Nodes that are bad are skipped.
 */
void conf_check_unique(struct conf_unique *entries, size_t n, const char *what,
		       struct conf_errors *errors);
