/* SPDX-License-Identifier: BSD-2-Clause */
#include "tickets.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define TICKETS_MAX (sizeof(((struct tls_tickets *)0)->key) / TLS_TICKET_KEY_BYTES)

int tickets_rotate(struct tls_tickets *t)
{
	uint8_t fresh[TLS_TICKET_KEY_BYTES];

	if (getrandom(fresh, sizeof(fresh), 0) != (ssize_t)sizeof(fresh))
		return -EIO;
	memmove(t->key[1], t->key[0], (TICKETS_MAX - 1) * TLS_TICKET_KEY_BYTES);
	memcpy(t->key[0], fresh, sizeof(fresh));
	explicit_bzero(fresh, sizeof(fresh));
	if (t->n < TICKETS_MAX)
		t->n++;
	return 0;
}
