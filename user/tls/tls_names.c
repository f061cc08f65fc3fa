/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "tls_names.h"

#define KEY_MAX_BYTES (1U << 20)

/* Lower case without a final dot; false for what cannot be a host name. */
static bool normalise(const char *text, size_t len, char ret[TLS_NAME_MAX + 1])
{
	if (len && text[len - 1] == '.')
		len--;
	if (!len || len > TLS_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
		      c == '.' || (c == '*' && i == 0)))
			return false;
		ret[i] = c;
	}
	ret[len] = '\0';
	return true;
}

static int add(struct tls_names *names, const char *text, SSL_CTX *ctx)
{
	char *copy;

	if (names->n == names->cap) {
		size_t cap = names->cap ? names->cap * 2 : 16;
		void *rows = reallocarray(names->rows, cap, sizeof(*names->rows));

		if (!rows)
			return -ENOMEM;
		names->rows = rows;
		names->cap = cap;
	}
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	names->rows[names->n] = (struct tls_name) { .text = copy, .ctx = ctx, .order = names->n };
	names->n++;
	return 0;
}

static int add_text(struct tls_names *names, const ASN1_STRING *s, SSL_CTX *ctx)
{
	char text[TLS_NAME_MAX + 1];

	if (!normalise((const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s), text))
		return 0;
	return add(names, text, ctx);
}

static int add_common_name(struct tls_names *names, X509 *leaf, SSL_CTX *ctx)
{
	X509_NAME *subject = X509_get_subject_name(leaf);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

	if (at < 0)
		return 0;
	return add_text(names, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), ctx);
}

int tls_names_add_cert(struct tls_names *names, X509 *leaf, SSL_CTX *ctx)
{
	GENERAL_NAMES *alt = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	bool any = false;
	int err = 0;

	for (int i = 0; !err && i < sk_GENERAL_NAME_num(alt); i++) {
		GENERAL_NAME *name = sk_GENERAL_NAME_value(alt, i);

		if (name->type != GEN_DNS)
			continue;
		any = true;
		err = add_text(names, name->d.dNSName, ctx);
	}
	GENERAL_NAMES_free(alt);
	return err || any ? err : add_common_name(names, leaf, ctx);
}

static int compare(const void *left, const void *right)
{
	const struct tls_name *a = left, *b = right;
	int order = strcmp(a->text, b->text);

	if (order)
		return order;
	return a->order < b->order ? -1 : 1;
}

void tls_names_sort(struct tls_names *names)
{
	if (names->n)
		qsort(names->rows, names->n, sizeof(*names->rows), compare);
}

static void clear_buf(struct buf *b)
{
	buf_clear(b);
}

static void clear_names(struct tls_names *names)
{
	tls_names_clear(names);
}

int tls_names_key(X509 *leaf, char **ret_key)
{
	CLEANUP(clear_names) struct tls_names names = { 0 };
	CLEANUP(clear_buf) struct buf text = { .max_bytes = KEY_MAX_BYTES };
	int err = tls_names_add_cert(&names, leaf, NULL);
	char *key;

	tls_names_sort(&names);
	for (size_t i = 0; !err && i < names.n; i++)
		err = buf_printf(&text, "%s,", names.rows[i].text);
	if (err)
		return -ENOMEM;
	key = strndup(text.data ? buf_head(&text) : "", buf_len(&text));
	if (!key)
		return -ENOMEM;
	*ret_key = key;
	return 0;
}

/* The first row with this text: binary search for the lower bound. */
static SSL_CTX *find_exact(const struct tls_names *names, const char *text)
{
	size_t low = 0, high = names->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(names->rows[mid].text, text) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == names->n || strcmp(names->rows[low].text, text) != 0)
		return NULL;
	return names->rows[low].ctx;
}

SSL_CTX *tls_names_find(const struct tls_names *names, const char *host)
{
	char text[TLS_NAME_MAX + 1], *dot;
	SSL_CTX *ctx;

	if (!normalise(host, strlen(host), text) || text[0] == '*')
		return NULL;
	ctx = find_exact(names, text);
	dot = strchr(text, '.');
	if (ctx || !dot || dot == text)
		return ctx;
	dot[-1] = '*'; /* one label, whole: "a.b.example" does not match "*.example" */
	return find_exact(names, dot - 1);
}

void tls_names_clear(struct tls_names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->rows[i].text);
	free(names->rows);
	*names = (struct tls_names) { 0 };
}
