/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Have the files of certificates changed? Asked, not told: they are opened through the monitor, which
 * may read where the supervisor may not, and links that are switched (certbot, Kubernetes) and network
 * file systems tell inotify little. A few files at a time, so that thousands hold up nothing.
 */
#pragma once

#include "pem.h"

#define PEM_WATCH_FILES 64 /* looked at in one turn */

/* All zero: nothing was seen yet. */
struct pem_watch {
	size_t at;	  /* the next file of the round */
	uint64_t round;	  /* digest in the making */
	uint64_t seen;	  /* of the last whole round; 0: none */
	uint64_t settled; /* of the round that was reported; 0: none */
};

/*
 * Look at the next files of conf, in turns. true: a round is over, the files are other ones than when
 * true was returned last, or that never was, and they are as in the round before: nobody is in the
 * midst of writing them.
 */
bool pem_watch_turn(struct pem_watch *w, const struct conf *conf, const struct pem_source *source);
