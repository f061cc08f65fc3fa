/* SPDX-License-Identifier: BSD-2-Clause */
#include <limits.h>
#include <string.h>

#include "tls_wire.h"

static BIO_METHOD *method;
static BIO *the_bio;
static struct tls_window *window;
static struct buf *output;

static int wire_read(BIO *bio, char *data, int n)
{
	size_t want = n > 0 ? (size_t)n : 0;

	BIO_clear_retry_flags(bio);
	if (!window || !window->len) {
		BIO_set_retry_read(bio);
		return -1;
	}
	if (want > window->len)
		want = window->len;
	memcpy(data, window->at, want);
	window->at += want;
	window->len -= want;
	return (int)want;
}

static int wire_write(BIO *bio, const char *data, int n)
{
	BIO_clear_retry_flags(bio);
	/* refused: more than a peer may make us owe it; OpenSSL reports a failed write */
	if (n <= 0 || !output || buf_add(output, data, (size_t)n))
		return -1;
	return n;
}

static long wire_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH;
}

static int wire_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

BIO *tls_wire_bio(void)
{
	if (!method) {
		method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sluice wire");
		if (!method)
			return NULL;
		BIO_meth_set_read(method, wire_read);
		BIO_meth_set_write(method, wire_write);
		BIO_meth_set_ctrl(method, wire_ctrl);
		BIO_meth_set_create(method, wire_create);
	}
	if (!the_bio)
		the_bio = BIO_new(method);
	if (the_bio)
		BIO_up_ref(the_bio);
	return the_bio;
}

void tls_wire_use(struct tls_window *in, struct buf *out)
{
	window = in;
	output = out;
}
