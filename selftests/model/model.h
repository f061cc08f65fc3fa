/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The packet path a second time, slow and plain: what docs/packet-path.md, docs/feature/ and the
 * RFCs say of a packet, for one CPU. It shares no line with bpf/; of the maps it knows the layouts
 * (include/sluice/abi/), since hashes that choose a cell or a backend are part of them.
 *
 * Lists are lists here, meters are absolute times, and all arithmetic that could overflow has 128
 * bits. Nothing is fast, cached or split for a verifier.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model_flow.h"
#include "model_guard.h"
#include "model_nat.h"
#include "model_response.h"
#include "model_top.h"
#include "sluice/abi/client.h"
#include "sluice/abi/drop_reason.h"
#include "sluice/abi/limit.h"
#include "sluice/abi/quic.h"
#include "sluice/abi/source.h"
#include "sluice/abi/stats.h"
#include "sluice/abi/verdict.h"
#include "sluice/abi/vip.h"

#define MODEL_PREFIXES	   24 /* of each list */
#define MODEL_VERDICTS	   12
#define MODEL_CLASSES	   8   /* ids 1..7 may be configured */
#define MODEL_ROW_CELLS	   512 /* of a class, both rows */
#define MODEL_VIPS	   4
#define MODEL_VIP_KEYS	   8
#define MODEL_WIDE	   4
#define MODEL_BACKENDS	   8
#define MODEL_RING	   251
#define MODEL_CLIENTS	   1024
#define MODEL_QUIC_SERVERS 48
#define MODEL_LIMITS_MAX   (1 + LIMIT_SET_CLASSES) /* limit classes that a packet may meet */

struct model_group {
	struct prefix prefix;
	uint8_t group;
};

struct model_source_verdict {
	struct prefix prefix; /* /32, /24, /64, /48 */
	uint8_t action;
	uint64_t until_ns;
	uint64_t dropped_packets;
};

struct model_flow_verdict {
	struct flow_key flow;
	uint8_t action;
	uint64_t until_ns;
	uint64_t dropped_packets;
};

struct model_quic_server {
	struct quic_server key;
	uint32_t backend; /* id */
};

/* What an operator and the agent decide. */
struct model_policy {
	/* Fixed when a program is loaded. */
	bool unknown_l4_drop;
	uint32_t echo_per_s, too_big_per_s; /* answers */
	bool has_ciphers;		    /* the kernel, for connection ids */

	struct prefix allow[MODEL_PREFIXES];
	struct prefix deny[MODEL_PREFIXES];
	struct model_group group[MODEL_PREFIXES];
	uint32_t n_allow, n_deny, n_group;
	struct model_source_verdict source_verdict[MODEL_VERDICTS];
	struct model_flow_verdict flow_verdict[MODEL_VERDICTS];
	uint32_t n_source_verdict, n_flow_verdict;
	struct limit_class class[MODEL_CLASSES];
	struct limit_set_entry set[MODEL_CLASSES][LIMIT_SERVICES]; /* by group */
	struct limit_state state;
	struct limit_ports ports[LIMIT_PORT_TABLES];
	struct limit_amplifier amplifier;
	struct vip_key vip_key[MODEL_VIP_KEYS];
	struct vip vip[MODEL_VIP_KEYS];
	uint32_t n_vip;
	struct vip_wide_key wide_key[MODEL_WIDE];
	struct vip_wide wide[MODEL_WIDE];
	uint32_t n_wide;
	bool has_wide;
	struct vip_slot ring[MODEL_VIPS][2][MODEL_RING];
	struct backend backend[MODEL_BACKENDS];
	struct quic quic[MODEL_VIPS];		    /* by vip id */
	uint8_t quic_key[MODEL_VIPS][QUIC_CONFIGS]; /* of model_quic_cipher.h; 0: none */
	struct model_quic_server quic_server[MODEL_QUIC_SERVERS];
	uint32_t n_quic_server;
	struct guard guard[MODEL_VIPS]; /* by vip id, 0: listeners; mode to options */
	struct model_host host;
	struct model_response_policy response;
	struct model_nat_policy nat;
	struct capture capture; /* until when, what, and at what rate */
};

struct model_client {
	struct client_key key;
	struct client client;
};

/* What packets leave behind. */
struct model_state {
	struct limit_meters cell[MODEL_CLASSES][MODEL_ROW_CELLS];
	struct limit_meters total[MODEL_CLASSES];
	struct model_client client[MODEL_CLIENTS];
	uint32_t n_client;
	uint64_t may_look_ns[2]; /* for proof: of TCP, of all else */
	struct model_guard_state guard[MODEL_VIPS];
	uint64_t credit[MODEL_CREDITS]; /* for answers */
	struct model_flow_state flow;
	struct model_nat_state nat;
	struct vip_flow_meter flow_meter[MODEL_VIPS][VIP_FLOW_KINDS];
	struct model_top_table top[TOP_TABLES];
	struct model_capture_state capture;
	uint64_t answers_until_ns;   /* until when answers to a guard are looked at */
	__u64 echo_tat, too_big_tat; /* of the answers that the edge makes itself */
};

struct model_counters {
	struct stats_count drop[DROP_REASON_COUNT];
	struct stats_count action[STATS_ACTIONS];
	struct stats_limit limit[MODEL_CLASSES];
	struct stats_vip vip[MODEL_VIPS];
	struct stats_count backend[MODEL_BACKENDS];
	struct stats_guard guard[MODEL_VIPS];
	struct stats_flow flow[MODEL_VIPS];
	struct stats_response response;
	struct stats_quic quic[MODEL_VIPS];
	struct stats_nat nat[MODEL_BACKENDS];
};

struct model {
	struct model_policy policy;
	struct model_state state;
	struct model_counters counters;
	struct model_kernel kernel;
};

/* A frame as a hook gets it. */
struct model_frame {
	uint8_t *bytes;
	uint32_t len;
	uint32_t readable; /* of it, without asking for another buffer; len if all is */
	uint32_t segments; /* 0: not merged */
	uint32_t segment_bytes;
	uint32_t ifindex;
	uint64_t now_ns;
	bool tags_refused;   /* TC: the kernel puts nothing around what has a tag in the frame */
	bool keeps_checksum; /* TC: a transport checksum is only ever told of a difference */
};

enum model_fate { MODEL_NEXT, MODEL_PASS, MODEL_DROP, MODEL_TX, MODEL_REPLY };

enum model_outcome { MODEL_UNASKED, MODEL_ADMITTED, MODEL_REFUSED, MODEL_WOULD_REFUSE };

/* What one limit class said. */
struct model_limit {
	uint32_t id; /* 0: none */
	enum model_outcome outcome;
	uint32_t unit; /* enum limit_unit, or limit_refusal */
	bool by_total, by_own_meter;
	bool near; /* it admitted, and of a bucket not much is left */
};

/* What is known of a packet. */
struct model_packet {
	struct model_frame *frame;
	bool ipv6, fragment, portless, quotes, syn, echo;
	bool tcp_ack, tcp_rst;
	bool ect, marked; /* on the way out: can be told of congestion, and was */
	uint8_t proto;	  /* of the packet itself; flow has that of the one that an error quotes */
	struct addr source;
	struct flow_key flow;
	enum limit_kind kind;
	uint32_t l2_bytes, l3_bytes;
	uint32_t headers_bytes; /* link to the end of the transport header */
	uint32_t packets, wire_bytes;
	enum drop_reason reason;
	bool exempt;
	uint8_t group;
	const struct vip *vip;
	const struct backend *backend;
	uint32_t backend_id;
	uint32_t flow_bits;  /* of the hash that chose it */
	bool quic_encrypted; /* it was an encrypted server id that named it */
	uint32_t egress_ifindex;
	uint8_t link[12];	    /* of what is sent on: to whom, and from whom */
	struct model_nat_flow *nat; /* its flow, if it is translated */
	struct model_guard guard;
	bool captured;
	uint32_t capture_class;
	struct model_limit limit[MODEL_LIMITS_MAX];
};

/* One packet: its fate and where it goes. A packet that is sent on, or back, is rewritten in place. */
enum model_fate model_run(struct model *m, struct model_frame *frame, struct model_packet *ret);
/* The same on the way out: it passes, perhaps marked, or is dropped. */
enum model_fate model_run_egress(struct model *m, struct model_frame *frame,
				 struct model_packet *ret);
