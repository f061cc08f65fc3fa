/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose certificate a client has shown: texts for fields and logs, printable ASCII all of them. */
#pragma once

#include "../net/stream.h"

#define TLS_IDENTITY_NAME_MAX 1024 /* bytes of a name; a longer one is left out */
#define TLS_IDENTITY_DER_MAX  4096 /* of a certificate that is passed on whole */

/* Each NULL where it is longer than its maximum, sha256 aside. */
struct tls_identity {
	char sha256[65]; /* of the certificate, hex */
	char *subject;	 /* RFC 2253 */
	char *issuer;
	char *serial; /* hex */
	char *base64; /* of the certificate's DER */
};

/*
 * Of a stream whose handshake is done; the certificate verified, for others do not get there. A
 * resumed session's is the one that it began with. *ret is NULL where the client has shown none.
 * -ENOMEM.
 */
int tls_identity_get(struct stream *s, struct tls_identity **ret);
void tls_identity_free(struct tls_identity *id); /* NULL is fine */
