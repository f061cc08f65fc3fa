/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../base/clock.h"
#include "conf.h"
#include "conf_rate.h"
#include "conf_text.h"
#include "sluice/algo/gcra_rate.h"

void conf_rate_default_burst(struct conf_rate *rate, bool bytes)
{
	uint64_t least = bytes ? CONF_RATE_MERGED_BYTES : 1;
	uint64_t per_s;

	if (rate->count == 0 || rate->period_ns == 0 || rate->burst != 0)
		return;
	per_s = (uint64_t)((unsigned __int128)rate->count * NS_PER_S / rate->period_ns);
	rate->burst = per_s > least ? per_s : least;
}

int conf_rate_parse(const char *rate, const char *burst, struct conf_rate *ret, struct errmsg *err)
{
	struct conf_rate parsed = { 0 };
	int kind = conf_text_rate(str_of(rate), &parsed.count, &parsed.period_ns);
	int code;

	if (kind < 0)
		return errmsg_set(err, kind, "'%.40s' is not a rate; write e.g. 100/s or 10MB/s",
				  rate);
	if (parsed.count == 0)
		return errmsg_set(err, -EINVAL,
				  "'%.40s' would admit nothing; a rate is at least 1 a day", rate);
	if (burst) {
		code = kind == CONF_TEXT_BYTES ? conf_text_size(str_of(burst), &parsed.burst)
					       : conf_text_u64(str_of(burst), &parsed.burst);
		if (code)
			return errmsg_set(err, code, "'%.40s' is not a burst; write e.g. %s", burst,
					  kind == CONF_TEXT_BYTES ? "10MB" : "200");
		if (parsed.burst == 0)
			return errmsg_set(err, -EINVAL,
					  "a burst of 0 would admit nothing; it is at least 1");
	}
	conf_rate_default_burst(&parsed, kind == CONF_TEXT_BYTES);
	if (conf_rate_compile(&parsed, &(struct gcra_rate) { 0 }))
		return errmsg_set(err, -ERANGE,
				  "'%.40s' with a burst of %" PRIu64
				  " cannot be metered; the burst may take 52 days to refill",
				  rate, parsed.burst);
	*ret = parsed;
	return 0;
}

int conf_rate_format(const struct conf_rate *rate, char *text, size_t text_bytes)
{
	char whole[CONF_TEXT_MAX] = "none";
	size_t len;

	if (rate->count != 0)
		conf_text_rate_format(rate->count, rate->period_ns, CONF_TEXT_COUNT, whole);
	len = strlen(whole);
	if (len >= text_bytes)
		return -ENOSPC;
	memcpy(text, whole, len + 1);
	return 0;
}

int conf_rate_compile(const struct conf_rate *rate, struct gcra_rate *ret)
{
	if (rate->count == 0) {
		*ret = (struct gcra_rate) { 0 };
		return 0;
	}
	return gcra_rate_set(ret, rate->count, rate->period_ns, rate->burst);
}
