/* SPDX-License-Identifier: BSD-2-Clause */
/* The SYN-ACK that answers a SYN, in the place of it. */
#pragma once

#include "model_step.h"

/* By a cookie of the listener's. */
void model_guard_reply_own(struct model *m, struct model_packet *p);
/* To check the source: plain, or by an acknowledgement of what was not sent. */
void model_guard_reply_vip(struct model *m, struct model_packet *p, bool plain);
