/* SPDX-License-Identifier: BSD-2-Clause */
/* The client side of the filter: for the files of user/tls. */
#pragma once

#include <openssl/ssl.h>

#include "tls.h"

/* A new connection that checks the server's name, where c does; NULL: no memory, or no name. */
SSL *tls_client_ssl(struct tls_client *c, const char *name);
