/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes on their way: request bodies up, responses down, tunnels both. */
#pragma once

#include "exchange.h"

/* Move what the client sent of the body to the endpoint, as far as that takes it. */
void relay_request(struct exchange *x);
/* The client ended its side before its body did. */
void relay_request_ended(struct exchange *x);
/* Read and pass on the response, head and body, as far as the client takes it. */
void relay_response(struct exchange *x);

void tunnel_start(struct exchange *x);
void tunnel_pump(struct exchange *x);
/* Data from one stream into another, framed in chunks or not. 0 or negative errno. */
int relay_data(struct stream *to, bool chunked, struct str data);
/* How much of n bytes may be taken now; 0: on_writable of `to` is owed. */
size_t relay_room(struct stream *to, bool chunked, size_t n);
