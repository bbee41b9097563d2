/* SPDX-License-Identifier: ISC
 * Random commands of several sessions on one mailbox, against what a client may believe: every untagged response has to fit the
 * view that the responses before it built, and once all is told every view is the mailbox. A failure prints its seed;
 * IMAPD_MODEL_SEED runs another one. */
#include "imapd_rig.h"
#include "mail/imap_flags.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CLIENTS = 4, VIEW_MAX = 4096, STEPS = 1500, ROUNDS = 4, FLAGS_UNKNOWN = 1 << 30, EVERYTHING = 31 };

struct entry {
	uint32_t uid; /* 0: not known */
	uint32_t flags; /* FLAGS_UNKNOWN */
};

struct client {
	size_t rig;
	struct entry view[VIEW_MAX];
	uint32_t count;
	bool idling, condstore;
	bool quiet; /* the command under way may not be told of expunges */
	bool by_uid;
	unsigned tagged; /* answers seen */
};

static uint64_t rng;

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

static void on_fetch(struct client *c, uint32_t seq, struct view text)
{
	struct entry *e = &c->view[seq - 1];
	uint32_t uid = number_behind(text, "(UID ");
	size_t flags = view_find(text, VIEW_LIT("FLAGS ("));

	assert_in_range(seq, 1, c->count);
	assert_true(uid == 0 || e->uid == 0 || e->uid == uid);
	assert_true(uid || !c->by_uid);
	if (uid)
		e->uid = uid;
	if (flags == text.n)
		return;
	text = view_sub(text, flags, text.n);
	e->flags = read_flags(view_sub(text, 0, view_find_char(text, ')')));
	assert_true(!c->condstore || c->quiet || number_behind(text, "MODSEQ (") || c->by_uid);
}

static void on_expunge(struct client *c, uint32_t seq)
{
	assert_false(c->quiet);
	assert_in_range(seq, 1, c->count);
	memmove(&c->view[seq - 1], &c->view[seq], (c->count - seq) * sizeof c->view[0]);
	c->count--;
}

static void on_exists(struct client *c, uint32_t n)
{
	assert_in_range(n, c->count, VIEW_MAX);
	while (c->count < n)
		c->view[c->count++] = (struct entry){0, FLAGS_UNKNOWN};
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

static void on_response(struct client *c, struct view line)
{
	struct view number, rest;
	uint32_t n;

	if (!view_starts_with(line, VIEW_LIT("* "))) {
		if (!view_starts_with(line, VIEW_LIT("+ "))) {
			assert_true(view_find(line, VIEW_LIT(" OK ")) < line.n);
			c->tagged++;
		}
		return;
	}
	line = view_sub(line, 2, line.n);
	assert_false(view_starts_with(line, VIEW_LIT("BYE")));
	if (view_starts_with(line, VIEW_LIT("SEARCH"))) {
		on_search(c, view_sub(line, 6, line.n));
	} else if (view_cut(line, ' ', &number, &rest) && view_to_u32(number, UINT32_MAX, &n)) {
		if (view_eq_lit(rest, "EXISTS"))
			on_exists(c, n);
		else if (view_eq_lit(rest, "EXPUNGE"))
			on_expunge(c, n);
		else if (view_starts_with(rest, VIEW_LIT("FETCH (")))
			on_fetch(c, n, rest);
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
	uint32_t a = pick(c), b = pick(c);

	send_line(r, c, "t %sFETCH %u:%u %s", c->by_uid ? "UID " : "", a, b, items[roll(ARRAY_LEN(items))]);
}

static void send_numbered(struct rig *r, struct client *c)
{
	const char *uid = c->by_uid ? "UID " : "";

	if (c->count == 0 && !c->by_uid) {
		send_line(r, c, "t NOOP");
		return;
	}
	c->quiet = !c->by_uid;
	switch (roll(6)) {
	case 0:
	case 1:
		send_fetch(r, c);
		break;
	case 2:
	case 3:
		send_store(r, c);
		break;
	case 4:
		send_line(r, c, "t %sSEARCH %s", uid, roll(2) ? "NOT DELETED" : "OR SEEN 1:*");
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
	c->quiet = false;
	c->by_uid = roll(2);
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
		send_line(r, c, "t APPEND INBOX (%s) {%zu+}\r\n%s", words[roll(5)], sizeof message - 1, message);
		break;
	case 3:
		c->by_uid = false;
		c->idling = true;
		c->tagged++; /* nothing tagged comes yet */
		send_line(r, c, "t IDLE");
		break;
	case 4:
		c->by_uid = false;
		send_line(r, c, roll(2) ? "t NOOP" : "t CHECK");
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

static void compare(const struct rig *r, const struct client *c, const struct box *inbox, bool all_known)
{
	uint32_t at = 0;

	(void)r;
	assert_int_equal(c->count, box_count(inbox));
	for (uint32_t i = 0; i < inbox->n; i++) {
		const struct box_message *m = &inbox->messages[i];
		const struct entry *e = &c->view[at];

		if (m->expunged)
			continue;
		assert_true(e->uid == m->uid || (e->uid == 0 && !all_known));
		assert_true(e->flags == m->flags || (e->flags == FLAGS_UNKNOWN && !all_known));
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
		compare(r, c, inbox, false);
		if (c->count == 0)
			continue;
		c->quiet = true;
		send_line(r, c, "t FETCH 1:* (UID FLAGS)");
		hear(r, c);
		compare(r, c, inbox, true);
	}
}

static void join_in(struct rig *r, struct client *c, bool condstore)
{
	memset(c, 0, sizeof *c);
	c->rig = rig_login(r);
	c->condstore = condstore;
	send_line(r, c, "s SELECT INBOX%s", condstore ? " (CONDSTORE)" : "");
	hear(r, c);
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
		join_in(&r, &clients[i], i == 0);
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
	for (uint64_t i = 0; i < ROUNDS; i++) {
		fprintf(stderr, "seed %llu\n", (unsigned long long)(seed + i));
		round_of(seed + i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_views)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
