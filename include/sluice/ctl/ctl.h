/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What sluicectl and the agent say to each other over the control socket (SOCK_STREAM).
 *
 * One request is one JSON object on one line, at most CTL_REQUEST_MAX_BYTES:
 *   {"noun":"limit","verb":"set","args":{…},"dry_run":false,"force":false,"ssh":"192.0.2.7"}
 * The answer is one object on one line, either of
 *   {"ok":true,"data":…,"text":"one line for a person"}
 *   {"ok":false,"error":"what is wrong; what would be right","lines":["file:3:7: …"]}
 * `events live` is answered by {"ok":true} and then one {"event":…} a line until either side closes.
 * `capture drops` by {"ok":true}, then one {"packet":…} a line and {"end":…} at last.
 * `acl import` is too large for a line: its file goes along as one descriptor (SCM_RIGHTS), with the
 * first byte of the request: a memfd of at most CTL_FILE_MAX_BYTES, sealed against writing, growing
 * and shrinking. Its answer comes when the list is in force.
 *
 * A connection may carry any number of requests, one after the other.
 */
#pragma once

#define CTL_SOCKET_DEFAULT    "/run/sluice/control.sock"
#define CTL_REQUEST_MAX_BYTES (20U << 20) /* a whole configuration file, quoted */
#define CTL_ANSWER_MAX_BYTES  (64U << 20)
#define CTL_FILE_MAX_BYTES    (256U << 20)

#define CTL_KEY_NOUN	"noun"
#define CTL_KEY_VERB	"verb"
#define CTL_KEY_ARGS	"args"
#define CTL_KEY_DRY_RUN "dry_run"
#define CTL_KEY_FORCE	"force"
#define CTL_KEY_SSH	"ssh" /* address that the caller's SSH session comes from */
#define CTL_KEY_OK	"ok"
#define CTL_KEY_DATA	"data"
#define CTL_KEY_TEXT	"text"
#define CTL_KEY_ERROR	"error"
#define CTL_KEY_LINES	"lines"

/* Names of arguments: positional ones as the command table names them, FIELD=VALUE under "set". */
#define CTL_ARG_SET "set"
