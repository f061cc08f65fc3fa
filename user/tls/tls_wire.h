/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one BIO of the process. OpenSSL reads from the window of the call that is running and writes
 * into its buffer; the socket is not its business. It only has both while tls_wire_use says so.
 */
#pragma once

#include <openssl/bio.h>
#include <stddef.h>

#include "base/buf.h"

struct tls_window {
	const char *at;
	size_t len;
};

/* A new reference, NULL: no memory. */
BIO *tls_wire_bio(void);
/* For the next calls into OpenSSL; NULL, NULL afterwards. */
void tls_wire_use(struct tls_window *in, struct buf *out);
