/* SPDX-License-Identifier: BSD-2-Clause */
#include "pcapng.h"

#include <errno.h>
#include <string.h>

/* Section numbers are those of draft-ietf-opsawg-pcapng-03. */
#define BLOCK_SECTION	  0x0a0d0d0aU /* s4.1 */
#define BLOCK_INTERFACE	  1	      /* s4.2 */
#define BLOCK_PACKET	  6	      /* s4.3: enhanced packet */
#define BYTE_ORDER_MAGIC  0x1a2b3c4dU
#define LINKTYPE_ETHERNET 1

enum option {
	OPTION_END = 0,
	OPTION_COMMENT = 1,
	OPTION_SECTION_APPLICATION = 4,
	OPTION_INTERFACE_NAME = 2,
	OPTION_INTERFACE_TSRESOL = 9,
	OPTION_PACKET_FLAGS = 2,
};

#define FLAGS_INBOUND 1

static size_t padded(size_t bytes)
{
	return (bytes + 3) & ~(size_t)3;
}

static size_t text_bytes(const char *text)
{
	return strnlen(text, PCAPNG_TEXT_MAX);
}

/* Room was made by block_begin, so that this cannot fail. */
static char *put(char *at, const void *data, size_t bytes)
{
	memcpy(at, data, bytes);
	memset(at + bytes, 0, padded(bytes) - bytes);
	return at + padded(bytes);
}

static char *put_u32(char *at, uint32_t value)
{
	return put(at, &value, sizeof(value));
}

static char *put_option(char *at, enum option code, const void *data, size_t bytes)
{
	const uint16_t head[2] = { (uint16_t)code, (uint16_t)bytes };

	at = put(at, head, sizeof(head));
	return bytes ? put(at, data, bytes) : at;
}

/* Type and length in front, room for the body and the length behind. NULL: no room. */
static char *block_begin(struct buf *out, uint32_t type, size_t body_bytes, uint32_t *ret_bytes)
{
	char *at;

	*ret_bytes = (uint32_t)(12 + body_bytes);
	at = buf_reserve(out, *ret_bytes);
	return at ? put_u32(put_u32(at, type), *ret_bytes) : NULL;
}

static int block_end(struct buf *out, char *at, uint32_t bytes)
{
	put_u32(at, bytes);
	buf_commit(out, bytes);
	return 0;
}

int pcapng_section(struct buf *out, const char *application)
{
	const uint16_t version[2] = { 1, 0 };
	const uint64_t unknown_length = UINT64_MAX;
	size_t n = text_bytes(application);
	uint32_t bytes;
	char *at = block_begin(out, BLOCK_SECTION, 16 + 4 + padded(n) + 4, &bytes);

	if (!at)
		return -ENOSPC;
	at = put_u32(at, BYTE_ORDER_MAGIC);
	at = put(at, version, sizeof(version));
	at = put(at, &unknown_length, sizeof(unknown_length));
	at = put_option(at, OPTION_SECTION_APPLICATION, application, n);
	at = put_option(at, OPTION_END, NULL, 0);
	return block_end(out, at, bytes);
}

int pcapng_interface(struct buf *out, const char *name)
{
	const uint16_t link[2] = { LINKTYPE_ETHERNET, 0 };
	const uint8_t nanoseconds = 9; /* 10^-9 s */
	size_t n = text_bytes(name);
	uint32_t bytes;
	char *at = block_begin(out, BLOCK_INTERFACE, 8 + 4 + padded(n) + 8 + 4, &bytes);

	if (!at)
		return -ENOSPC;
	at = put(at, link, sizeof(link));
	at = put_u32(at, 0); /* no limit of length */
	at = put_option(at, OPTION_INTERFACE_NAME, name, n);
	at = put_option(at, OPTION_INTERFACE_TSRESOL, &nanoseconds, 1);
	at = put_option(at, OPTION_END, NULL, 0);
	return block_end(out, at, bytes);
}

int pcapng_packet(struct buf *out, const struct pcapng_packet *p)
{
	const uint32_t flags = FLAGS_INBOUND;
	size_t n = p->comment ? text_bytes(p->comment) : 0;
	size_t comment_bytes = p->comment ? 4 + padded(n) : 0;
	uint32_t bytes;
	char *at;

	if (p->bytes > UINT32_MAX / 2)
		return -ENOSPC;
	at = block_begin(out, BLOCK_PACKET, 20 + padded(p->bytes) + comment_bytes + 8 + 4, &bytes);
	if (!at)
		return -ENOSPC;
	at = put_u32(at, p->interface);
	at = put_u32(at, (uint32_t)(p->time_ns >> 32));
	at = put_u32(at, (uint32_t)p->time_ns);
	at = put_u32(at, p->bytes);
	at = put_u32(at, p->wire_bytes);
	at = p->bytes ? put(at, p->data, p->bytes) : at;
	if (p->comment)
		at = put_option(at, OPTION_COMMENT, p->comment, n);
	at = put_option(at, OPTION_PACKET_FLAGS, &flags, sizeof(flags));
	at = put_option(at, OPTION_END, NULL, 0);
	return block_end(out, at, bytes);
}
