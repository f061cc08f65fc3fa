/* SPDX-License-Identifier: BSD-2-Clause */
/* YAML to nodes by libyaml's events. What a configuration has no use for is refused by name. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <yaml.h>

#include "conf_errors.h"
#include "conf_node.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

struct reader {
	struct conf_node_build build;
	struct conf_errors *errors;
	unsigned int documents;
	bool wrong;
};

/* Length of the valid UTF-8 sequence at p, or 0 (RFC 3629: no overlong forms, no surrogates). */
static size_t utf8_length(const unsigned char *p, size_t len)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = p[0] < 0x80	  ? 1
		   : p[0] >= 0xf8 ? 0
		   : p[0] >= 0xf0 ? 4
		   : p[0] >= 0xe0 ? 3
		   : p[0] >= 0xc0 ? 2
				  : 0;
	uint32_t code;

	if (n <= 1 || n > len)
		return n <= len ? n : 0;
	code = p[0] & (0xffU >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	return code < least[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : n;
}

/* libyaml would only give an offset for these; a line and a column are more use. */
static int check_bytes(const char *text, size_t len, struct conf_errors *errors)
{
	const unsigned char *p = (const unsigned char *)text;
	uint32_t line = 1, column = 1;
	size_t n;

	for (size_t i = 0; i < len; i += n, column++) {
		n = utf8_length(p + i, len - i);
		if (n == 0)
			return conf_errors_add(errors, line, column,
					       "byte 0x%02x is not UTF-8; save the file as UTF-8",
					       p[i]);
		if (p[i] < ' ' && p[i] != '\t' && p[i] != '\n' && p[i] != '\r')
			return conf_errors_add(errors, line, column,
					       "control character 0x%02x; remove it", p[i]);
		if (p[i] == '\n') {
			line++;
			column = 0;
		}
	}
	return 0;
}

static uint32_t place(size_t from_zero)
{
	return from_zero < UINT32_MAX ? (uint32_t)from_zero + 1 : UINT32_MAX;
}

static void refuse(struct reader *r, const yaml_mark_t *at, const char *what)
{
	r->wrong = true;
	conf_errors_add(r->errors, place(at->line), place(at->column), "%s", what);
}

static void check_decoration(struct reader *r, const yaml_event_t *event, const yaml_char_t *anchor,
			     const yaml_char_t *tag)
{
	if (anchor)
		refuse(r, &event->start_mark, "an anchor (&); anchors are not supported");
	if (tag)
		refuse(r, &event->start_mark, "a tag (!); tags are not supported");
}

/* The key of the next node of an open map. */
static int take_key(struct reader *r, const yaml_event_t *event)
{
	struct str key;

	if (event->type != YAML_SCALAR_EVENT) {
		refuse(r, &event->start_mark,
		       event->type == YAML_ALIAS_EVENT ? "an alias (*); aliases are not supported"
						       : "a list or map as a key; a key is a word");
		return -EINVAL;
	}
	check_decoration(r, event, event->data.scalar.anchor, event->data.scalar.tag);
	key = (struct str) { (const char *)event->data.scalar.value, event->data.scalar.length };
	if (memchr(key.ptr, '\0', key.len)) {
		refuse(r, &event->start_mark, "a key with a NUL in it; a key is a word");
		return -EINVAL;
	}
	r->build.key = conf_arena_copy(r->build.arena, key);
	r->build.key_line = place(event->start_mark.line);
	r->build.key_column = place(event->start_mark.column);
	return r->build.key ? 0 : -ENOMEM;
}

static int add(struct reader *r, const yaml_event_t *event, enum conf_node_kind kind,
	       struct conf_node **ret)
{
	int err = conf_node_add(&r->build, kind, ret);

	if (err == -E2BIG)
		refuse(r, &event->start_mark, "too many values; a file has at most 1,048,576");
	if (err == -ELOOP)
		refuse(r, &event->start_mark, "nested too deeply; no setting is deeper than 16");
	if (err)
		return err == -ENOMEM ? err : -EINVAL;
	(*ret)->line = place(event->start_mark.line);
	(*ret)->column = place(event->start_mark.column);
	return 0;
}

static int add_scalar(struct reader *r, const yaml_event_t *event)
{
	struct str text = { (const char *)event->data.scalar.value, event->data.scalar.length };
	struct conf_node *node;
	int err;

	check_decoration(r, event, event->data.scalar.anchor, event->data.scalar.tag);
	err = add(r, event, CONF_SCALAR, &node);
	if (err)
		return err;
	if (memchr(text.ptr, '\0', text.len))
		refuse(r, &event->start_mark, "a value with a NUL in it; remove it");
	node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	text.ptr = conf_arena_copy(r->build.arena, text);
	node->text = text;
	return text.ptr ? 0 : -ENOMEM;
}

static int take_event(struct reader *r, const yaml_event_t *event)
{
	struct conf_node *node;

	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (r->documents++) {
			refuse(r, &event->start_mark, "a second document; a file has one");
			return -EINVAL;
		}
		if (event->data.document_start.tag_directives.start !=
		    event->data.document_start.tag_directives.end)
			refuse(r, &event->start_mark, "a %TAG directive; tags are not supported");
		return 0;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return conf_node_close(&r->build);
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_END_EVENT:
	case YAML_NO_EVENT:
		return 0;
	default:
		break;
	}
	if (r->build.open && r->build.open->kind == CONF_MAP && !r->build.key)
		return take_key(r, event);
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return add_scalar(r, event);
	case YAML_SEQUENCE_START_EVENT:
		check_decoration(r, event, event->data.sequence_start.anchor,
				 event->data.sequence_start.tag);
		return add(r, event, CONF_LIST, &node);
	case YAML_MAPPING_START_EVENT:
		check_decoration(r, event, event->data.mapping_start.anchor,
				 event->data.mapping_start.tag);
		return add(r, event, CONF_MAP, &node);
	default: /* an alias; a scalar in its place keeps the tree whole */
		refuse(r, &event->start_mark, "an alias (*); aliases are not supported");
		return add(r, event, CONF_SCALAR, &node);
	}
}

static int syntax_error(struct reader *r, const yaml_parser_t *parser)
{
	if (parser->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	/* The way that an IPv6 address in brackets or braces goes wrong. */
	if (parser->problem && strcmp(parser->problem, "did not find expected node content") == 0)
		return conf_errors_add(r->errors, place(parser->problem_mark.line),
				       place(parser->problem_mark.column),
				       "YAML syntax: no value here; one that begins with ':' or "
				       "another sign needs quotes");
	/* The context says what was being read: "while parsing a flow mapping". */
	return conf_errors_add(r->errors, place(parser->problem_mark.line),
			       place(parser->problem_mark.column), "YAML syntax: %s%s%s",
			       parser->problem ? parser->problem : "not readable",
			       parser->context ? ", " : "", parser->context ? parser->context : "");
}

static int read_events(struct reader *r, yaml_parser_t *parser)
{
	bool more = true;
	int err = 0;

	while (more && !err) {
		yaml_event_t event;

		if (!yaml_parser_parse(parser, &event))
			return syntax_error(r, parser);
		more = event.type != YAML_STREAM_END_EVENT;
		err = take_event(r, &event);
		yaml_event_delete(&event);
	}
	return err;
}

int conf_yaml_read(const char *text, size_t len, struct conf_arena *arena,
		   struct conf_errors *errors, struct conf_node **ret)
{
	struct reader r = { .build.arena = arena, .errors = errors };
	yaml_parser_t parser;
	int err;

	/* the byte order mark that some editors write in front says nothing of UTF-8, and has no column */
	if (len >= sizeof(BYTE_ORDER_MARK) - 1 &&
	    memcmp(text, BYTE_ORDER_MARK, sizeof(BYTE_ORDER_MARK) - 1) == 0) {
		text += sizeof(BYTE_ORDER_MARK) - 1;
		len -= sizeof(BYTE_ORDER_MARK) - 1;
	}
	if (len > CONF_FILE_MAX_BYTES)
		return conf_errors_add(errors, 0, 0,
				       "the file has %zu bytes; at most 16 MiB are read", len);
	err = check_bytes(text, len, errors);
	if (err)
		return err;
	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	err = read_events(&r, &parser);
	yaml_parser_delete(&parser);
	if (!err && r.wrong)
		err = -EINVAL;
	if (!err && (!r.build.root || conf_node_is_null(r.build.root))) {
		r.build.root = NULL;
		err = conf_node_add(&r.build, CONF_MAP, NULL);
		if (!err)
			err = conf_node_close(&r.build);
	}
	if (!err)
		*ret = r.build.root;
	return err;
}
