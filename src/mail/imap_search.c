/* SPDX-License-Identifier: ISC
 * SEARCH's arguments as a tree of keys. */
#include "mail/imap_search.h"

#include "mail/date.h"
#include "mail/objectid.h"

enum key_arg {
	ARG_NONE,
	ARG_STRING,
	ARG_NUMBER,
	ARG_DATE,
	ARG_SET,
	ARG_KEYWORD,
	ARG_HEADER,
	ARG_MODSEQ,
	ARG_OBJECTID,
	ARG_KEY,
	ARG_KEYS
};

/* search-key (RFC 9051 §9; NEW, OLD, RECENT: RFC 3501; OLDER, YOUNGER: RFC 5032; MODSEQ: RFC 7162; EMAILID,
 * THREADID: RFC 8474; SAVED…: RFC 8514) */
static const struct key {
	const char *name;
	enum imap_search_kind kind;
	enum key_arg arg;
	bool negated;
	uint32_t flag;
	const char *field;
} keys[] = {
    {"ALL", IMAP_SEARCH_ALL, ARG_NONE},
    {"ANSWERED", IMAP_SEARCH_FLAG, ARG_NONE, false, IMAP_ANSWERED},
    {"BCC", IMAP_SEARCH_HEADER, ARG_STRING, .field = "Bcc"},
    {"BEFORE", IMAP_SEARCH_BEFORE, ARG_DATE},
    {"BODY", IMAP_SEARCH_BODY, ARG_STRING},
    {"CC", IMAP_SEARCH_HEADER, ARG_STRING, .field = "Cc"},
    {"DELETED", IMAP_SEARCH_FLAG, ARG_NONE, false, IMAP_DELETED},
    {"DRAFT", IMAP_SEARCH_FLAG, ARG_NONE, false, IMAP_DRAFT},
    {"EMAILID", IMAP_SEARCH_EMAILID, ARG_OBJECTID},
    {"FLAGGED", IMAP_SEARCH_FLAG, ARG_NONE, false, IMAP_FLAGGED},
    {"FROM", IMAP_SEARCH_HEADER, ARG_STRING, .field = "From"},
    {"HEADER", IMAP_SEARCH_HEADER, ARG_HEADER},
    {"KEYWORD", IMAP_SEARCH_KEYWORD, ARG_KEYWORD},
    {"LARGER", IMAP_SEARCH_LARGER, ARG_NUMBER},
    {"MODSEQ", IMAP_SEARCH_MODSEQ, ARG_MODSEQ},
    {"NEW", IMAP_SEARCH_AND, ARG_NONE},
    {"NOT", IMAP_SEARCH_NOT, ARG_KEY},
    {"OLD", IMAP_SEARCH_FLAG, ARG_NONE, true, IMAP_RECENT},
    {"OLDER", IMAP_SEARCH_OLDER, ARG_NUMBER},
    {"ON", IMAP_SEARCH_ON, ARG_DATE},
    {"OR", IMAP_SEARCH_OR, ARG_KEYS},
    {"RECENT", IMAP_SEARCH_FLAG, ARG_NONE, false, IMAP_RECENT},
    {"SAVEDATESUPPORTED", IMAP_SEARCH_ALL, ARG_NONE}, /* everywhere */
    {"SAVEDBEFORE", IMAP_SEARCH_SAVEDBEFORE, ARG_DATE},
    {"SAVEDON", IMAP_SEARCH_SAVEDON, ARG_DATE},
    {"SAVEDSINCE", IMAP_SEARCH_SAVEDSINCE, ARG_DATE},
    {"SEEN", IMAP_SEARCH_FLAG, ARG_NONE, false, IMAP_SEEN},
    {"SENTBEFORE", IMAP_SEARCH_SENTBEFORE, ARG_DATE},
    {"SENTON", IMAP_SEARCH_SENTON, ARG_DATE},
    {"SENTSINCE", IMAP_SEARCH_SENTSINCE, ARG_DATE},
    {"SINCE", IMAP_SEARCH_SINCE, ARG_DATE},
    {"SMALLER", IMAP_SEARCH_SMALLER, ARG_NUMBER},
    {"SUBJECT", IMAP_SEARCH_HEADER, ARG_STRING, .field = "Subject"},
    {"TEXT", IMAP_SEARCH_TEXT, ARG_STRING},
    {"THREADID", IMAP_SEARCH_THREADID, ARG_OBJECTID},
    {"TO", IMAP_SEARCH_HEADER, ARG_STRING, .field = "To"},
    {"UID", IMAP_SEARCH_UID, ARG_SET},
    {"UNANSWERED", IMAP_SEARCH_FLAG, ARG_NONE, true, IMAP_ANSWERED},
    {"UNDELETED", IMAP_SEARCH_FLAG, ARG_NONE, true, IMAP_DELETED},
    {"UNDRAFT", IMAP_SEARCH_FLAG, ARG_NONE, true, IMAP_DRAFT},
    {"UNFLAGGED", IMAP_SEARCH_FLAG, ARG_NONE, true, IMAP_FLAGGED},
    {"UNKEYWORD", IMAP_SEARCH_KEYWORD, ARG_KEYWORD, true},
    {"UNSEEN", IMAP_SEARCH_FLAG, ARG_NONE, true, IMAP_SEEN},
    {"YOUNGER", IMAP_SEARCH_YOUNGER, ARG_NUMBER},
};

static const struct {
	const char *name;
	uint32_t what;
} return_options[] = {
    {"MIN", IMAP_RETURN_MIN},     {"MAX", IMAP_RETURN_MAX},   {"ALL", IMAP_RETURN_ALL},
    {"COUNT", IMAP_RETURN_COUNT}, {"SAVE", IMAP_RETURN_SAVE}, {"PARTIAL", IMAP_RETURN_PARTIAL},
};

struct parser {
	struct arena *arena;
	struct imap_search_program program;
	const struct imap_arg *arg; /* the next to read */
	uint32_t depth;
	const char *error;
};

static struct imap_search *parse_key(struct parser *p);

static bool fail(struct parser *p, const char *error)
{
	p->error = error;
	return false;
}

static struct imap_search *new_node(struct parser *p, enum imap_search_kind kind)
{
	struct imap_search *node;

	node = p->program.keys < IMAP_SEARCH_KEYS_MAX ? arena_alloc(p->arena, sizeof *node) : NULL;
	if (!node) {
		p->error = "Too many search keys";
		return NULL;
	}
	node->kind = kind;
	p->program.keys++;
	return node;
}

static const struct imap_arg *take(struct parser *p)
{
	const struct imap_arg *arg = p->arg;

	if (arg)
		p->arg = arg->next;
	return arg;
}

static const struct key *find_key(struct view name)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (view_eq_lit_nocase(name, keys[i].name))
			return &keys[i];
	return NULL;
}

/* search-key *(SP search-key), to the end of the list */
static struct imap_search *parse_and(struct parser *p)
{
	struct imap_search *all = new_node(p, IMAP_SEARCH_AND);
	const struct imap_search **tail;

	if (!all)
		return NULL;
	tail = &all->first;
	do {
		struct imap_search *node = parse_key(p);

		if (!node)
			return NULL;
		*tail = node;
		tail = &node->next;
	} while (p->arg);
	return all;
}

static bool parse_set(struct parser *p, const struct imap_arg *arg, struct imap_search *node)
{
	if (!arg || arg->kind != IMAP_ATOM || arg->glued || !imap_set_parse(arg->text, p->arena, &node->set))
		return fail(p, "Invalid message set");
	p->program.uses_saved |= node->set.saved;
	return true;
}

/* date = date-text / DQUOTE date-text DQUOTE */
static bool parse_date(struct parser *p, struct imap_search *node)
{
	const struct imap_arg *arg = take(p);

	if (!arg || (arg->kind != IMAP_ATOM && arg->kind != IMAP_QUOTED) || arg->glued ||
	    !date_parse_imap_day(arg->text, &node->days))
		return fail(p, "Invalid date");
	return true;
}

static bool parse_number(struct parser *p, struct imap_search *node)
{
	return imap_arg_number(take(p), INT64_MAX, &node->number) || fail(p, "Invalid number");
}

static bool parse_string(struct parser *p, struct imap_search *node)
{
	return imap_arg_astring(take(p), &node->text) || fail(p, "Missing or invalid string");
}

/* flag-keyword */
static bool parse_keyword(struct parser *p, struct imap_search *node)
{
	if (!imap_arg_atom(take(p), &node->text) || !imap_keyword_is_valid(node->text))
		return fail(p, "Invalid keyword");
	return true;
}

static bool parse_header(struct parser *p, struct imap_search *node)
{
	return (imap_arg_astring(take(p), &node->name) || fail(p, "Missing header field name")) &&
	       parse_string(p, node);
}

/* "MODSEQ" [SP entry-name SP entry-type-req] SP mod-sequence-valzer; all entries have one modseq here */
static bool parse_modseq(struct parser *p, struct imap_search *node)
{
	p->program.uses_modseq = true;
	if (p->arg && p->arg->kind == IMAP_QUOTED) {
		const struct imap_arg *type;

		(void)take(p);
		type = take(p);
		if (!imap_arg_is(type, "priv") && !imap_arg_is(type, "shared") && !imap_arg_is(type, "all"))
			return fail(p, "Invalid MODSEQ entry type");
	}
	return parse_number(p, node);
}

static bool parse_objectid(struct parser *p, struct imap_search *node)
{
	return (imap_arg_astring(take(p), &node->text) && objectid_is_valid(node->text)) ||
	       fail(p, "Invalid object identifier");
}

static bool parse_children(struct parser *p, struct imap_search *node, size_t count)
{
	const struct imap_search **tail = &node->first;

	while (count--) {
		struct imap_search *child = parse_key(p);

		if (!child)
			return false;
		*tail = child;
		tail = &child->next;
	}
	return true;
}

static bool parse_key_arg(struct parser *p, const struct key *key, struct imap_search *node)
{
	switch (key->arg) {
	case ARG_NONE:
		node->number = key->flag;
		return true;
	case ARG_STRING:
		node->name = key->field ? view_from_cstr(key->field) : VIEW_EMPTY;
		return parse_string(p, node);
	case ARG_NUMBER:
		return parse_number(p, node);
	case ARG_DATE:
		return parse_date(p, node);
	case ARG_SET:
		return parse_set(p, take(p), node);
	case ARG_KEYWORD:
		return parse_keyword(p, node);
	case ARG_HEADER:
		return parse_header(p, node);
	case ARG_MODSEQ:
		return parse_modseq(p, node);
	case ARG_OBJECTID:
		return parse_objectid(p, node);
	case ARG_KEY:
		return parse_children(p, node, 1);
	case ARG_KEYS:
		return parse_children(p, node, 2);
	}
	return false;
}

static struct imap_search *negate(struct parser *p, struct imap_search *node)
{
	struct imap_search *negation = new_node(p, IMAP_SEARCH_NOT);

	if (negation)
		negation->first = node;
	return negation;
}

/* NEW is RECENT and not SEEN. */
static bool fill_new(struct parser *p, struct imap_search *node)
{
	struct imap_search *recent = new_node(p, IMAP_SEARCH_FLAG), *seen = new_node(p, IMAP_SEARCH_FLAG), *unseen;

	if (!recent || !seen)
		return false;
	recent->number = IMAP_RECENT;
	seen->number = IMAP_SEEN;
	unseen = negate(p, seen);
	if (!unseen)
		return false;
	node->first = recent;
	recent->next = unseen;
	return true;
}

static struct imap_search *parse_named(struct parser *p, const struct imap_arg *arg)
{
	const struct key *key = find_key(arg->text);
	struct imap_search *node;

	if (!key) {
		p->error = "Unknown search key";
		return NULL;
	}
	node = new_node(p, key->kind);
	if (!node || !parse_key_arg(p, key, node))
		return NULL;
	if (key->kind == IMAP_SEARCH_AND && !fill_new(p, node))
		return NULL;
	return key->negated ? negate(p, node) : node;
}

static struct imap_search *parse_numbers(struct parser *p, const struct imap_arg *arg)
{
	struct imap_search *node = new_node(p, IMAP_SEARCH_NUMBERS);

	p->program.uses_numbers |= !view_eq_lit(arg->text, "$");
	return node && parse_set(p, arg, node) ? node : NULL;
}

/* "(" search-key *(SP search-key) ")" */
static struct imap_search *parse_list(struct parser *p, const struct imap_arg *arg)
{
	const struct imap_arg *after = p->arg;
	struct imap_search *node;

	p->arg = arg->first;
	node = parse_and(p);
	p->arg = after;
	return node;
}

static struct imap_search *parse_any(struct parser *p, const struct imap_arg *arg)
{
	if (arg && arg->kind == IMAP_LIST)
		return parse_list(p, arg);
	if (!arg || arg->kind != IMAP_ATOM || arg->glued) {
		p->error = "Missing or invalid search key";
		return NULL;
	}
	if (ascii_is_digit(arg->text.p[0]) || arg->text.p[0] == '*' || arg->text.p[0] == '$')
		return parse_numbers(p, arg);
	return parse_named(p, arg);
}

static struct imap_search *parse_key(struct parser *p)
{
	struct imap_search *node;

	if (p->depth == IMAP_SEARCH_DEPTH_MAX) {
		p->error = "Search keys are nested too deep";
		return NULL;
	}
	p->depth++;
	node = parse_any(p, take(p));
	p->depth--;
	return node;
}

static bool parse_partial(struct parser *p, const struct imap_arg *arg)
{
	if (!arg || arg->kind != IMAP_ATOM || arg->glued)
		return false;
	p->program.partial_text = arg->text;
	return imap_partial_parse(arg->text, &p->program.partial);
}

/* search-return-opts = SP "RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")" */
static bool parse_return(struct parser *p)
{
	const struct imap_arg *arg;

	if (!imap_arg_is(p->arg, "RETURN"))
		return true;
	(void)take(p);
	if (!imap_arg_list(take(p), &arg))
		return fail(p, "Missing RETURN options");
	p->program.extended = true;
	for (; arg; arg = arg->next) {
		size_t i = 0;

		while (i < ARRAY_LEN(return_options) && !imap_arg_is(arg, return_options[i].name))
			i++;
		if (i == ARRAY_LEN(return_options))
			return fail(p, "Unknown RETURN option");
		if (return_options[i].what == IMAP_RETURN_PARTIAL) {
			arg = arg->next;
			if ((p->program.returns & IMAP_RETURN_PARTIAL) || !parse_partial(p, arg))
				return fail(p, "Invalid PARTIAL");
		}
		p->program.returns |= return_options[i].what;
	}
	/* RFC 9394 §3.1 */
	if ((p->program.returns & IMAP_RETURN_PARTIAL) && (p->program.returns & IMAP_RETURN_ALL))
		return fail(p, "PARTIAL and ALL exclude each other");
	if (p->program.returns == 0)
		p->program.returns = IMAP_RETURN_ALL;
	return true;
}

/* "CHARSET" SP charset; charset = atom / quoted */
static bool parse_charset(struct parser *p)
{
	if (!imap_arg_is(p->arg, "CHARSET"))
		return true;
	(void)take(p);
	return (imap_arg_astring(take(p), &p->program.charset) && p->program.charset.n) || fail(p, "Missing charset");
}

static bool give(const struct parser *p, struct imap_search_program *ret, const char **ret_error)
{
	if (!p->program.root) {
		*ret_error = p->error;
		return false;
	}
	*ret = p->program;
	return true;
}

bool imap_search_parse(const struct imap_arg *arg, struct arena *a, struct imap_search_program *ret,
		       const char **ret_error)
{
	struct parser p = {.arena = a, .arg = arg};

	if (parse_return(&p) && parse_charset(&p))
		p.program.root = parse_and(&p);
	return give(&p, ret, ret_error);
}

bool imap_search_parse_criteria(const struct imap_arg *arg, struct arena *a, struct imap_search_program *ret,
				const char **ret_error)
{
	struct parser p = {.arena = a, .arg = arg};

	if ((imap_arg_astring(take(&p), &p.program.charset) && p.program.charset.n) || fail(&p, "Missing charset"))
		p.program.root = parse_and(&p);
	return give(&p, ret, ret_error);
}
