/* SPDX-License-Identifier: BSD-2-Clause */
#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "answer.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/pcapng.h"
#include "sluice/ctl/ctl.h"

#define BLOCK_MAX_BYTES	 8192
#define FRAME_MAX_BYTES	 2048
#define INTERFACES_MAX	 256
#define DEVICE_NAME_SIZE 16 /* IFNAMSIZ */

struct file {
	int fd;
	struct buf out;
	char device[INTERFACES_MAX][DEVICE_NAME_SIZE];
	uint32_t n_devices;
};

/* All of what is in the buffer; negative errno. */
static int file_flush(struct file *f)
{
	while (buf_len(&f->out)) {
		ssize_t n = write(f->fd, buf_head(&f->out), buf_len(&f->out));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		buf_consume(&f->out, (size_t)n);
	}
	return 0;
}

/* Others need not see what clients send: the file is the caller's alone. */
static int file_open(struct file *f, const char *path)
{
	int err;

	buf_init(&f->out, BLOCK_MAX_BYTES);
	f->fd = !strcmp(path, "-") ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
				   : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (f->fd < 0)
		return -errno;
	err = pcapng_section(&f->out, "sluicectl " SLUICE_VERSION);
	return err ? err : file_flush(f);
}

static void file_close(struct file *f)
{
	buf_clear(&f->out);
	if (f->fd >= 0)
		close(f->fd);
}

/* The interface of that name, added when it is new. */
static int file_interface(struct file *f, const char *name, uint32_t *ret)
{
	int err;

	for (*ret = 0; *ret < f->n_devices; (*ret)++)
		if (!strcmp(f->device[*ret], name))
			return 0;
	if (*ret == INTERFACES_MAX || strlen(name) >= DEVICE_NAME_SIZE)
		return -EPROTO;
	err = pcapng_interface(&f->out, name);
	if (!err)
		memcpy(f->device[f->n_devices++], name, strlen(name) + 1);
	return err;
}

static int digit_of(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Bytes of a line of hexadecimal digits; -EPROTO. */
static int from_hex(const char *hex, uint8_t *ret, uint32_t *ret_bytes)
{
	size_t n = strlen(hex) / 2;

	if (n > FRAME_MAX_BYTES || hex[2 * n])
		return -EPROTO;
	for (size_t i = 0; i < n; i++) {
		int high = digit_of(hex[2 * i]), low = digit_of(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EPROTO;
		ret[i] = (uint8_t)(high << 4 | low);
	}
	*ret_bytes = (uint32_t)n;
	return 0;
}

static int file_packet(struct file *f, const json_t *packet)
{
	const char *reason, *limit, *device, *hex;
	uint8_t frame[FRAME_MAX_BYTES];
	char comment[256];
	json_int_t time_ns, bytes;
	struct pcapng_packet p = { .data = frame, .comment = comment };
	int err;

	if (json_unpack((json_t *)packet, "{s:I,s:s,s:s,s:s,s:I,s:s}", "time_ns", &time_ns,
			"reason", &reason, "limit", &limit, "device", &device, "bytes", &bytes,
			"data", &hex))
		return -EPROTO;
	err = from_hex(hex, frame, &p.bytes);
	if (!err)
		err = file_interface(f, device, &p.interface);
	if (err)
		return err;
	p.time_ns = (uint64_t)time_ns;
	p.wire_bytes = (uint32_t)bytes;
	snprintf(comment, sizeof(comment), *limit ? "%s, limit %s" : "%s", reason, limit);
	err = pcapng_packet(&f->out, &p);
	return err ? err : file_flush(f);
}

static int ended(const json_t *end)
{
	json_int_t packets = json_integer_value(json_object_get(end, "packets"));
	json_int_t missed = json_integer_value(json_object_get(end, "missed"));

	fprintf(stderr, "sluicectl: %" JSON_INTEGER_FORMAT " packets", packets);
	if (missed)
		fprintf(stderr, "; %" JSON_INTEGER_FORMAT " more were over the rate", missed);
	fputc('\n', stderr);
	return EXIT_DONE;
}

static int receive(struct client *client, struct file *f)
{
	for (;;) {
		const json_t *packet, *end;
		json_t *line;
		int err = client_next(client, &line);

		if (err) {
			fprintf(stderr, "sluicectl: the agent has closed the connection\n");
			return EXIT_REFUSED;
		}
		packet = json_object_get(line, "packet");
		end = json_object_get(line, "end");
		if (packet)
			err = file_packet(f, packet);
		if (end)
			ended(end);
		json_decref(line);
		if (err) {
			fprintf(stderr, "sluicectl: cannot write: %s\n", strerror(-err));
			return EXIT_REFUSED;
		}
		if (end)
			return EXIT_DONE;
	}
}

/* The agent has said yes. */
static int capture_to(struct client *client, const char *path)
{
	CLEANUP(file_close) struct file f = { .fd = -1 };
	int err = file_open(&f, path);

	if (!err)
		return receive(client, &f);
	fprintf(stderr, "sluicectl: %s: %s\n", path, strerror(-err));
	return EXIT_REFUSED;
}

int capture_run(struct client *client, const struct command *c, json_t *request, bool as_json)
{
	json_t *args = json_object_get(request, CTL_KEY_ARGS), *answer = NULL;
	CLEANUP_FREE char *path = strdup(json_string_value(json_object_get(args, "pcapng")));
	int err = path ? 0 : -ENOMEM;

	json_object_del(args, "pcapng");
	if (!err)
		err = client_call(client, request, &answer);
	if (err) {
		fprintf(stderr, "sluicectl: no answer from the agent: %s\n", strerror(-err));
		return EXIT_REFUSED;
	}
	err = json_is_true(json_object_get(answer, CTL_KEY_OK)) ? capture_to(client, path)
								: answer_print(c, answer, as_json);
	json_decref(answer);
	return err;
}
