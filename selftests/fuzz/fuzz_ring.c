/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The supervisor reads rings that a worker writes: whatever a hostile worker leaves in the mapping,
 * and changes between two reads, the reader stays within its bounds and comes to an end.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/ring.h"

#define DATA_BYTES 256U
#define OUT_BYTES  64U
#define READS_MAX  1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each input is a list of {offset, value} writes into the mapping; after each, some reads. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t bytes = ring_bytes(DATA_BYTES);
	uint8_t *mem = aligned_alloc(64, bytes);
	char *out = malloc(OUT_BYTES); /* on the heap: an overrun is seen */
	struct ring *writer = ring_init(mem, DATA_BYTES), *reader = NULL;
	int n = 1;

	ring_write(writer, "an honest record", 16);
	/* attach before or after the damage */
	if (size && data[0] & 1)
		ring_attach(mem, bytes, &reader);
	for (size_t i = 1; i + 3 <= size; i += 3) {
		mem[(data[i] | (size_t)data[i + 1] << 8) % bytes] = data[i + 2];
		if (reader && (data[i + 1] & 0x80))
			ring_read(reader, out, OUT_BYTES);
	}
	if (!reader && ring_attach(mem, bytes, &reader))
		goto done;
	for (int i = 0; n && i < READS_MAX; i++) {
		n = ring_read(reader, out, OUT_BYTES);
		if (n > (int)OUT_BYTES)
			abort();
	}
	if (n) /* a ring of 256 bytes holds at most 32 records */
		abort();
	ring_free(reader);
done:
	ring_free(writer);
	free(out);
	free(mem);
	return 0;
}
