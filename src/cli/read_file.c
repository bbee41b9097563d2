/* SPDX-License-Identifier: ISC
 * What becomes of messages that were read: answered, filed, deleted. */
#include "cli/read.h"

#include "base/clock.h"
#include "base/encode.h"
#include "base/id.h"
#include "base/random.h"
#include "cli/compose.h"
#include "cli/hand_in.h"
#include "cli/show.h"
#include "mail/header.h"
#include "mail/rfc2047.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SENT = 1 << 2, TRASH = 1 << 4, VALUE_MAX = 65536, REPLY_MAX = 64 << 20, REFERENCES_MAX = 900 };

int reading_flag(struct reading *rd, const struct mailbox_range *ranges, uint32_t n, uint32_t flags, bool on)
{
	const struct mailbox_flags m = {.session = rd->mail.session,
					.mailbox = rd->mailbox,
					.ranges = (struct mailbox_range *)(uintptr_t)ranges,
					.n_ranges = n,
					.mode = on ? 1 : 2,
					.flags = flags,
					.unchanged_since = UINT64_MAX};
	struct mailbox_msg answer;

	/* Nothing is conditional: nothing is `modified`, and no frame follows. */
	return mail_client_ask(&rd->mail, mailbox_put_flags(&rd->mail.payload, &m), MAILBOX_FLAGS, rd->folder,
			       MAILBOX_FLAGS_DONE, &answer);
}

static uint64_t count(const struct mailbox_range *ranges, uint32_t n)
{
	uint64_t all = 0;

	for (uint32_t i = 0; i < n; i++)
		all += ranges[i].last - ranges[i].first + 1ULL;
	return all;
}

int reading_move(struct reading *rd, const struct mailbox_range *ranges, uint32_t n, const char *target,
		 uint64_t *ret_moved)
{
	const struct mailbox_copy m = {.session = rd->mail.session,
				       .mailbox = rd->mailbox,
				       .ranges = (struct mailbox_range *)(uintptr_t)ranges,
				       .n_ranges = n,
				       .target = view_from_cstr(target),
				       .move = true};
	struct mailbox_msg answer;
	int r = mail_client_ask(&rd->mail, mailbox_put_copy(&rd->mail.payload, &m), MAILBOX_COPY, target,
				MAILBOX_COPIED, &answer);

	*ret_moved = r ? 0 : count(answer.copied.targets, answer.copied.n_targets);
	while (r == 0 && answer.copied.more) {
		r = mail_client_next(&rd->mail, &answer);
		if (r == 0 && answer.type != MAILBOX_COPIED)
			r = mail_client_failed(&answer, target);
		*ret_moved += r ? 0 : count(answer.copied.targets, answer.copied.n_targets);
	}
	return r;
}

/* The folder with this attribute; NULL when there is none. Heap. */
static char *special_folder(struct reading *rd, uint32_t attribute)
{
	struct mail_folders folders;
	char *name = NULL;

	if (mail_client_folders(&rd->mail, &folders))
		return NULL;
	for (size_t i = 0; i < folders.n && !name; i++)
		if (folders.items[i].attributes & attribute)
			name = xstrdup(folders.items[i].name);
	mail_folders_fini(&folders);
	return name;
}

int reading_delete(struct reading *rd, const struct mailbox_range *ranges, uint32_t n, uint64_t *ret_n)
{
	_cleanup_(free_ptr) char *trash = special_folder(rd, TRASH);
	const struct mailbox_expunge m = {.session = rd->mail.session,
					  .mailbox = rd->mailbox,
					  .ranges = (struct mailbox_range *)(uintptr_t)ranges,
					  .n_ranges = n,
					  .all = true};
	struct mailbox_msg answer;
	int r;

	if (trash && strcmp(trash, rd->folder) != 0)
		return reading_move(rd, ranges, n, trash, ret_n);
	r = mail_client_ask(&rd->mail, mailbox_put_expunge(&rd->mail.payload, &m), MAILBOX_EXPUNGE, rd->folder,
			    MAILBOX_EXPUNGED, &answer);
	*ret_n = r ? 0 : answer.expunged.count;
	return r;
}

/* ---- reply ---- */

static void decoded(struct view message, const char *name, struct buf *out)
{
	struct header_field f;

	if (header_find(message, name, &f))
		rfc2047_decode(view_trim(f.value), out);
}

int reading_quote(struct reading *rd, uint32_t uid, struct buf *out)
{
	_cleanup_(buf_fini) struct buf from = BUF_INIT(VALUE_MAX), date = BUF_INIT(VALUE_MAX),
				       text = BUF_INIT(REPLY_MAX);
	struct view rest, line;
	struct mail_text t;
	int r = reading_text(rd, uid, &t);

	if (r)
		return r;
	decoded(buf_view(&t.whole), "From", &from);
	decoded(buf_view(&t.whole), "Date", &date);
	show_lines(buf_view(&t.text), &text);
	buf_append_cstr(out, "\n");
	if (date.n) {
		buf_append_cstr(out, "On ");
		show_clean(buf_view(&date), out);
		buf_append_char(out, ' ');
	}
	show_clean(buf_view(&from), out);
	buf_append_cstr(out, " wrote:\n");
	for (rest = buf_view(&text); view_cut(rest, '\n', &line, &rest);) {
		buf_append_cstr(out, line.n && line.p[0] == '>' ? ">" : "> ");
		buf_append_view(out, line);
		buf_append_char(out, '\n');
	}
	mail_text_fini(&t);
	return 0;
}

static void add_field(struct view message, const char *name, struct addressees *list)
{
	struct header_field f;
	struct view bad;

	/* What is no address there cannot be answered. */
	if (header_find(message, name, &f))
		(void)!addressees_add(list, f.value, VIEW_EMPTY, &bad);
}

static void drop(struct addressees *list, const char *address)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->n; i++)
		if (!view_eq_lit_nocase(list->items[i].address, address))
			list->items[kept++] = list->items[i];
	list->n = kept;
}

/* In-Reply-To and References (RFC 5322 §3.6.4). */
static void thread_fields(struct view message, struct buf *out)
{
	_cleanup_(buf_fini) struct buf id = BUF_INIT(VALUE_MAX), refs = BUF_INIT(VALUE_MAX);
	struct header_field f;
	struct view all;

	if (!header_find(message, "Message-ID", &f))
		return;
	header_unfold(&id, f.value);
	if (id.n == 0 || id.n > REFERENCES_MAX || !view_is_ascii(buf_view(&id)))
		return;
	if (header_find(message, "References", &f))
		header_unfold(&refs, f.value);
	all = view_is_ascii(buf_view(&refs)) ? buf_view(&refs) : VIEW_EMPTY;
	while (all.n > REFERENCES_MAX - id.n) { /* the oldest go */
		size_t at = view_find_char(all, ' ');

		all = view_trim(view_sub(all, at + 1, all.n));
	}
	buf_printf(out, "In-Reply-To: %s\r\nReferences: %.*s%s%s\r\n", buf_cstr(&id), VIEW_FMT(all),
		   all.n ? "\r\n " : "", buf_cstr(&id));
}

static int compose_reply(const struct mail_client *mail, struct view original, struct view text,
			 const struct addressees *from, const struct addressees *to, const struct addressees *cc,
			 struct buf *out)
{
	_cleanup_(buf_fini) struct buf subject = BUF_INIT(VALUE_MAX), was = BUF_INIT(VALUE_MAX), unique = BUF_INIT(64),
				       clean = BUF_INIT(VALUE_MAX), message = BUF_INIT(REPLY_MAX);
	uint8_t random[16];
	struct compose m = {.from = &from->items[0],
			    .to = to,
			    .cc = cc,
			    .text = text,
			    .date = {.utc_s = clock_wall_s(), .zone_known = true}};

	(void)mail;
	random_bytes(random, sizeof random);
	encode_hex(&unique, view_from(random, sizeof random));
	decoded(original, "Subject", &was);
	if (!view_starts_with_nocase(buf_view(&was), VIEW_LIT("Re:")))
		buf_append_cstr(&subject, "Re: ");
	show_clean(buf_view(&was), &clean);
	buf_append_view(&subject, buf_view(&clean));
	m.subject = buf_view(&subject);
	m.unique = buf_view(&unique);
	if (compose_format(&message, &m) != COMPOSE_DONE)
		return cli_fail(CLI_BAD_DATA, "the reply cannot be sent", "its text is no UTF-8, or too big", NULL);
	thread_fields(original, out);
	buf_append_view(out, buf_view(&message));
	return 0;
}

/* A copy for the sender, as mail programs make it. */
static int keep_sent(struct reading *rd, struct view message)
{
	_cleanup_(free_ptr) char *sent = special_folder(rd, SENT);
	struct mail_append a = {.message = message, .flags = MAIL_SEEN, .date_s = clock_wall_s()};
	struct mailbox_msg answer;
	int r;

	if (!sent)
		return 0;
	a.folder = view_from_cstr(sent);
	r = mail_client_append(&rd->mail, &a, &answer);
	return r || answer.type == MAILBOX_APPENDED ? r : mail_client_failed(&answer, sent);
}

/* The reply is kept by the server: it is on its way whatever comes after. */
static int sent(struct reading *rd, uint32_t uid, struct view message, uint64_t message_id)
{
	struct mailbox_range one = {uid, uid};
	char id[ID_TEXT_BYTES + 1];
	int r = reading_flag(rd, &one, 1, MAIL_ANSWERED, true);

	if (r == 0)
		r = keep_sent(rd, message);
	id_format(message_id, id);
	if (rd->c->json)
		(void)show_json(json_pack("{s:s}", "sent", id));
	else
		(void)printf("sent: kept as %s\n", id);
	return r;
}

static int send_reply(struct reading *rd, uint32_t uid, bool all, struct view original, struct view text,
		      struct addressees lists[4])
{
	struct addressees *from = &lists[0], *to = &lists[1], *cc = &lists[2], *everybody = &lists[3];
	_cleanup_(buf_fini) struct buf message = BUF_INIT(REPLY_MAX);
	struct view bad;
	uint64_t id;
	int r;

	(void)!addressees_add(from, view_from_cstr(rd->mail.address), VIEW_EMPTY, &bad);
	add_field(original, "Reply-To", to);
	if (to->n == 0)
		add_field(original, "From", to);
	if (all) {
		add_field(original, "To", cc);
		add_field(original, "Cc", cc);
		drop(cc, rd->mail.address);
		for (size_t i = 0; i < to->n; i++) {
			_cleanup_(free_ptr) char *address = view_to_cstr(to->items[i].address);

			drop(cc, address);
		}
	}
	if (to->n == 0 || from->n == 0)
		return cli_fail(CLI_BAD_DATA, "this message cannot be answered", "it does not say who it is from",
				NULL);
	r = compose_reply(&rd->mail, original, text, from, to, cc, &message);
	for (size_t k = 0; k < 2 && r == 0; k++)
		for (size_t i = 0; i < lists[1 + k].n; i++)
			(void)!addressees_add(everybody, lists[1 + k].items[i].address, VIEW_EMPTY, &bad);
	if (r == 0)
		r = hand_in(rd->c, &(struct hand_in){from->items[0].address, everybody, buf_view(&message)}, &id);
	return r ? r : sent(rd, uid, buf_view(&message), id);
}

int reading_reply(struct reading *rd, uint32_t uid, bool all, struct view text)
{
	struct addressees lists[4];
	struct mail_text t;
	int r = reading_text(rd, uid, &t);

	if (r)
		return r;
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		addressees_init(&lists[i]);
	r = send_reply(rd, uid, all, buf_view(&t.whole), text, lists);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		addressees_fini(&lists[i]);
	mail_text_fini(&t);
	return r;
}
