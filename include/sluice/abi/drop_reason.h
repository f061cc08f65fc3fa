/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Why a packet was dropped: enum, metric label and documentation in one row each.
 * Append only: numbers are never reused, since dashboards and captures keep them.
 */
#pragma once

#define DROP_REASONS(X)                                                                        \
	X(NONE, "none", "not dropped")                                                         \
	X(MALFORMED, "malformed", "a header is truncated or contradicts itself")               \
	X(EXT_HEADERS, "ext_headers", "more headers than the parser follows")                  \
	X(UNKNOWN_L4, "unknown_l4", "a transport protocol that the policy unknown_l4 drops")   \
	X(ACL_DENY, "acl_deny", "the source is in a deny prefix")                              \
	X(VERDICT_SOURCE, "verdict_source", "a verdict on the source is in force")             \
	X(VERDICT_FLOW, "verdict_flow", "a verdict on the flow is in force")                   \
	X(LIMIT_PACKETS, "limit_packets", "the source is over a packet limit")                 \
	X(LIMIT_BYTES, "limit_bytes", "the source is over a byte limit")                       \
	X(LIMIT_CONNECTIONS, "limit_connections", "the source is over a new-connection limit") \
	X(LIMIT_CONTENDED, "limit_contended", "the meter's bounded tries were all lost")       \
	X(NO_BACKEND, "no_backend", "the vip has no backend in its ring")                      \
	X(BACKEND_GONE, "backend_gone", "the ring names a backend without a next hop")         \
	X(TOO_BIG, "too_big", "larger than the backend's device can send")                     \
	X(INTERNAL, "internal", "a map look-up failed that cannot fail")                       \
	X(LIMIT_TOTAL, "limit_total",                                                          \
	  "a limit is over its total, and the source takes more than its share")               \
	X(EGRESS_LIMIT, "egress_limit", "on the way out: the client is over a limit")          \
	X(RESPONSE_FACTOR, "response_factor",                                                  \
	  "on the way out: more than the factor allows for what the client sent")              \
	X(GUARD_COOKIE, "guard_cookie",                                                        \
	  "an acknowledgement to a guarded listener, of no connection and without a cookie")   \
	X(GUARD_SYN, "guard_syn",                                                              \
	  "a SYN to a guarded vip with data, a fragment or odd headers: not answerable")       \
	X(TTL, "ttl", "its time to live ends here: it would be encapsulated or translated")    \
	X(ENCAP, "encap", "no room for outer headers; at TC also a VLAN tag inside the frame") \
	X(LIMIT_CONCURRENT, "limit_concurrent",                                                \
	  "the source has all the connections that a limit allows it at a time")               \
	X(NAT_NO_FLOW, "nat_no_flow",                                                          \
	  "to a vip of mode nat, of no flow, and nothing that a flow begins with")             \
	X(NAT_EXHAUSTED, "nat_exhausted", "no port towards the backend was found free")        \
	X(NAT_FULL, "nat_full", "no room for a flow, or for one that nobody has proven")       \
	X(NAT_SHAPE, "nat_shape", "not translatable: a fragment, or IPv6 extension headers")   \
	X(ECHO, "echo", "an echo request to a vip, above what is answered a second")

enum drop_reason {
#define DROP_REASON_ENUM(id, label, doc) DROP_##id,
	DROP_REASONS(DROP_REASON_ENUM)
#undef DROP_REASON_ENUM
		DROP_REASON_COUNT,
};
