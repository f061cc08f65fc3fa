/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `steer` of all listeners as records of the kernel's trie (abi/steer.h): into each prefix is compiled
 * what the shorter ones around it say. Pure. The longest prefix wins, and within one prefix the
 * narrowest range; what another listener of ours, or the internal one, is bound to stays with it.
 */
#pragma once

#include "conf.h"
#include "sluice/abi/steer.h"

struct steer_entry {
	struct prefix prefix;
	struct steer_prefix record; /* ranges name listeners by their index in conf->listeners */
};

struct steer_compiled {
	struct steer_entry *entry; /* a prefix is behind those around it */
	size_t n;
};

enum steer_fault_kind {
	STEER_FAULT_SAME,     /* neither range is inside the other */
	STEER_FAULT_BOUND,    /* another listener is bound to just this */
	STEER_FAULT_RANGES,   /* more than STEER_RANGES_MAX meet in a prefix */
	STEER_FAULT_PREFIXES, /* more than STEER_PREFIXES_MAX */
};

struct steer_fault {
	enum steer_fault_kind kind;
	size_t listener, row;
	/* The rule before: of SAME both, of BOUND other, SIZE_MAX: agent.internal. */
	size_t other, other_row;
};

/* 0 with *ret, to be cleared; -ENOMEM; -EINVAL after on_fault was called for each fault. */
int steer_compile(const struct conf *conf, struct steer_compiled *ret,
		  void (*on_fault)(const struct steer_fault *fault, void *ctx), void *ctx);
void steer_compiled_clear(struct steer_compiled *c);

/* A prefix of IPv4; ::/0, which has those addresses in it as they are stored, is none. */
bool steer_compile_is_v4(const struct prefix *p);
/* Every address of its family: no route is made for it. */
bool steer_compile_is_all(const struct prefix *p);
