/* SPDX-License-Identifier: BSD-2-Clause */
/* What llhttp (Debian's node-llhttp, strict, no lenient flag) makes of cases; see case.h. */
#include <llhttp/llhttp.h>

#include "case.h"

struct message {
	struct buf first; /* target, or status */
	struct buf name;
	struct buf value;
	struct buf fields;
	struct buf body;
	struct buf head;
	bool in_head;
};

static int add(struct buf *b, const char *at, size_t len)
{
	case_must(buf_add(b, at, len));
	return 0;
}

static void empty(struct buf *b)
{
	buf_consume(b, buf_len(b));
}

static int on_begin(llhttp_t *p)
{
	struct message *m = p->data;

	empty(&m->first);
	empty(&m->name);
	empty(&m->value);
	empty(&m->fields);
	empty(&m->body);
	m->in_head = true;
	return 0;
}

static int on_url(llhttp_t *p, const char *at, size_t len)
{
	return add(&((struct message *)p->data)->first, at, len);
}

static int on_name(llhttp_t *p, const char *at, size_t len)
{
	return add(&((struct message *)p->data)->name, at, len);
}

static int on_value(llhttp_t *p, const char *at, size_t len)
{
	return add(&((struct message *)p->data)->value, at, len);
}

/* llhttp leaves white space behind a value for its caller to remove. */
static int on_value_complete(llhttp_t *p)
{
	struct message *m = p->data;
	struct str value = buf_str(&m->value);

	while (value.len && (value.ptr[value.len - 1] == ' ' || value.ptr[value.len - 1] == '\t'))
		value.len--;
	if (m->in_head) {
		case_must(buf_add_str(&m->fields, buf_str(&m->name)));
		case_must(buf_add(&m->fields, ": ", 2));
		case_must(buf_add_str(&m->fields, value));
		case_must(buf_add(&m->fields, "\n", 1));
	}
	empty(&m->name);
	empty(&m->value);
	return 0;
}

static int on_headers_complete(llhttp_t *p)
{
	struct message *m = p->data;

	m->in_head = false;
	empty(&m->head);
	if (p->type == HTTP_RESPONSE) {
		case_must(buf_printf(&m->head, "%u", p->status_code));
	} else {
		case_must(buf_printf(&m->head, "%s ", llhttp_method_name(p->method)));
		case_must(buf_add_str(&m->head, buf_str(&m->first)));
	}
	case_must(buf_printf(&m->head, " %u.%u\n%s\n", p->http_major, p->http_minor,
			     llhttp_should_keep_alive(p) ? "keep" : "close"));
	case_must(buf_add_str(&m->head, buf_str(&m->fields)));
	case_event('H', &m->head);
	return 0;
}

static int on_body(llhttp_t *p, const char *at, size_t len)
{
	return add(&((struct message *)p->data)->body, at, len);
}

static int on_complete(llhttp_t *p)
{
	case_event('B', &((struct message *)p->data)->body);
	return 0;
}

int main(void)
{
	struct conform_case c = { 0 };
	struct message m = { 0 };
	llhttp_settings_t settings;

	for (struct buf *b = &m.first; b <= &m.head; b++)
		buf_init(b, 1 << 20);
	llhttp_settings_init(&settings);
	settings.on_message_begin = on_begin;
	settings.on_url = on_url;
	settings.on_header_field = on_name;
	settings.on_header_value = on_value;
	settings.on_header_value_complete = on_value_complete;
	settings.on_headers_complete = on_headers_complete;
	settings.on_body = on_body;
	settings.on_message_complete = on_complete;
	while (case_read(&c)) {
		llhttp_t p;

		llhttp_init(&p, c.kind == 's' ? HTTP_RESPONSE : HTTP_REQUEST, &settings);
		p.data = &m;
		llhttp_errno_t err = llhttp_execute(&p, c.data, c.len);

		if (err == HPE_PAUSED_UPGRADE)
			puts("upgrade");
		else if (err != HPE_OK)
			printf("error:%s\n", llhttp_errno_name(err));
		else
			puts(llhttp_finish(&p) == HPE_OK ? "end" : "more");
	}
	for (struct buf *b = &m.first; b <= &m.head; b++)
		buf_clear(b);
	free(c.data);
	return 0;
}
