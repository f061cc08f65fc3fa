/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The floor of every measurement: programs that do nothing. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

SEC("xdp.frags")
int empty(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

SEC("tc")
int empty_egress(struct __sk_buff *ctx)
{
	(void)ctx;
	return -1; /* TC_ACT_UNSPEC, as the shipped program has it */
}

char _license[] SEC("license") = "Dual BSD/GPL";
