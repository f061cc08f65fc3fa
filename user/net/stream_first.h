/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes that go to the wire before everything else, as a PROXY header does before TLS. */
#pragma once

#include "stream.h"

/*
 * Send a copy of these once the stream is connected, before its filter (if any) says its first word;
 * they count as nobody's bytes_out. After stream_set_filter, before the first event. -ENOMEM.
 */
int stream_first(struct stream *s, const void *data, size_t n);
