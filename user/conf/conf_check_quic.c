/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks across the settings of connection ids that name backends. */
#include <errno.h>
#include <netinet/in.h>

#include "conf_check.h"
#include "conf_errors.h"
#include "sluice/abi/quic.h"

/* Bytes that a server id takes, without leading zeros. */
static uint32_t id_bytes(const uint8_t id[QUIC_SERVER_ID_MAX])
{
	uint32_t i = 0;

	while (i < QUIC_SERVER_ID_MAX && !id[i])
		i++;
	return QUIC_SERVER_ID_MAX - i;
}

static int check_configs(const struct conf_vip *vip, struct conf_node *list,
			 struct conf_arena *scratch, struct conf_errors *errors)
{
	struct conf_unique *entries = conf_arena_alloc(scratch, vip->n_quic, sizeof(*entries));

	if (!entries)
		return -ENOMEM;
	for (size_t i = 0; i < vip->n_quic; i++) {
		const struct conf_quic *q = &vip->quic[i];
		struct conf_node *node = conf_node_item(list, i);

		entries[i] = (struct conf_unique) { &q->config_id, sizeof(q->config_id),
						    conf_node_or(node, "config_id") };
		if (q->server_id_bytes + q->nonce_bytes > QUIC_BODY_MAX)
			conf_node_fail(errors, conf_node_or(node, "nonce_bytes"),
				       "with server_id_bytes there are %u bytes; connection ids "
				       "have room for %d behind their first octet",
				       q->server_id_bytes + q->nonce_bytes, QUIC_BODY_MAX);
	}
	conf_check_unique(entries, vip->n_quic,
			  "another of this vip's has this config_id:", errors);
	return 0;
}

static void check_server_id(const struct conf_vip *vip, const struct conf_backend *b,
			    struct conf_node *node, struct conf_errors *errors)
{
	struct conf_node *at = conf_node_or(node, "server_id");

	if (at->bad)
		return;
	if (!b->has_server_id) {
		if (vip->n_quic)
			conf_node_fail(errors, node,
				       "server_id is missing: what the backend writes into its "
				       "connection ids (the vip has quic)");
		return;
	}
	if (!vip->n_quic)
		conf_node_fail(errors, at,
			       "means nothing without quic of the vip; remove it, or "
			       "say how its connection ids look");
	for (size_t i = 0; i < vip->n_quic; i++) {
		if (vip->quic[i].server_id_bytes && /* else it is wrong already */
		    id_bytes(b->server_id) > vip->quic[i].server_id_bytes)
			conf_node_fail(errors, at,
				       "takes %u bytes; server_id_bytes of config_id %u is %u",
				       id_bytes(b->server_id), vip->quic[i].config_id,
				       vip->quic[i].server_id_bytes);
	}
}

static int check_server_ids(const struct conf_vip *vip, struct conf_node *list,
			    struct conf_arena *scratch, struct conf_errors *errors)
{
	struct conf_unique *entries = conf_arena_alloc(scratch, vip->n_backends, sizeof(*entries));
	size_t n = 0;

	if (!entries)
		return -ENOMEM;
	for (size_t i = 0; i < vip->n_backends; i++) {
		const struct conf_backend *b = &vip->backends[i];
		struct conf_node *node = conf_node_item(list, i);

		check_server_id(vip, b, node, errors);
		if (b->has_server_id)
			entries[n++] = (struct conf_unique) { b->server_id, sizeof(b->server_id),
							      conf_node_or(node, "server_id") };
	}
	conf_check_unique(entries, n, "another backend has this server_id:", errors);
	return 0;
}

int conf_check_quic(const struct conf_vip *vip, struct conf_node *node, struct conf_arena *scratch,
		    struct conf_errors *errors)
{
	struct conf_node *list = conf_node_get(node, "quic");
	int err = check_configs(vip, list, scratch, errors);

	if (vip->n_quic && vip->protocol != IPPROTO_UDP && !conf_node_or(node, "protocol")->bad)
		conf_node_fail(errors, list, "QUIC is UDP; set protocol: udp");
	return err ? err : check_server_ids(vip, conf_node_get(node, "backends"), scratch, errors);
}
