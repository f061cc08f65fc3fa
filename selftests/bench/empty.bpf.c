/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The floor of every measurement: a program that does nothing. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

SEC("xdp.frags")
int empty(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
