/* SPDX-License-Identifier: ISC
 * Random commands of several sessions on one mailbox, against what a client may believe: every untagged response has to fit the
 * view that the responses before it built, and once all is told every view is the mailbox. The clients differ in what they enabled; those
 * with QRESYNC go and come back with what they know (RFC 7162 §6). A failure prints its seed; IMAPD_MODEL_SEED runs another one,
 * IMAPD_MODEL_TRACE prints every line. */
#include "imapd_rig.h"
#include "mail/imap_flags.h"
#include "mail/imap_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CLIENTS = 6, VIEW_MAX = 4096, STEPS = 1500, ROUNDS = 4, FLAGS_UNKNOWN = 1 << 30, EVERYTHING = 31 };

struct entry {
	uint32_t uid; /* 0: not known */
	uint32_t flags; /* FLAGS_UNKNOWN */
	uint64_t modseq; /* 0: not known */
};

/* What each of the clients enables. */
static const struct kind {
	const char *enable; /* NULL: nothing */
	bool condstore, qresync, uidonly, rev2;
} kinds[CLIENTS] = {
    {"CONDSTORE", true, false, false, false},       {NULL, false, false, false, false},
    {"QRESYNC", true, true, false, false},          {"UIDONLY", false, false, true, false},
    {"QRESYNC IMAP4rev2", true, true, false, true}, {"QRESYNC UIDONLY", true, true, true, false},
};

struct client {
	size_t rig;
	const struct kind *kind;
	struct entry view[VIEW_MAX];
	uint32_t count;
	bool idling;
	bool resyncing; /* SELECT (QRESYNC …) is under way: the view is a cache, not yet the mailbox */
	uint32_t exists; /* while resyncing */
	uint64_t highest; /* RFC 7162 §6: known to be complete up to here */
	uint64_t highest_said, highest_seen; /* since the last tagged response */
	bool quiet; /* the command under way may not be told of expunges */
	bool by_uid;
	bool may_refuse; /* the command under way: its message may be gone */
	unsigned tagged; /* answers seen */
};

static uint64_t rng;
static bool tracing;

static void trace(const struct client *c, const char *way, struct view text)
{
	if (tracing)
		fprintf(stderr, "%zu %s (%s) %.*s\n", c->rig, way, c->kind->enable ? c->kind->enable : "-",
			VIEW_FMT(text));
}

static uint32_t roll(uint32_t below)
{
	rng = rng * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(rng >> 33) % below;
}

static const char message[] = "From: a@example.net\r\nSubject: x\r\n\r\ntext\r\n";
static const char *const words[] = {"\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft"};

/* ---- what a client makes of responses ---- */

static uint32_t read_flags(struct view text)
{
	uint32_t flags = 0;

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (view_find(text, view_from_cstr(words[i])) < text.n)
			flags |= 1u << i;
	return flags;
}

static uint32_t number_behind(struct view text, const char *word)
{
	size_t at = view_find(text, view_from_cstr(word));

	return at < text.n ? (uint32_t)strtoul(text.p + at + strlen(word), NULL, 10) : 0;
}

static struct entry *find_uid(struct client *c, uint32_t uid)
{
	for (uint32_t i = 0; i < c->count; i++)
		if (c->view[i].uid == uid)
			return &c->view[i];
	return NULL;
}

/* One of the messages the client only knows to be there, where that UID belongs; all of one place are alike. */
static struct entry *find_between(struct client *c, uint32_t uid)
{
	uint32_t i = 0;

	if (c->kind->uidonly)
		return find_uid(c, 0);
	while (i < c->count && c->view[i].uid < uid)
		i++; /* those without UID too */
	return i && c->view[i - 1].uid == 0 ? &c->view[i - 1] : NULL;
}

/* What a client without numbers knows: this message, or one of those it only knows to be there. */
static struct entry *find_or_place(struct client *c, uint32_t uid)
{
	struct entry *e = find_uid(c, uid);

	if (e)
		return e;
	e = find_uid(c, 0);
	assert_non_null(e);
	e->uid = uid;
	return e;
}

/* A message that is told of while the client comes back: one of its cache, or a new one. */
static struct entry *find_or_cache(struct client *c, uint32_t uid)
{
	struct entry *e = find_uid(c, uid);

	if (!e) {
		assert_true(c->count < VIEW_MAX);
		e = &c->view[c->count++];
		*e = (struct entry){uid, FLAGS_UNKNOWN, 0};
	}
	return e;
}

static void on_modseq(struct client *c, struct entry *e, struct view text)
{
	size_t at = view_find(text, VIEW_LIT("MODSEQ ("));

	if (at == text.n)
		return;
	e->modseq = strtoull(text.p + at + 8, NULL, 10);
	if (e->modseq > c->highest_seen)
		c->highest_seen = e->modseq;
}

static void on_fetch(struct client *c, uint32_t number, struct view text)
{
	uint32_t uid = c->kind->uidonly ? number : number_behind(text, "(UID ");
	size_t flags = view_find(text, VIEW_LIT("FLAGS ("));
	struct entry *e;

	if (c->resyncing) {
		assert_true(uid && number_behind(text, "MODSEQ ("));
		e = find_or_cache(c, uid);
	} else if (c->kind->uidonly) {
		e = find_or_place(c, uid);
	} else {
		assert_in_range(number, 1, c->count);
		e = &c->view[number - 1];
	}
	assert_true(uid == 0 || e->uid == 0 || e->uid == uid);
	assert_true(uid || !(c->by_uid || c->kind->qresync));
	if (uid)
		e->uid = uid;
	on_modseq(c, e, text);
	if (flags == text.n)
		return;
	text = view_sub(text, flags, text.n);
	e->flags = read_flags(view_sub(text, 0, view_find_char(text, ')')));
	assert_true(!c->kind->condstore || c->quiet || number_behind(text, "MODSEQ (") || c->by_uid);
}

static void forget_entry(struct client *c, struct entry *e)
{
	memmove(e, e + 1, (size_t)(c->view + c->count - e - 1) * sizeof *e);
	c->count--;
}

/* "1:3,5": each of them was there. (EARLIER): those that the client knew. */
static void on_vanished(struct client *c, struct view text)
{
	bool earlier = view_starts_with(text, VIEW_LIT("(EARLIER) "));
	struct view one, rest = view_sub(text, earlier ? 10 : 0, text.n), first, last;
	struct entry *e;

	assert_true(c->kind->qresync || c->kind->uidonly);
	assert_true(earlier || !c->quiet);
	assert_true(!earlier || c->kind->qresync);
	while (rest.n) {
		uint32_t from = 0, to = 0;

		if (!view_cut(rest, ',', &one, &rest)) {
			one = rest;
			rest = VIEW_EMPTY;
		}
		first = last = one;
		(void)view_cut(one, ':', &first, &last);
		assert_true(view_to_u32(first, UINT32_MAX, &from) && view_to_u32(last, UINT32_MAX, &to) && from <= to);
		for (uint32_t uid = from; uid <= to; uid++) {
			e = find_uid(c, uid);
			if (earlier) {
				if (e && c->resyncing)
					forget_entry(c, e);
				assert_true(!e || c->resyncing); /* it is still in the mailbox */
				continue;
			}
			e = e ? e : find_between(c, uid);
			assert_non_null(e);
			forget_entry(c, e);
		}
	}
}

static void on_expunge(struct client *c, uint32_t seq)
{
	assert_false(c->quiet || c->kind->qresync || c->kind->uidonly);
	assert_in_range(seq, 1, c->count);
	forget_entry(c, &c->view[seq - 1]);
}

static void on_exists(struct client *c, uint32_t n)
{
	if (c->resyncing) {
		c->exists = n;
		return;
	}
	assert_in_range(n, c->count, VIEW_MAX);
	while (c->count < n)
		c->view[c->count++] = (struct entry){0, FLAGS_UNKNOWN, 0};
}

/* "(TAG "t") UID ALL 2,4:7": no number is above the count. */
static void on_esearch(const struct client *c, struct view text)
{
	size_t all = view_find(text, VIEW_LIT(" ALL "));
	uint32_t n = 0;

	if (all == text.n || c->by_uid)
		return;
	for (const char *p = text.p + all + 5; p < text.p + text.n; p++) {
		if (!ascii_is_digit(*p)) {
			n = 0;
			continue;
		}
		n = n * 10 + (uint32_t)(*p - '0');
		assert_in_range(n, 1, c->count);
	}
}

static void on_search(const struct client *c, struct view text)
{
	struct view one, rest = text;
	uint32_t n, last = 0;

	while (rest.n) {
		if (!view_cut(rest, ' ', &one, &rest)) {
			one = rest;
			rest = VIEW_EMPTY;
		}
		if (one.n == 0)
			continue;
		assert_true(view_to_u32(one, UINT32_MAX, &n) && n > last);
		assert_true(c->by_uid || n <= c->count);
		last = n;
	}
}

/* In whatever order: numbers that the client has, each once; of THREAD in parentheses that are closed. */
static void on_sorted(const struct client *c, struct view text)
{
	bool seen[VIEW_MAX] = {false};
	int depth = 0;

	for (size_t i = 0; i < text.n;) {
		size_t end = i;
		uint32_t n;

		while (end < text.n && ascii_is_digit(text.p[end]))
			end++;
		if (end > i) {
			assert_true(view_to_u32(view_sub(text, i, end - i), UINT32_MAX, &n) && n > 0);
			assert_true(c->by_uid || (n <= c->count && !seen[n - 1]));
			if (!c->by_uid)
				seen[n - 1] = true;
			i = end;
			continue;
		}
		depth += text.p[i] == '(' ? 1 : text.p[i] == ')' ? -1 : 0;
		assert_true(depth >= 0 && (text.p[i] == ' ' || text.p[i] == '(' || text.p[i] == ')'));
		i++;
	}
	assert_int_equal(depth, 0);
}

/* Of a mailbox that is selected, too: what it has once everything is told. */
static void on_status(struct view text)
{
	assert_true(number_behind(text, "MESSAGES ") <= VIEW_MAX && number_behind(text, "UIDNEXT ") > 0);
}

static void on_highest(struct client *c, struct view line)
{
	size_t at = view_find(line, VIEW_LIT("[HIGHESTMODSEQ "));

	if (at < line.n)
		c->highest_said = strtoull(line.p + at + 15, NULL, 10);
}

/* RFC 7162 §6: what was said counts, else the highest that was seen. */
static void on_tagged(struct client *c)
{
	c->tagged++;
	if (c->highest_said)
		c->highest = c->highest_said;
	else if (c->highest_seen > c->highest)
		c->highest = c->highest_seen;
	c->highest_said = c->highest_seen = 0;
}

static void on_response(struct client *c, struct view line)
{
	struct view number, rest;
	uint32_t n;

	if (!view_starts_with(line, VIEW_LIT("* "))) {
		if (!view_starts_with(line, VIEW_LIT("+ "))) {
			assert_true(view_find(line, VIEW_LIT(" OK ")) < line.n ||
				    (c->may_refuse && view_find(line, VIEW_LIT(" NO [")) < line.n));
			on_highest(c, line);
			on_tagged(c);
		}
		return;
	}
	on_highest(c, line);
	line = view_sub(line, 2, line.n);
	assert_false(view_starts_with(line, VIEW_LIT("BYE")));
	if (view_starts_with(line, VIEW_LIT("SEARCH"))) {
		assert_false(c->kind->rev2);
		on_search(c, view_sub(line, 6, line.n));
	} else if (view_starts_with(line, VIEW_LIT("SORT"))) {
		on_sorted(c, view_sub(line, 4, line.n));
	} else if (view_starts_with(line, VIEW_LIT("THREAD"))) {
		on_sorted(c, view_sub(line, 6, line.n));
	} else if (view_starts_with(line, VIEW_LIT("STATUS INBOX ("))) {
		on_status(line);
	} else if (view_starts_with(line, VIEW_LIT("ESEARCH"))) {
		on_esearch(c, line);
	} else if (view_starts_with(line, VIEW_LIT("VANISHED "))) {
		on_vanished(c, view_sub(line, 9, line.n));
	} else if (view_cut(line, ' ', &number, &rest) && view_to_u32(number, UINT32_MAX, &n)) {
		if (view_eq_lit(rest, "EXISTS"))
			on_exists(c, n);
		else if (view_eq_lit(rest, "EXPUNGE"))
			on_expunge(c, n);
		else if (view_starts_with(rest, c->kind->uidonly ? VIEW_LIT("UIDFETCH (") : VIEW_LIT("FETCH (")))
			on_fetch(c, n, rest);
		else
			assert_true(view_eq_lit(rest, "RECENT") && !c->kind->rev2);
	} else {
		static const char *const others[] = {"OK ", "NO [", "FLAGS (", "LIST (", "ENABLED ", "CAPABILITY "};
		bool known = false;

		for (size_t i = 0; i < ARRAY_LEN(others); i++)
			known |= view_starts_with(line, view_from_cstr(others[i]));
		assert_true(known);
	}
}

/* One response: a line, and while it ends in a literal's length, those bytes and the next. */
static struct view next_response(struct view text)
{
	size_t n = 0;

	for (;;) {
		size_t line = view_find(view_sub(text, n, text.n), VIEW_LIT("\r\n"));
		struct view end = view_sub(text, n, line);
		size_t brace = end.n;

		assert_true(n + line + 2 <= text.n);
		n += line + 2;
		while (brace && end.p[brace - 1] != '{')
			brace--;
		if (end.n == 0 || end.p[end.n - 1] != '}' || brace == 0)
			return view_sub(text, 0, n - 2);
		n += strtoul(end.p + brace, NULL, 10);
	}
}

static void hear(struct rig *r, struct client *c)
{
	struct view text;

	(void)wire_hear(&r->wire, c->rig);
	for (text = buf_view(&r->wire.heard); text.n;) {
		struct view response = next_response(text);

		trace(c, "S:", response);
		on_response(c, response);
		text = view_sub(text, response.n + 2, text.n);
	}
}

/* ---- what clients do ---- */

__attribute__((format(printf, 3, 4))) static void send_line(struct rig *r, struct client *c, const char *fmt, ...)
{
	struct buf line = BUF_INIT(4096);
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&line, fmt, ap);
	va_end(ap);
	trace(c, "C:", buf_view(&line));
	buf_append_cstr(&line, "\r\n");
	wire_send(&r->wire, c->rig, buf_view(&line));
	buf_fini(&line);
}

/* A number, or, with `by_uid`, a UID that may be anything. */
static uint32_t pick(const struct client *c)
{
	const struct entry *e;

	if (!c->by_uid)
		return 1 + roll(c->count);
	e = &c->view[c->count ? roll(c->count) : 0];
	return c->count && e->uid ? e->uid : 1 + roll(200);
}

static void send_store(struct rig *r, struct client *c)
{
	static const char *const modes[] = {"", "+", "-"};
	uint32_t first = pick(c), mode = roll(3), flag = roll(5);
	bool silent = roll(2);

	send_line(r, c, "t %sSTORE %u %sFLAGS%s (%s)", c->by_uid ? "UID " : "", first, modes[mode],
		  silent ? ".SILENT" : "", words[flag]);
	if (c->kind->condstore)
		return; /* hears of it, with the modseq */
	for (uint32_t i = 0; silent && i < c->count; i++) {
		struct entry *e = &c->view[i];

		if (c->by_uid && e->uid == 0)
			e->flags = FLAGS_UNKNOWN; /* may have been the one */
		if (e->flags == FLAGS_UNKNOWN || (c->by_uid ? e->uid != first : i + 1 != first))
			continue;
		e->flags = mode == 0 ? 1u << flag : mode == 1 ? e->flags | 1u << flag : e->flags & ~(1u << flag);
	}
}

static void send_fetch(struct rig *r, struct client *c)
{
	static const char *const items[] = {"FLAGS", "(FLAGS RFC822.SIZE)", "BODY[]", "BODY.PEEK[TEXT]",
					    "UID",   "(UID FLAGS)"};
	static const char *const with_uid[] = {"(UID FLAGS MODSEQ)", "(UID BODY[])", "(UID FLAGS)", "(UID MODSEQ)"};
	uint32_t a = pick(c), b = pick(c);
	const char *what = c->kind->qresync ? with_uid[roll(ARRAY_LEN(with_uid))] : items[roll(ARRAY_LEN(items))];

	if (c->kind->qresync && c->by_uid && roll(3) == 0)
		send_line(r, c, "t UID FETCH 1:%u (FLAGS) (CHANGEDSINCE %llu VANISHED)", 1 + roll(500),
			  (unsigned long long)c->highest);
	else if (c->by_uid && roll(5) == 0)
		send_line(r, c, "t UID FETCH 1:* %s (PARTIAL -1:-%u)", what, 1 + roll(6));
	else
		send_line(r, c, "t %sFETCH %u:%u %s", c->by_uid ? "UID " : "", a, b, what);
}

/* "$" (RFC 5182): a search that saves, then something with what it saved, at once. */
static void send_saved(struct rig *r, struct client *c)
{
	const char *uid = c->by_uid ? "UID " : "";

	switch (roll(3)) {
	case 0:
		send_line(r, c, "t %sSEARCH RETURN (SAVE) FLAGGED\r\nt %sFETCH $ (UID FLAGS)", uid, uid);
		break;
	case 1:
		send_line(r, c, "t %sSEARCH RETURN (SAVE MIN) UNSEEN\r\nt %sSTORE $ +FLAGS (\\Seen)", uid, uid);
		break;
	default:
		send_line(r, c, "t UID SEARCH RETURN (SAVE PARTIAL -1:-2) DELETED\r\nt UID EXPUNGE $");
		c->by_uid = true;
		c->quiet = false;
	}
}

/* Numbers come in them, so expunges may not (RFC 5256 §5). */
static void send_sort(struct rig *r, struct client *c)
{
	const char *uid = c->by_uid ? "UID " : "";

	if (roll(2))
		send_line(r, c, "t %sSORT (REVERSE DATE) UTF-8 NOT DELETED", uid);
	else
		send_line(r, c, "t %sTHREAD REFERENCES UTF-8 ALL", uid);
}

static void send_numbered(struct rig *r, struct client *c)
{
	const char *uid = c->by_uid ? "UID " : "";

	if (c->count == 0 && !c->by_uid) {
		send_line(r, c, "t NOOP");
		return;
	}
	c->quiet = !c->by_uid;
	switch (roll(9)) {
	case 8:
		send_sort(r, c);
		break;
	case 7:
		c->quiet = false;
		c->may_refuse = true;
		send_line(r, c, "t %sREPLACE %u INBOX (%s) {%zu+}\r\n%s", uid, pick(c), words[roll(5)],
			  sizeof message - 1, message);
		break;
	case 6:
		send_saved(r, c);
		break;
	case 0:
	case 1:
		send_fetch(r, c);
		break;
	case 2:
	case 3:
		send_store(r, c);
		break;
	case 4:
		if (roll(2) || c->kind->uidonly) {
			send_line(r, c, "t %sSEARCH NOT DELETED", uid);
		} else {
			c->quiet = true;
			send_line(r, c, "t %sSEARCH OR SEEN 1:*", uid);
		}
		break;
	default:
		c->quiet = false;
		if (roll(2))
			send_line(r, c, "t %sCOPY %u INBOX", uid, pick(c));
		else
			send_line(r, c, "t %sMOVE %u %s", uid, pick(c), roll(2) ? "Trash" : "INBOX");
	}
}

static void send_command(struct rig *r, struct client *c)
{
	c->quiet = c->may_refuse = false;
	c->by_uid = roll(2) || c->kind->uidonly;
	if (c->idling) {
		send_line(r, c, "DONE");
		c->idling = false;
		c->by_uid = false;
		return;
	}
	switch (roll(12)) {
	case 0:
		c->by_uid = false;
		send_line(r, c, "t EXPUNGE");
		break;
	case 1:
		send_line(r, c, c->by_uid ? "t UID EXPUNGE 1:%u" : "t NOOP", 1 + roll(100));
		break;
	case 2:
		c->by_uid = false;
		if (roll(3))
			send_line(r, c, "t APPEND INBOX (%s) {%zu+}\r\n%s", words[roll(5)], sizeof message - 1,
				  message);
		else
			send_line(r, c, "t APPEND INBOX {%zu+}\r\n%s (%s) {%zu+}\r\n%s", sizeof message - 1, message,
				  words[roll(5)], sizeof message - 1, message);
		break;
	case 3:
		c->by_uid = false;
		c->idling = true;
		c->tagged++; /* nothing tagged comes yet */
		send_line(r, c, "t IDLE");
		break;
	case 4:
		c->by_uid = false;
		send_line(r, c, roll(3) ? "t NOOP" : roll(2) ? "t CHECK" : "t STATUS INBOX (MESSAGES UIDNEXT UNSEEN)");
		break;
	default:
		send_numbered(r, c);
	}
}

/* Writes of somebody else, and deliveries. */
static void disturb(struct rig *r)
{
	struct box *inbox = box_store_find(&r->store, "INBOX");
	struct box_message *m;

	if (roll(2) || inbox->n == 0) {
		(void)box_store_deliver(&r->store, "INBOX", VIEW_LIT(message), 0);
		return;
	}
	m = &inbox->messages[roll(inbox->n)];
	if (m->expunged)
		return;
	if (roll(3) == 0)
		box_store_expunge(&r->store, "INBOX", m->uid);
	else
		box_store_flag(&r->store, "INBOX", m->uid, roll(EVERYTHING + 1));
}

/* ---- the comparison ---- */

static int by_uid(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	uint32_t left = x->uid ? x->uid : UINT32_MAX, right = y->uid ? y->uid : UINT32_MAX;

	return left < right ? -1 : left > right;
}

static void compare(struct client *c, const struct box *inbox, bool all_known)
{
	uint32_t at = 0;

	assert_int_equal(c->count, box_count(inbox));
	if (c->kind->uidonly)
		qsort(c->view, c->count, sizeof c->view[0], by_uid);
	if (c->kind->uidonly && !all_known)
		return; /* which of those it does not know would come where? */
	for (uint32_t i = 0; i < inbox->n; i++) {
		const struct box_message *m = &inbox->messages[i];
		const struct entry *e = &c->view[at];

		if (m->expunged)
			continue;
		assert_true(e->uid == m->uid || (e->uid == 0 && !all_known));
		assert_true(e->flags == m->flags || (e->flags == FLAGS_UNKNOWN && !all_known));
		assert_true(e->modseq == 0 || !c->kind->condstore || e->modseq == m->modseq);
		at++;
	}
}

static void check_all(struct rig *r, struct client *clients)
{
	struct box *inbox = box_store_find(&r->store, "INBOX");

	for (struct client *c = clients; c < clients + CLIENTS; c++) {
		c->quiet = c->by_uid = false;
		if (c->idling)
			send_line(r, c, "DONE");
		c->idling = false;
		hear(r, c);
		send_line(r, c, "t NOOP");
		hear(r, c);
		compare(c, inbox, false);
		if (c->count == 0)
			continue;
		c->quiet = !c->kind->uidonly;
		send_line(r, c, "t %sFETCH 1:* (UID FLAGS%s)", c->kind->uidonly ? "UID " : "",
			  c->kind->condstore ? " MODSEQ" : "");
		hear(r, c);
		compare(c, inbox, true);
	}
}

static void log_in(struct rig *r, struct client *c)
{
	c->rig = rig_login(r);
	c->idling = c->quiet = c->by_uid = false;
	if (c->kind->enable)
		send_line(r, c, "e ENABLE %s", c->kind->enable);
	hear(r, c);
}

static void join_in(struct rig *r, struct client *c, const struct kind *kind)
{
	memset(c, 0, sizeof *c);
	c->kind = kind;
	log_in(r, c);
	send_line(r, c, "s SELECT INBOX");
	hear(r, c);
}

/* The known UIDs and, sometimes, where the client believes them to be (RFC 7162 §3.2.5). */
static void send_resync(struct rig *r, struct client *c, uint32_t uidvalidity, bool in_place)
{
	struct buf known = BUF_INIT(65536), match = BUF_INIT(65536), uids = BUF_INIT(65536);
	struct imap_set_writer set;

	imap_set_writer_init(&set, &known);
	for (uint32_t i = 0; i < c->count; i++)
		imap_set_writer_add(&set, c->view[i].uid);
	imap_set_writer_end(&set);
	for (uint32_t i = 0; in_place && i < c->count; i += 1 + roll(4)) {
		buf_printf(&match, "%s%u", match.n ? "," : "", i + 1);
		buf_printf(&uids, "%s%u", uids.n ? "," : "", c->view[i].uid);
	}
	if (match.n)
		send_line(r, c, "s SELECT INBOX (QRESYNC (%u %llu %s (%s %s)))", uidvalidity,
			  (unsigned long long)c->highest, buf_cstr(&known), buf_cstr(&match), buf_cstr(&uids));
	else if (known.n && roll(2))
		send_line(r, c, "s SELECT INBOX (QRESYNC (%u %llu %s))", uidvalidity, (unsigned long long)c->highest,
			  buf_cstr(&known));
	else
		send_line(r, c, "s SELECT INBOX (QRESYNC (%u %llu))", uidvalidity, (unsigned long long)c->highest);
	buf_fini(&known);
	buf_fini(&match);
	buf_fini(&uids);
}

/* The cache and the mailbox become one: every cached message has to be there, for the client heard of those that went. */
static void lay_out(struct rig *r, struct client *c)
{
	static struct entry cache[VIEW_MAX];
	uint32_t cached = c->count, found = 0;

	memcpy(cache, c->view, cached * sizeof cache[0]);
	c->resyncing = false;
	c->count = 0;
	on_exists(c, c->exists);
	c->by_uid = true;
	c->quiet = false;
	if (c->count)
		send_line(r, c, "t UID FETCH 1:* (UID)");
	hear(r, c);
	for (uint32_t i = 0; i < cached; i++) {
		struct entry *e = find_uid(c, cache[i].uid);

		if (!e)
			continue; /* went between the two commands */
		found++;
		if (e->flags == FLAGS_UNKNOWN) { /* else it was told anew meanwhile */
			e->flags = cache[i].flags;
			e->modseq = cache[i].modseq;
		}
	}
	assert_int_equal(found, cached);
}

/* The connection breaks; things happen; the client comes back. */
static void reconnect(struct rig *r, struct client *c)
{
	struct box *inbox = box_store_find(&r->store, "INBOX");
	uint32_t kept = 0;
	bool in_place;

	wire_hang_up(&r->wire, c->rig);
	for (uint32_t n = roll(6); n; n--)
		disturb(r);
	/* The newest: the client may know of it, though it came after all that the client can be sure of. */
	for (uint32_t i = inbox->n, n = roll(3); i-- > 0 && n; n--)
		if (!inbox->messages[i].expunged)
			box_store_expunge(&r->store, "INBOX", inbox->messages[i].uid);
	for (uint32_t i = 0; i < c->count; i++)
		if (c->view[i].uid)
			c->view[kept++] = c->view[i];
	in_place = kept == c->count && !c->kind->uidonly && roll(2);
	c->count = kept;
	qsort(c->view, c->count, sizeof c->view[0], by_uid);
	c->highest_said = c->highest_seen = 0;
	log_in(r, c);
	c->resyncing = true;
	send_resync(r, c, inbox->uidvalidity, in_place);
	hear(r, c);
	lay_out(r, c);
}

static void round_of(uint64_t seed)
{
	static struct client clients[CLIENTS];
	struct rig r;

	rng = seed;
	rig_open(&r, "");
	r.store.page_rows = 1 + roll(5);
	r.store.page_ranges = 1 + roll(4);
	for (size_t i = 0; i < CLIENTS; i++)
		join_in(&r, &clients[i], &kinds[i]);
	for (unsigned step = 0; step < STEPS; step++) {
		uint32_t together = roll(3) ? 1 : CLIENTS; /* at once, or one after the other */

		for (uint32_t i = 0; i < together; i++) {
			struct client *c = &clients[together == 1 ? roll(CLIENTS) : i];

			c->tagged = 0;
			send_command(&r, c);
		}
		if (roll(4) == 0)
			disturb(&r);
		for (size_t i = 0; i < CLIENTS; i++)
			hear(&r, &clients[i]);
		if (roll(30) == 0 && r.store.session_count < BOX_SESSIONS) {
			struct client *c = &clients[roll(CLIENTS)];

			if (c->kind->qresync && !c->idling)
				reconnect(&r, c);
		}
		if (roll(40) == 0)
			check_all(&r, clients);
	}
	check_all(&r, clients);
	rig_close(&r);
}

static void test_views(void **state)
{
	const char *chosen = getenv("IMAPD_MODEL_SEED");
	uint64_t seed = chosen ? strtoull(chosen, NULL, 10) : 20260731;

	(void)state;
	tracing = getenv("IMAPD_MODEL_TRACE") != NULL;
	for (uint64_t i = 0; i < ROUNDS; i++) {
		fprintf(stderr, "seed %llu\n", (unsigned long long)(seed + i));
		round_of(seed + i);
	}
}

/* ---- mailboxes that come, go and change their names under those who have them open ---- */

enum { VISITORS = 3, VISITS = 400 };
static const char *const names[] = {"A", "B", "A/C", "Trash"};

struct visitor {
	size_t rig;
	struct box *box; /* selected, whatever its name is by now; NULL: none */
	uint32_t count;
};

/* A command with its words ("": none). */
static void say(struct rig *r, const struct visitor *v, const char *command, const char *a, const char *b)
{
	struct buf line = BUF_INIT(1024);
	const char *heard;

	buf_printf(&line, "t %s%s%s%s%s\r\n", command, *a ? " " : "", a, *b ? " " : "", b);
	heard = wire_say(&r->wire, v->rig, buf_cstr(&line));
	if (tracing)
		fprintf(stderr, "%zu %s%s", v->rig, buf_cstr(&line), heard);
	buf_fini(&line);
}

/* Keeps the count of the mailbox as a client does. */
static void count_news(struct visitor *v, struct view text)
{
	struct view line, rest;
	uint32_t n;

	while (view_cut(text, '\n', &line, &text)) {
		if (!view_starts_with(line, VIEW_LIT("* ")) ||
		    !view_cut(view_sub(line, 2, line.n), ' ', &line, &rest) || !view_to_u32(line, UINT32_MAX, &n))
			continue;
		if (view_starts_with(rest, VIEW_LIT("EXISTS")))
			v->count = n;
		else if (view_starts_with(rest, VIEW_LIT("EXPUNGE")))
			v->count--;
	}
}

static bool said(const struct rig *r, const char *what)
{
	return view_find(buf_view(&r->wire.heard), view_from_cstr(what)) < r->wire.heard.n;
}

static void select_one(struct rig *r, struct visitor *v, const char *name)
{
	struct box *box = box_store_find(&r->store, name);

	say(r, v, "SELECT", name, "");
	assert_true(said(r, box ? "t OK [READ-WRITE]" : "t NO [NONEXISTENT]"));
	v->box = box;
	v->count = 0;
	count_news(v, buf_view(&r->wire.heard));
	assert_true(!box || v->count == box_count(box));
}

static void change_names(struct rig *r, struct visitor *v, const char *name, const char *other)
{
	struct box *box = box_store_find(&r->store, name), *target = box_store_find(&r->store, other);

	switch (roll(3)) {
	case 0:
		if (r->store.n + 4 > BOX_MAX)
			return;
		say(r, v, "CREATE", name, "");
		assert_true(said(r, box ? "t NO [ALREADYEXISTS]" : "t OK ") || said(r, "* BYE"));
		break;
	case 1:
		say(r, v, "DELETE", name, "");
		assert_true(said(r, box ? "t OK " : "t NO [NONEXISTENT]") || said(r, "* BYE"));
		break;
	default:
		say(r, v, "RENAME", name, other);
		assert_true(said(r, !box     ? "t NO [NONEXISTENT]"
				    : target ? "t NO [ALREADYEXISTS]"
					     : "t OK ") ||
			    said(r, "* BYE"));
	}
}

static void use_mailbox(struct rig *r, struct visitor *v)
{
	static const char *const commands[] = {"NOOP", "UID STORE 1:* +FLAGS (\\Deleted)", "EXPUNGE",
					       "UID FETCH 1:* FLAGS", "UID COPY 1:* INBOX"};

	say(r, v, commands[roll(v->box ? ARRAY_LEN(commands) : 1)], "", "");
	assert_true(said(r, "t OK") || said(r, "* BYE [CLOSED]"));
}

static void visit(struct rig *r, struct visitor *v)
{
	const char *name = names[roll(ARRAY_LEN(names))];
	bool lost = v->box && v->box->gone, was_mine;
	uint32_t choice = roll(8);

	if (choice < 2) {
		select_one(r, v, name);
		return;
	}
	if (choice < 5)
		change_names(r, v, name, names[roll(ARRAY_LEN(names))]);
	else
		use_mailbox(r, v);
	was_mine = v->box && v->box->gone && !lost;
	count_news(v, buf_view(&r->wire.heard));
	/* Who deletes its own goes on; whose is taken away is sent away. */
	assert_int_equal(said(r, "[CLOSED]"), lost || was_mine);
	assert_true(!was_mine || !said(r, "* BYE"));
	if (lost || was_mine)
		v->box = NULL;
	if (said(r, "* BYE"))
		*v = (struct visitor){.rig = rig_login(r)};
	if (v->box) {
		say(r, v, "NOOP", "", "");
		count_news(v, buf_view(&r->wire.heard));
		assert_int_equal(v->count, box_count(v->box));
	}
}

static void test_names(void **state)
{
	struct visitor visitors[VISITORS];
	struct rig r;

	(void)state;
	for (uint64_t round = 0; round < ROUNDS; round++) {
		rng = 99 + round;
		rig_open(&r, "");
		for (size_t i = 0; i < VISITORS; i++)
			visitors[i] = (struct visitor){.rig = rig_login(&r)};
		for (unsigned i = 0; i < VISITS && r.store.session_count < BOX_SESSIONS; i++) {
			struct box *box = box_store_find(&r.store, names[roll(ARRAY_LEN(names))]);

			if (box && roll(3) == 0)
				(void)box_store_deliver(&r.store, buf_cstr(&box->name), VIEW_LIT(message), 0);
			visit(&r, &visitors[roll(VISITORS)]);
		}
		rig_close(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_views), cmocka_unit_test(test_names)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
