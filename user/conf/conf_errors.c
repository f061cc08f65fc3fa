/* SPDX-License-Identifier: BSD-2-Clause */
#include "conf_errors.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int conf_errors_add(struct conf_errors *errors, uint32_t line, uint32_t column, const char *fmt,
		    ...)
{
	va_list args;

	if (conf_errors_full(errors)) {
		errors->suppressed++;
		return -EINVAL;
	}
	errors->error[errors->n].line = line;
	errors->error[errors->n].column = column;
	va_start(args, fmt);
	vsnprintf(errors->error[errors->n].text, sizeof(errors->error[0].text), fmt, args);
	va_end(args);
	errors->n++;
	return -EINVAL;
}

bool conf_errors_full(const struct conf_errors *errors)
{
	return errors->n == CONF_ERRORS_MAX;
}

/* Insertion sort: at most CONF_ERRORS_MAX entries, nearly in order, and equal ones stay so. */
void conf_errors_sort(struct conf_errors *errors)
{
	for (size_t i = 1; i < errors->n; i++) {
		__typeof__(errors->error[0]) moved = errors->error[i];
		size_t at = i;

		while (at > 0 && (errors->error[at - 1].line > moved.line ||
				  (errors->error[at - 1].line == moved.line &&
				   errors->error[at - 1].column > moved.column))) {
			errors->error[at] = errors->error[at - 1];
			at--;
		}
		errors->error[at] = moved;
	}
}

const char *conf_errors_show(struct str value, char out[CONF_ERRORS_SHOW_BYTES])
{
	size_t n = value.len <= 40 ? value.len : 37;

	for (size_t i = 0; i < n; i++) {
		char c = value.ptr[i];

		/* Bytes past ASCII are shown as they are: the file was checked to be UTF-8. */
		out[i] = c == 0x7f || (c >= 0 && c < ' ') ? '?' : c;
	}
	/* Do not cut inside of a UTF-8 sequence. */
	if (n < value.len) {
		while (n > 0 && ((unsigned char)value.ptr[n] & 0xc0) == 0x80)
			n--;
		memcpy(out + n, "...", 3);
		n += 3;
	}
	out[n] = '\0';
	return out;
}

int conf_errors_format(const struct conf_errors *errors, const char *file_name, struct buf *out)
{
	int err = 0;

	for (size_t i = 0; i < errors->n && !err; i++) {
		if (errors->error[i].line == 0)
			err = buf_printf(out, "%s: %s\n", file_name, errors->error[i].text);
		else
			err = buf_printf(out, "%s:%u:%u: %s\n", file_name, errors->error[i].line,
					 errors->error[i].column, errors->error[i].text);
	}
	if (!err && errors->suppressed)
		err = buf_printf(out, "%s: %zu more errors are not shown\n", file_name,
				 errors->suppressed);
	return err;
}
