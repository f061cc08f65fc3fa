/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How an exchange ended: the one taxonomy of access log ("end"), problem bodies ("code") and
 * Proxy-Status. It lives here, below the gateway, because policies name their refusals by it.
 */
#pragma once

/*
 * id, code, status (0: nothing is answered), error type of Proxy-Status (RFC 9209 s2.3), detail.
 * Appended to, never renamed: codes are what operators' queries are written against.
 */
#define TERMINATIONS(X)                                                                            \
	X(OK, "ok", 0, "", "")                                                                     \
	X(REQUEST_MALFORMED, "request_malformed", 400, "http_request_error",                       \
	  "The request is not well-formed HTTP.")                                                  \
	X(URI_INVALID, "uri_invalid", 400, "http_request_error",                                   \
	  "The path of the request cannot be normalised.")                                         \
	X(METHOD_REFUSED, "method_refused", 405, "http_request_denied",                            \
	  "This method is not served here.")                                                       \
	X(NO_ROUTE, "no_route", 404, "destination_not_found",                                      \
	  "No route matches this host and path.")                                                  \
	X(BODY_TOO_LARGE, "body_too_large", 413, "http_request_denied",                            \
	  "The body of the request is larger than this listener accepts.")                         \
	X(KEY_MISSING, "key_missing", 401, "http_request_denied",                                  \
	  "This route asks for an API key.")                                                       \
	X(KEY_UNKNOWN, "key_unknown", 401, "http_request_denied", "This API key is not known.")    \
	X(PLAN_FORBIDDEN, "plan_forbidden", 403, "http_request_denied",                            \
	  "The plan of this consumer does not include this route.")                                \
	X(LIMIT, "limit", 429, "http_request_denied",                                              \
	  "The request is over a limit of this consumer's plan.")                                  \
	X(CLIENT_TIMEOUT, "client_timeout", 408, "http_request_error",                             \
	  "The request did not arrive in time.")                                                   \
	X(CLIENT_GONE, "client_gone", 0, "", "")                                                   \
	X(CLIENT_STALLED, "client_stalled", 0, "", "")                                             \
	X(NO_ENDPOINT, "no_endpoint", 503, "destination_unavailable",                              \
	  "No endpoint of the cluster takes requests.")                                            \
	X(OVERFLOW, "overflow", 503, "connection_limit_reached",                                   \
	  "All endpoints of the cluster have as many connections as they may.")                    \
	X(CONNECT_FAILED, "connect_failed", 502, "connection_refused",                             \
	  "No connection to an endpoint could be made.")                                           \
	X(CONNECT_TIMEOUT, "connect_timeout", 504, "connection_timeout",                           \
	  "No connection to an endpoint could be made in time.")                                   \
	X(UPSTREAM_RESET, "upstream_reset", 502, "connection_terminated",                          \
	  "The endpoint closed the connection without a response.")                                \
	X(RESPONSE_TIMEOUT, "response_timeout", 504, "http_response_timeout",                      \
	  "The endpoint did not respond in time.")                                                 \
	X(RESPONSE_MALFORMED, "response_malformed", 502, "http_protocol_error",                    \
	  "The endpoint's response is not well-formed HTTP.")                                      \
	X(RESPONSE_TOO_LARGE, "response_too_large", 502, "http_response_header_section_size",      \
	  "The header of the endpoint's response is too large.")                                   \
	X(RESPONSE_INCOMPLETE, "response_incomplete", 0, "http_response_incomplete", "")           \
	X(UPSTREAM_STALLED, "upstream_stalled", 0, "connection_read_timeout", "")                  \
	X(TUNNEL_IDLE, "tunnel_idle", 0, "", "")                                                   \
	X(INTERNAL, "internal", 500, "proxy_internal_error", "The gateway has no resources left.") \
	X(SHUTDOWN, "shutdown", 0, "", "")                                                         \
	X(EXPECTATION_UNKNOWN, "expectation_unknown", 417, "http_request_error",                   \
	  "Only 100-continue may be expected here.")                                               \
	X(UPSTREAM_TLS, "upstream_tls", 502, "tls_protocol_error",                                 \
	  "TLS to an endpoint could not be agreed on.")                                            \
	X(UPSTREAM_CERTIFICATE, "upstream_certificate", 502, "tls_certificate_error",              \
	  "The endpoint's certificate cannot be trusted.")                                         \
	X(DEADLINE, "deadline", 504, "http_response_timeout",                                      \
	  "The request was not answered within the time of its route.")                            \
	X(OVERLOAD, "overload", 503, "proxy_internal_error",                                       \
	  "The gateway has more requests than it can serve.")                                      \
	X(MISDIRECTED, "misdirected", 421, "http_request_denied",                                  \
	  "The connection was made for another host than the request.")                            \
	X(CERTIFICATE_MISSING, "certificate_missing", 403, "http_request_denied",                  \
	  "This route asks for a client certificate.")

enum termination {
#define TERMINATION_ENUM(id, code, status, proxy_error, detail) TERMINATION_##id,
	TERMINATIONS(TERMINATION_ENUM)
#undef TERMINATION_ENUM
		TERMINATION_COUNT,
};

struct termination_row {
	const char *code;
	unsigned short status;
	const char *proxy_error;
	const char *detail;
};

const struct termination_row *termination_row(enum termination end);
