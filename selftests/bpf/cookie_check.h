/* SPDX-License-Identifier: BSD-2-Clause */
/* What cookie_check.bpf.c is asked. */
#pragma once

#include "sluice/abi/addr.h"

struct cookie_question {
	struct flow_key flow; /* client to listener or vip */
	__u32 seq, ack;	      /* of the acknowledgement, host order */
	__u32 ipv6;
	__u32 listener; /* of a listener of this host; 0: made without a socket */
};
