/* SPDX-License-Identifier: ISC
 * What SORT and THREAD ask stored. */
#include "imapd/search_scope.h"

#include "imapd/search_program.h"
#include "imapd/selected.h"

enum { PROGRAM_MAX = 786432, RANGES_MAX = 16384, NUMBERS_MAX = 3 << 20 };

static bool refuse(enum step *ret_step, enum step step)
{
	*ret_step = step;
	return false;
}

/* The runs of UIDs that the session knows; false: too many. */
static bool put_ranges(const struct seqmap *map, struct search_scope *scope)
{
	struct seqmap_span uids;
	uint32_t at = 1;

	while (seqmap_next_uids(map, &at, map->count, &uids)) {
		if (scope->n_ranges == RANGES_MAX)
			return false;
		scope->ranges[scope->n_ranges++] = (struct mailbox_range){uids.first, uids.last};
	}
	return true;
}

static bool make_program(struct session *s, struct command *c, const struct imap_search_program *search,
			 struct view *ret, enum step *ret_step)
{
	struct buf program = BUF_INIT(PROGRAM_MAX);
	enum search_program made = search_program_format(search, s->selected, &c->arena, &program);

	*ret = arena_copy(&c->arena, buf_view(&program));
	buf_fini(&program);
	if (made == SEARCH_PROGRAM_CHARSET)
		return refuse(ret_step, command_no(c, "[BADCHARSET (US-ASCII UTF-8)]", "The charset is not known"));
	if (made == SEARCH_PROGRAM_TOO_LONG || !ret->p)
		return refuse(ret_step, command_no(c, "[LIMIT]", "That is too much to search for"));
	return true;
}

bool search_scope_make(struct session *s, struct command *c, const struct imap_search_program *search,
		       struct search_scope *ret, enum step *ret_step)
{
	if (s->uidonly && search->uses_numbers)
		return refuse(ret_step, command_bad(c, "[UIDREQUIRED] Message numbers are not used in this session"));
	if (!make_program(s, c, search, &ret->program, ret_step))
		return false;
	c->no_expunge = search->uses_numbers; /* RFC 9051 §7.5.1 */
	if (search->uses_modseq)
		session_enable_condstore(s);
	ret->ranges = arena_array(&c->arena, RANGES_MAX, sizeof *ret->ranges);
	if (!ret->ranges)
		return refuse(ret_step, command_no(c, "[LIMIT]", "That is too much to search for"));
	ret->expunged = put_ranges(&s->selected->map, ret);
	if (!ret->expunged)
		ret->n_ranges = selected_everything(s->selected, ret->ranges);
	return true;
}

enum step search_scope_ask(struct session *s, struct command *c, const struct imap_search_program *search,
			   search_send_fn *send, command_fn *say)
{
	struct search_scope scope = {0};
	enum step step;

	if (!search_scope_make(s, c, search, &scope, &step))
		return step;
	return scope.n_ranges ? command_await_answer(c, send(s, c, &scope)) : say(s, c);
}

bool number_list_add(struct number_list *l, const struct mailbox_number *numbers, uint32_t n)
{
	if (n > NUMBERS_MAX - l->n)
		return false;
	if (l->n + n > l->cap) {
		l->cap = l->cap * 2 > l->n + n ? l->cap * 2 : l->n + n;
		l->at = xrealloc(l->at, l->cap * sizeof *l->at);
	}
	for (uint32_t i = 0; i < n; i++)
		l->at[l->n++] = numbers[i].number;
	return true;
}
