/* SPDX-License-Identifier: BSD-2-Clause */
/* Reason phrases of the IANA HTTP Status Code Registry. */
#include "message.h"

static const char *const text_1xx[] = {
	"Continue",
	"Switching Protocols",
	"Processing",
	"Early Hints",
};

static const char *const text_2xx[] = {
	"OK",
	"Created",
	"Accepted",
	"Non-Authoritative Information",
	"No Content",
	"Reset Content",
	"Partial Content",
	"Multi-Status",
	"Already Reported",
	[26] = "IM Used",
};

static const char *const text_3xx[] = {
	"Multiple Choices",
	"Moved Permanently",
	"Found",
	"See Other",
	"Not Modified",
	"Use Proxy",
	[7] = "Temporary Redirect",
	"Permanent Redirect",
};

static const char *const text_4xx[] = {
	"Bad Request",
	"Unauthorized",
	"Payment Required",
	"Forbidden",
	"Not Found",
	"Method Not Allowed",
	"Not Acceptable",
	"Proxy Authentication Required",
	"Request Timeout",
	"Conflict",
	"Gone",
	"Length Required",
	"Precondition Failed",
	"Content Too Large",
	"URI Too Long",
	"Unsupported Media Type",
	"Range Not Satisfiable",
	"Expectation Failed",
	[21] = "Misdirected Request",
	"Unprocessable Content",
	"Locked",
	"Failed Dependency",
	"Too Early",
	"Upgrade Required",
	[28] = "Precondition Required",
	"Too Many Requests",
	[31] = "Request Header Fields Too Large",
	[51] = "Unavailable For Legal Reasons",
};

static const char *const text_5xx[] = {
	"Internal Server Error",
	"Not Implemented",
	"Bad Gateway",
	"Service Unavailable",
	"Gateway Timeout",
	"HTTP Version Not Supported",
	"Variant Also Negotiates",
	"Insufficient Storage",
	"Loop Detected",
	[11] = "Network Authentication Required",
};

#define CLASS(t)                              \
	{                                     \
		t, sizeof(t) / sizeof((t)[0]) \
	}

static const struct {
	const char *const *text;
	unsigned int n;
} classes[] = {
	[1] = CLASS(text_1xx), CLASS(text_2xx), CLASS(text_3xx), CLASS(text_4xx), CLASS(text_5xx),
};

const char *http_status_text(unsigned int status)
{
	unsigned int class = status / 100;
	unsigned int i = status % 100;

	if (class < 1 || class > 5 || i >= classes[class].n || !classes[class].text[i])
		return "";
	return classes[class].text[i];
}
