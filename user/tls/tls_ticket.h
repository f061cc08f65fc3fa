/* SPDX-License-Identifier: BSD-2-Clause */
/* Session tickets (RFC 5077 s4) under keys that all workers share. */
#pragma once

#include <openssl/ssl.h>

#include "tls.h"

/* The keys stay the caller's and are read on every ticket. 0 or -ENOMEM. */
int tls_ticket_use(SSL_CTX *ctx, const struct tls_tickets *(*keys_of)(SSL *ssl));
