/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * After 101: bytes both ways through the streams' bounded buffers. Either side's end is passed on as
 * the end of both, after what it sent was delivered: a half-closed tunnel is not kept.
 */
#include <errno.h>

#include "relay.h"

/* As much as fits; true when nothing is left. */
static bool pump(struct stream *from, struct stream *to, uint64_t *count)
{
	while (buf_len(&from->in)) {
		size_t len = relay_room(to, false, buf_len(&from->in));

		if (!len || stream_write(to, buf_head(&from->in), len))
			return false;
		*count += len;
		buf_consume(&from->in, len);
	}
	stream_resume(from);
	return true;
}

static void close_tunnel(struct exchange *x)
{
	upstream_conn_finish(x->up);
	x->up = NULL;
	exchange_end(x, false, NULL);
}

void tunnel_pump(struct exchange *x)
{
	struct stream *client = &x->conn->stream, *up = &x->up->stream;
	bool client_empty = pump(client, up, &x->bytes_in);
	bool up_empty = pump(up, client, &x->bytes_out);

	if ((client->read_ended && client_empty) || (up->read_ended && up_empty)) {
		close_tunnel(x);
		return;
	}
	exchange_rearm(x);
}

void tunnel_start(struct exchange *x)
{
	x->state = EXCHANGE_TUNNEL;
	timer_stop(&x->deadline);
	buf_clear(&x->head);
	exchange_let_go(x); /* it may live for days, and revisions come by the hour */
	conn_asks_no_more(x->conn);
	tunnel_pump(x);
}
