/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many vips, of a hundred backends each. Of every mode one for IPv4 and one for IPv6, n-th of their
 * families' addresses by enum backend_mode; behind those as many of mode l2 as wanted.
 */
#pragma once

#include <stdint.h>

#include <bpf/libbpf.h>

#define FILL_VIP_STRIDE	  65537 /* the default ring */
#define FILL_VIP_BACKENDS 100
#define FILL_VIPS_FIRST	  0x0a000000 /* 10.0.0.0: of those of mode l2, host order */

/* Before the program is loaded. */
void fill_vip_size(struct bpf_object *obj, uint32_t n);
void fill_vips(struct bpf_object *obj, uint32_t n);
/* Flows are translated, and any packet may be of one. */
void fill_nat(struct bpf_object *obj);
