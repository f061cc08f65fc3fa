/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counters of the agent. Each worker has a page that it alone writes; the supervisor maps all pages
 * and sums at scrape. Labels are bounded: a route or cluster has a stat id that the supervisor gives
 * out (never reused while it runs), ids past the end share the last one, "other".
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

/* name (without the prefix sluice_ and the suffix _total), help. Appended to, never reordered. */
#define METRIC_COUNTERS(X)                                                                         \
	X(CONNECTIONS_ACCEPTED, "agent_connections_accepted", "Connections accepted.")             \
	X(CONNECTIONS_CLOSED, "agent_connections_closed", "Connections closed.")                   \
	X(CONNECTIONS_REFUSED, "agent_connections_refused", "Connections over max_connections.")   \
	X(TLS_HANDSHAKES, "agent_tls_handshakes", "TLS handshakes finished.")                      \
	X(TLS_HANDSHAKE_FAILURES, "agent_tls_handshake_failures", "TLS handshakes that failed.")   \
	X(TLS_RESUMED, "agent_tls_resumed", "TLS handshakes that resumed a session.")              \
	X(REQUESTS, "agent_requests", "Requests whose header was read.")                           \
	X(REQUESTS_MALFORMED, "agent_requests_malformed", "Requests refused by the parser.")       \
	X(REQUESTS_UNROUTED, "agent_requests_unrouted", "Requests that matched no route.")         \
	X(AUTH_MISSING, "agent_auth_missing", "Requests without the key that the route asks for.") \
	X(AUTH_UNKNOWN, "agent_auth_unknown", "Requests with a key that is not known.")            \
	X(AUTH_FORBIDDEN, "agent_auth_forbidden", "Requests of a consumer not allowed here.")      \
	X(LIMIT_ADMITTED, "agent_limit_admitted", "Requests that a consumer limit admitted.")      \
	X(LIMIT_REFUSED, "agent_limit_refused", "Requests that a consumer limit refused.")         \
	X(LIMIT_SHADOWED, "agent_limit_shadowed", "Requests that mode shadow would refuse.")       \
	X(UPSTREAM_CONNECTS, "agent_upstream_connects", "Connections opened to endpoints.")        \
	X(UPSTREAM_CONNECT_FAILURES, "agent_upstream_connect_failures", "Connects that failed.")   \
	X(UPSTREAM_REUSED, "agent_upstream_reused", "Requests sent on a kept connection.")         \
	X(UPSTREAM_RETRIES, "agent_upstream_retries", "Requests sent again.")                      \
	X(UPSTREAM_RESETS, "agent_upstream_resets", "Upstream connections lost in a response.")    \
	X(TIMEOUTS_CLIENT, "agent_timeouts_client", "Clients that were too slow.")                 \
	X(TIMEOUTS_UPSTREAM, "agent_timeouts_upstream", "Upstreams that were too slow.")           \
	X(PRESENCE_EVICTED, "agent_presence_evicted", "Live presence entries that were evicted.")  \
	X(PROPOSALS_DROPPED, "agent_proposals_dropped", "Refusal reports that found no room.")     \
	X(LOG_DROPPED, "agent_log_dropped", "Log lines that found no room.")                       \
	X(ACCEPT_PAUSES, "agent_accept_pauses", "Pauses of a listener for want of resources.")     \
	X(ACCEPT_STOPS, "agent_accept_stops", "Listeners whose socket will not accept again.")     \
	X(LIMIT_OVERFLOW, "agent_limit_overflow", "Limits of requests that had no meter.")         \
	X(OPTIONS_ANSWERED, "agent_options_answered", "OPTIONS * that the agent answered.")        \
	X(PROXY_ANNOUNCED, "agent_proxy_announced", "Connections with an announced client.")       \
	X(PROXY_REFUSED, "agent_proxy_refused", "Connections closed for their PROXY header.")      \
	X(HTTP2_CONNECTIONS, "agent_http2_connections", "Connections that spoke HTTP/2.")          \
	X(HTTP2_GLITCHES, "agent_http2_glitches", "Misuses of HTTP/2 that cost more than most.")   \
	X(HTTP2_ENDED, "agent_http2_ended", "Connections ended for their misuses of HTTP/2.")      \
	X(TLS_UNKNOWN_NAMES, "agent_tls_unknown_names", "Handshakes refused for their host name.") \
	X(TLS_CLIENT_CERTS_REFUSED, "agent_tls_client_certs_refused",                              \
	  "Handshakes refused for the client's certificate, or for want of one.")                  \
	X(OVERLOAD_IDLE_CLOSED, "agent_overload_idle_closed", "Idle connections given up.")        \
	X(OVERLOAD_PAUSES, "agent_overload_accept_pauses", "Pauses of a listener, overloaded.")    \
	X(OVERLOAD_SHED, "agent_overload_shed", "Requests answered 503 for want of capacity.")

enum metric_counter {
#define METRIC_ENUM(id, name, help) METRIC_##id,
	METRIC_COUNTERS(METRIC_ENUM)
#undef METRIC_ENUM
		METRIC_COUNTER_COUNT,
};

/*
 * Request fields that were not passed to the endpoint, label "kind". Hop-by-hop fields, which every
 * proxy removes, are not among them.
 */
#define METRIC_STRIPS(X)        \
	X(IDENTITY, "identity") \
	X(FRAMING, "framing")   \
	X(REWRITE, "rewrite")   \
	X(PROXY, "proxy")       \
	X(KEY, "key")

enum metric_strip {
#define METRIC_STRIP_ENUM(id, label) METRIC_STRIP_##id,
	METRIC_STRIPS(METRIC_STRIP_ENUM)
#undef METRIC_STRIP_ENUM
		METRIC_STRIP_COUNT,
	METRIC_STRIP_NONE = METRIC_STRIP_COUNT,
};

#define METRIC_STAT_IDS	  1024 /* routes, and clusters, each */
#define METRIC_STAT_OTHER (METRIC_STAT_IDS - 1)
#define METRIC_BUCKETS	  11

/* Upper bounds of the duration histogram, microseconds; the last bucket is +Inf. */
#define METRIC_BUCKET_BOUNDS_US                                                     \
	{                                                                           \
		500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 500000, 2500000 \
	}

struct metric_route {
	_Atomic uint64_t responses[5]; /* 1xx..5xx */
	_Atomic uint64_t bytes_in;
	_Atomic uint64_t bytes_out;
	_Atomic uint64_t duration_sum_us;
	_Atomic uint64_t duration[METRIC_BUCKETS]; /* not cumulative */
};

struct metric_cluster {
	_Atomic uint64_t requests;
	_Atomic uint64_t failures;
};

struct metric_page {
	_Atomic uint64_t counter[112];
	_Atomic uint64_t stripped[16]; /* by enum metric_strip */
	struct metric_route route[METRIC_STAT_IDS];
	struct metric_cluster cluster[METRIC_STAT_IDS];
};

/* The page of this process; a private one until metric_use is called. */
extern struct metric_page *metric_page;
void metric_use(struct metric_page *page);

/* One writer per page: a plain read and write, atomic only for the reader's sake. */
static inline void metric_add_to(_Atomic uint64_t *word, uint64_t n)
{
	atomic_store_explicit(word, atomic_load_explicit(word, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static inline void metric_add(enum metric_counter counter, uint64_t n)
{
	metric_add_to(&metric_page->counter[counter], n);
}

void metric_observe_us(struct metric_route *route, uint64_t us);
