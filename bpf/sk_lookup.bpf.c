/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which socket a connection to this host is for; per network namespace, before the kernel's own tables. */
#include "stage/steer.h"

SEC("sk_lookup")
int steer_lookup(struct bpf_sk_lookup *ctx)
{
	return steer(ctx);
}

char _license[] SEC("license") = "Dual BSD/GPL";
