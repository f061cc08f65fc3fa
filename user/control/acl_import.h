/* SPDX-License-Identifier: BSD-2-Clause */
/* acl import: a list that came as a descriptor, answered once it is in force. */
#pragma once

struct control_request;

int acl_import_start(struct control_request *r); /* as a control_handler */
