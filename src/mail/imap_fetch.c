/* SPDX-License-Identifier: ISC
 * FETCH's arguments behind the set. */
#include "mail/imap_fetch.h"

static const struct {
	const char *name;
	uint32_t items;
} plain_items[] = {
    {"UID", IMAP_FETCH_UID},
    {"FLAGS", IMAP_FETCH_FLAGS},
    {"INTERNALDATE", IMAP_FETCH_INTERNALDATE},
    {"RFC822.SIZE", IMAP_FETCH_RFC822_SIZE},
    {"ENVELOPE", IMAP_FETCH_ENVELOPE},
    {"BODY", IMAP_FETCH_BODY},
    {"BODYSTRUCTURE", IMAP_FETCH_BODYSTRUCTURE},
    {"MODSEQ", IMAP_FETCH_MODSEQ},
    {"EMAILID", IMAP_FETCH_EMAILID},
    {"THREADID", IMAP_FETCH_THREADID},
    {"SAVEDATE", IMAP_FETCH_SAVEDATE},
    {"PREVIEW", IMAP_FETCH_PREVIEW},
};

enum {
	FAST = IMAP_FETCH_FLAGS | IMAP_FETCH_INTERNALDATE | IMAP_FETCH_RFC822_SIZE,
	ALL = FAST | IMAP_FETCH_ENVELOPE,
	FULL = ALL | IMAP_FETCH_BODY,
};

static const struct {
	const char *name;
	uint32_t items;
} macros[] = {{"ALL", ALL}, {"FAST", FAST}, {"FULL", FULL}};

static const struct {
	const char *name;
	enum imap_fetch_what what;
	bool peek;
	bool brackets; /* "[section]" follows */
	enum imap_section_text text; /* without brackets */
	const char *response;
} section_items[] = {
    {"BODY", IMAP_FETCH_SECTION, false, true, IMAP_SECTION_ALL, "BODY"},
    {"BODY.PEEK", IMAP_FETCH_SECTION, true, true, IMAP_SECTION_ALL, "BODY"},
    {"BINARY", IMAP_FETCH_BINARY, false, true, IMAP_SECTION_ALL, "BINARY"},
    {"BINARY.PEEK", IMAP_FETCH_BINARY, true, true, IMAP_SECTION_ALL, "BINARY"},
    {"BINARY.SIZE", IMAP_FETCH_BINARY_SIZE, true, true, IMAP_SECTION_ALL, "BINARY.SIZE"},
    {"RFC822", IMAP_FETCH_RFC822, false, false, IMAP_SECTION_ALL, "RFC822"},
    {"RFC822.HEADER", IMAP_FETCH_RFC822_HEADER, true, false, IMAP_SECTION_HEADER, "RFC822.HEADER"},
    {"RFC822.TEXT", IMAP_FETCH_RFC822_TEXT, false, false, IMAP_SECTION_TEXT, "RFC822.TEXT"},
};

struct parser {
	struct arena *arena;
	struct imap_fetch fetch;
	const struct imap_fetch_section **tail;
	const char *error;
};

static bool fail(struct parser *p, const char *error)
{
	p->error = error;
	return false;
}

static bool find_plain(struct parser *p, struct view name)
{
	for (size_t i = 0; i < ARRAY_LEN(plain_items); i++) {
		if (view_eq_lit_nocase(name, plain_items[i].name)) {
			p->fetch.items |= plain_items[i].items;
			return true;
		}
	}
	return false;
}

static bool find_macro(struct parser *p, const struct imap_arg *arg)
{
	for (size_t i = 0; i < ARRAY_LEN(macros); i++) {
		if (imap_arg_is(arg, macros[i].name)) {
			p->fetch.items |= macros[i].items;
			return true;
		}
	}
	return false;
}

static struct imap_fetch_section *add_section(struct parser *p, struct view name, bool brackets)
{
	struct imap_fetch_section *s;
	size_t i = 0;

	while (i < ARRAY_LEN(section_items) &&
	       (section_items[i].brackets != brackets || !view_eq_lit_nocase(name, section_items[i].name)))
		i++;
	if (i == ARRAY_LEN(section_items)) {
		p->error = "Unknown FETCH item";
		return NULL;
	}
	s = p->fetch.section_count < IMAP_FETCH_SECTIONS_MAX ? arena_alloc(p->arena, sizeof *s) : NULL;
	if (!s) {
		p->error = "Too many FETCH items";
		return NULL;
	}
	s->what = section_items[i].what;
	s->peek = section_items[i].peek;
	s->section.text = section_items[i].text;
	p->fetch.sets_seen |= !s->peek;
	p->fetch.section_count++;
	*p->tail = s;
	p->tail = &s->next;
	return s;
}

/* partial = "<" number64 "." nz-number64 ">"; nothing is fine too. */
static bool parse_partial(struct view v, struct imap_section *s)
{
	struct view off, bytes;

	if (v.n == 0)
		return true;
	if (v.n < 5 || v.p[0] != '<' || v.p[v.n - 1] != '>' || !view_cut(view_sub(v, 1, v.n - 2), '.', &off, &bytes))
		return false;
	s->partial = true;
	return view_to_u64(off, INT64_MAX, &s->partial_off) && view_to_u64(bytes, INT64_MAX, &s->partial_bytes) &&
	       s->partial_bytes > 0;
}

/* header-list = "(" header-fld-name *(SP header-fld-name) ")" */
static bool parse_fields(struct parser *p, const struct imap_arg *list, struct imap_section *s)
{
	const struct imap_arg *first;
	struct view *fields, *sorted;
	uint32_t n = 0;

	if (!imap_arg_list(list, &first) || !first)
		return fail(p, "Missing header field names");
	for (const struct imap_arg *arg = first; arg; arg = arg->next)
		n++;
	s->fields = fields = arena_array(p->arena, n, sizeof *fields);
	sorted = arena_array(p->arena, n, sizeof *sorted);
	if (!fields || !sorted)
		return fail(p, "Too many header field names");
	for (const struct imap_arg *arg = first; arg; arg = arg->next) {
		struct view *field = &fields[s->field_count++];

		if (!imap_arg_astring(arg, field))
			return fail(p, "Invalid header field name");
		*field = arena_copy(p->arena, *field);
		if (!field->p)
			return fail(p, "Too many header field names");
		sorted[s->field_count - 1] = *field;
	}
	imap_section_sort(sorted, n);
	s->sorted = sorted;
	return true;
}

/* "BODY[" section "]" partial, which is one argument, or three with a header list: BODY[HEADER.FIELDS, (…), ]<0.9> */
static const struct imap_arg *parse_section(struct parser *p, const struct imap_arg *arg)
{
	struct view name, inside, after = VIEW_EMPTY;
	bool closed, lists;
	struct imap_fetch_section *s;

	(void)view_cut(arg->text, '[', &name, &inside);
	closed = view_cut(inside, ']', &inside, &after);
	s = add_section(p, name, true);
	if (!s)
		return NULL;
	p->error = "Invalid section";
	if (!imap_section_parse(inside, p->arena, &s->section))
		return NULL;
	lists = s->section.text == IMAP_SECTION_FIELDS || s->section.text == IMAP_SECTION_FIELDS_NOT;
	if (closed == lists || (s->section.text != IMAP_SECTION_ALL && s->what != IMAP_FETCH_SECTION))
		return NULL;
	if (lists) {
		if (!parse_fields(p, arg->next, &s->section))
			return NULL;
		arg = arg->next->next;
		if (!arg || !arg->glued)
			return NULL;
		after = view_sub(arg->text, 1, arg->text.n);
	}
	if (!parse_partial(after, &s->section) || (s->section.partial && s->what == IMAP_FETCH_BINARY_SIZE))
		return NULL;
	p->error = NULL;
	return arg;
}

/* "PREVIEW" [SP "(" preview-mod *(SP preview-mod) ")"]; a list of other words is not its own. Returns its last argument. */
static const struct imap_arg *preview_modifiers(struct parser *p, const struct imap_arg *arg)
{
	const struct imap_arg *first;

	if (!imap_arg_list(arg->next, &first) || !imap_arg_is(first, "LAZY"))
		return arg;
	for (; first; first = first->next)
		if (!imap_arg_is(first, "LAZY"))
			return NULL;
	p->fetch.lazy_preview = true;
	return arg->next;
}

/* One fetch-att; returns its last argument, NULL on error. */
static const struct imap_arg *parse_item(struct parser *p, const struct imap_arg *arg)
{
	if (arg->kind != IMAP_ATOM || arg->glued) {
		p->error = "Invalid FETCH item";
		return NULL;
	}
	if (view_find_char(arg->text, '[') != arg->text.n)
		return parse_section(p, arg);
	p->error = "Invalid PREVIEW modifier";
	if (imap_arg_is(arg, "PREVIEW") && find_plain(p, arg->text))
		return preview_modifiers(p, arg);
	if (find_plain(p, arg->text) || add_section(p, arg->text, false))
		return arg;
	return NULL;
}

static bool parse_list(struct parser *p, const struct imap_arg *arg)
{
	if (!arg)
		return fail(p, "Missing FETCH items");
	for (; arg; arg = arg->next) {
		arg = parse_item(p, arg);
		if (!arg)
			return false;
	}
	return true;
}

/* fetch-modifiers (RFC 7162 §7, 9394 §4): "(CHANGEDSINCE" SP mod-sequence-value [SP "VANISHED"] ")" */
static bool parse_modifiers(struct parser *p, const struct imap_arg *arg)
{
	if (!imap_arg_list(arg, &arg) || !arg)
		return fail(p, "Invalid FETCH arguments");
	for (; arg; arg = arg->next) {
		if (imap_arg_is(arg, "CHANGEDSINCE") && !p->fetch.changedsince) {
			arg = arg->next;
			if (!imap_arg_number(arg, INT64_MAX, &p->fetch.changedsince_modseq))
				return fail(p, "Invalid CHANGEDSINCE");
			p->fetch.changedsince = true;
			p->fetch.items |= IMAP_FETCH_MODSEQ;
		} else if (imap_arg_is(arg, "PARTIAL") && !p->fetch.has_partial) {
			arg = arg->next;
			if (!arg || arg->kind != IMAP_ATOM || !imap_partial_parse(arg->text, &p->fetch.partial))
				return fail(p, "Invalid PARTIAL");
			p->fetch.has_partial = true;
		} else if (imap_arg_is(arg, "VANISHED")) {
			p->fetch.vanished = true;
		} else {
			return fail(p, "Unknown FETCH modifier");
		}
	}
	return !p->fetch.vanished || p->fetch.changedsince || fail(p, "VANISHED without CHANGEDSINCE");
}

/* fetch-att / "(" … ")" / "ALL" / "FULL" / "FAST"; returns the last argument, NULL on error. */
static const struct imap_arg *parse_items(struct parser *p, const struct imap_arg *arg)
{
	const struct imap_arg *first;

	if (!arg) {
		p->error = "Missing FETCH items";
		return NULL;
	}
	if (imap_arg_list(arg, &first))
		return parse_list(p, first) ? arg : NULL;
	return find_macro(p, arg) ? arg : parse_item(p, arg);
}

static bool parse(struct parser *p, const struct imap_arg *arg)
{
	arg = parse_items(p, arg);
	if (!arg)
		return false;
	if (!arg->next)
		return true;
	return arg->next->next ? fail(p, "Invalid FETCH arguments") : parse_modifiers(p, arg->next);
}

bool imap_fetch_parse(const struct imap_arg *arg, struct arena *a, struct imap_fetch *ret, const char **ret_error)
{
	struct parser p = {.arena = a};

	p.tail = &p.fetch.sections;
	if (!parse(&p, arg)) {
		*ret_error = p.error;
		return false;
	}
	*ret = p.fetch;
	return true;
}

void imap_fetch_format_name(struct buf *out, const struct imap_fetch_section *s)
{
	size_t i = 0;

	while (section_items[i].what != s->what)
		i++;
	if (section_items[i].brackets)
		imap_section_format(out, section_items[i].response, &s->section);
	else
		buf_append_cstr(out, section_items[i].response);
}
