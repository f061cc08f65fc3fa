/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The thread that writes audit records, so that the loop that makes them waits for no disk. It has a
 * connection of its own: what else the loop reads and writes goes on meanwhile.
 *
 * Edits are not its business. An operator is told that his change is stored, so it has to be, and the
 * loop has just waited for the workers, which takes longer than a commit.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "storage.h"

#define STORAGE_WRITER_RECORDS	    1024
#define STORAGE_WRITER_RECORD_BYTES 65536 /* a longer one is not kept (-EMSGSIZE) */

struct storage_writer;

/* max: records that may wait, at most STORAGE_WRITER_RECORDS. Negative errno. */
int storage_writer_start(struct storage *s, size_t max, struct storage_writer **ret);
/*
 * Queue a record, as storage_audit_add. Never waits for the disk. 0, or dropped and counted:
 *   -ENOBUFS   as many wait as may: the disk is too slow
 *   -EINVAL    what is no JSON; -EMSGSIZE, -ENOMEM
 */
int storage_writer_audit(struct storage_writer *w, uint64_t wall_ns, const char *who,
			 const char *what_json);
/* How many were dropped or could not be written; *error: why the last one, negative errno. */
uint64_t storage_writer_lost(const struct storage_writer *w, int *error);
/*
 * Write what waits, for at most wait_ms, and end. Returns how many records may not have been written
 * in that time: the thread then goes on, and this may be called again. NULL is fine.
 */
size_t storage_writer_stop(struct storage_writer *w, uint32_t wait_ms);
