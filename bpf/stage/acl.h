/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Allow and deny prefixes. An allow prefix wins whatever the lengths, and exempts from verdicts and
 * limits too. The answer is cached in the client's record; the tries are asked when policy changed.
 */
#pragma once

#include "../client.h"
#include "sluice/abi/acl.h"

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix);
	__type(value, struct acl_value);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} acl_allow SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix);
	__type(value, struct acl_value);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} acl_deny SEC(".maps");

static __always_inline void acl_refresh(const struct client_key *key, struct client_policy *ret)
{
	struct prefix prefix;

	client_prefix(key, &prefix);
	if (bpf_map_lookup_elem(&acl_allow, &prefix))
		ret->acl = ACL_ALLOW;
	else if (bpf_map_lookup_elem(&acl_deny, &prefix))
		ret->acl = ACL_DENY;
	else
		ret->acl = ACL_NONE;
}

static __always_inline enum stage_result stage_acl(struct pkt *p)
{
	enum stage_result result;

	if (!acl_enabled)
		return STAGE_NEXT;
	result = client_find(p);
	if (result != STAGE_NEXT)
		return result;
	if (p->policy.acl == ACL_DENY)
		return drop(p, DROP_ACL_DENY);
	if (p->policy.acl == ACL_ALLOW)
		p->exempt = 1;
	return STAGE_NEXT;
}
