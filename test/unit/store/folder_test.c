/* SPDX-License-Identifier: ISC
 * The tree of names: a table of steps with what each answers and what the tree then is. */
#include "trial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int start(void **state)
{
	struct trial *t = malloc(sizeof *t);

	trial_start(t);
	trial_domain(t, "example.org");
	(void)trial_account(t, "a@example.org", 0);
	*state = t;
	return 0;
}

static enum store_outcome create(struct trial *t, const char *name, uint32_t special_use)
{
	struct folder_create_job j;
	enum store_outcome outcome;

	folder_create_job_init(&j);
	j.account = 1;
	j.name = trial_text(name);
	j.special_use = special_use;
	outcome = trial_run(t, &j.job);
	store_job_fini(&j.job);
	return outcome;
}

static enum store_outcome delete (struct trial *t, const char *name) {
	struct folder_delete_job j; enum store_outcome outcome;

	folder_delete_job_init(&j);
	j.account = 1;
	j.name = trial_text(name);
	outcome = trial_run(t, &j.job);
	store_job_fini(&j.job);
	return outcome;
}

static enum store_outcome rename_to(struct trial *t, const char *from, const char *to)
{
	struct folder_rename_job j;
	enum store_outcome outcome;

	folder_rename_job_init(&j);
	j.account = 1;
	j.from = trial_text(from);
	j.to = trial_text(to);
	outcome = trial_run(t, &j.job);
	store_job_fini(&j.job);
	return outcome;
}

static enum store_outcome subscribe(struct trial *t, const char *name, bool on)
{
	struct folder_subscribe_job j;
	enum store_outcome outcome;

	folder_subscribe_job_init(&j);
	j.account = 1;
	j.name = trial_text(name);
	j.on = on;
	outcome = trial_run(t, &j.job);
	store_job_fini(&j.job);
	return outcome;
}

/* "A A/b(n) INBOX(s)": n \Noselect, m missing, s subscribed, otherwise the special use; by pages of two. The six default folders
 * are left out while they are as they were made. */
static const char *tree(struct trial *t)
{
	static const char *const marks = "ndsjtafl sm"; /* by bit; 8 is subscribed, 9 missing */
	static const char *const defaults = " Archive(as) Drafts(ds) INBOX(s) Junk(js) Sent(ss) Trash(ts) ";
	struct buf out = BUF_INIT(10000), one = BUF_INIT(2000);
	struct view after = VIEW_EMPTY;
	struct folder_names names;
	const char *text;

	do {
		assert_int_equal(folder_list(t->reader, 1, after, 2, &t->arena, &names), STORE_OK);
		for (size_t i = 0; i < names.count; i++) {
			const struct folder_name *n = &names.names[i];

			assert_true(view_cmp(after, n->name) < 0);
			assert_int_equal(n->mailbox == 0, (n->attributes & (FOLDER_NOSELECT | FOLDER_MISSING)) != 0);
			after = n->name;
			buf_reset(&one);
			buf_printf(&one, " %.*s%s", VIEW_FMT(n->name), n->attributes ? "(" : "");
			for (unsigned bit = 0; bit < 10; bit++)
				if (n->attributes & 1u << bit)
					buf_append_char(&one, bit == 2   ? 's'
							      : bit == 8 ? 's'
							      : bit == 9 ? 'm'
									 : marks[bit]);
			buf_append_cstr(&one, n->attributes ? ") " : " ");
			if (!strstr(defaults, buf_cstr(&one)))
				buf_append(&out, one.p + (out.n ? 0 : 1), one.n - (out.n ? 1 : 2));
		}
	} while (names.more);
	text = arena_cstr(&t->arena, buf_view(&out));
	buf_fini(&out);
	buf_fini(&one);
	return text;
}

enum step { CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE };

static void test_tree(void **state)
{
	static const struct {
		enum step step;
		const char *name, *to;
		enum store_outcome outcome;
		const char *tree;
	} steps[] = {
	    {CREATE, "a", "", STORE_OK, "a"},
	    {CREATE, "a", "", STORE_EXISTS, "a"},
	    {CREATE, "INBOX", "", STORE_EXISTS, "a"},
	    {CREATE, "b/c/d", "", STORE_OK, "a b b/c b/c/d"},
	    {CREATE, "", "", STORE_BAD_REQUEST, "a b b/c b/c/d"},
	    {CREATE, "/x", "", STORE_BAD_REQUEST, "a b b/c b/c/d"},
	    {CREATE, "x/", "", STORE_BAD_REQUEST, "a b b/c b/c/d"},
	    {CREATE, "x//y", "", STORE_BAD_REQUEST, "a b b/c b/c/d"},
	    {CREATE, "x\ty", "", STORE_BAD_REQUEST, "a b b/c b/c/d"},
	    {CREATE, "x\xff", "", STORE_BAD_REQUEST, "a b b/c b/c/d"},
	    {DELETE, "b", "", STORE_OK, "a b(n) b/c b/c/d"},
	    {DELETE, "b", "", STORE_IN_USE, "a b(n) b/c b/c/d"},
	    {DELETE, "INBOX", "", STORE_NOT_ALLOWED, "a b(n) b/c b/c/d"},
	    {DELETE, "missing", "", STORE_NO_MAILBOX, "a b(n) b/c b/c/d"},
	    {CREATE, "b", "", STORE_OK, "a b b/c b/c/d"},
	    {DELETE, "b", "", STORE_OK, "a b(n) b/c b/c/d"},
	    {DELETE, "b/c", "", STORE_OK, "a b(n) b/c(n) b/c/d"},
	    {DELETE, "b/c/d", "", STORE_OK, "a"},
	    {CREATE, "a b", "", STORE_OK, "a a b"},
	    {CREATE, "a/x", "", STORE_OK, "a a b a/x"},
	    {CREATE, "a/x/y", "", STORE_OK, "a a b a/x a/x/y"},
	    {CREATE, "a0", "", STORE_OK, "a a b a/x a/x/y a0"},
	    {RENAME, "a", "n/m", STORE_OK, "a b a0 n n/m n/m/x n/m/x/y"},
	    {RENAME, "n/m", "n/m/z", STORE_NOT_ALLOWED, "a b a0 n n/m n/m/x n/m/x/y"},
	    {RENAME, "n/m", "n", STORE_EXISTS, "a b a0 n n/m n/m/x n/m/x/y"},
	    {RENAME, "n/m", "INBOX", STORE_EXISTS, "a b a0 n n/m n/m/x n/m/x/y"},
	    {RENAME, "missing", "z", STORE_NO_MAILBOX, "a b a0 n n/m n/m/x n/m/x/y"},
	    {RENAME, "n/m", "x//y", STORE_BAD_REQUEST, "a b a0 n n/m n/m/x n/m/x/y"},
	    {DELETE, "n", "", STORE_OK, "a b a0 n(n) n/m n/m/x n/m/x/y"},
	    {RENAME, "n/m", "a", STORE_OK, "a a b a/x a/x/y a0"},
	    {RENAME, "a/x", "\xc3\xa4\xc3\xa4\xc3\xa4", STORE_OK,
	     "a a b a0 \xc3\xa4\xc3\xa4\xc3\xa4 \xc3\xa4\xc3\xa4\xc3\xa4/y"},
	    {RENAME, "\xc3\xa4\xc3\xa4\xc3\xa4", "b", STORE_OK, "a a b a0 b b/y"},
	    {SUBSCRIBE, "b", "", STORE_OK, "a a b a0 b(s) b/y"},
	    {SUBSCRIBE, "b", "", STORE_OK, "a a b a0 b(s) b/y"},
	    {SUBSCRIBE, "not/there", "", STORE_OK, "a a b a0 b(s) b/y not/there(sm)"},
	    {SUBSCRIBE, "x//y", "", STORE_BAD_REQUEST, "a a b a0 b(s) b/y not/there(sm)"},
	    {DELETE, "b/y", "", STORE_OK, "a a b a0 b(s) not/there(sm)"},
	    {DELETE, "b", "", STORE_OK, "a a b a0 b(sm) not/there(sm)"},
	    {UNSUBSCRIBE, "b", "", STORE_OK, "a a b a0 not/there(sm)"},
	    {UNSUBSCRIBE, "never", "", STORE_OK, "a a b a0 not/there(sm)"},
	};
	struct trial *t = *state;

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		enum store_outcome outcome = STORE_OK;
		const char *is;

		switch (steps[i].step) {
		case CREATE:
			outcome = create(t, steps[i].name, 0);
			break;
		case DELETE:
			outcome = delete (t, steps[i].name);
			break;
		case RENAME:
			outcome = rename_to(t, steps[i].name, steps[i].to);
			break;
		case SUBSCRIBE:
		case UNSUBSCRIBE:
			outcome = subscribe(t, steps[i].name, steps[i].step == SUBSCRIBE);
			break;
		}
		is = tree(t);
		if (outcome != steps[i].outcome || strcmp(is, steps[i].tree) != 0)
			fail_msg("step %zu (%s): %s, \"%s\" instead of \"%s\"", i, steps[i].name,
				 store_outcome_name(outcome), is, steps[i].tree);
	}
}

static uint64_t id_of(struct trial *t, const char *name, uint32_t *ret_uidvalidity)
{
	struct box_status status;

	trial_box(t, 1, name, &status);
	*ret_uidvalidity = status.uidvalidity;
	return status.mailbox;
}

/* RENAME keeps ids, UIDVALIDITY and messages; a name made anew has none of them. */
static void test_identity(void **state)
{
	struct trial *t = *state;
	uint32_t before, after, child;
	uint64_t id;

	assert_int_equal(create(t, "a/b", 0), STORE_OK);
	assert_int_equal(trial_append(t, 1, "a/b", "A: b\r\n\r\n", VIEW_LIT("x"), 0), 1);
	id = id_of(t, "a/b", &before);
	assert_int_equal(rename_to(t, "a", "z"), STORE_OK);
	assert_int_equal(id_of(t, "z/b", &after), id);
	assert_int_equal(after, before);
	assert_string_equal(trial_uids(t, 1, id), "1");
	assert_int_equal(create(t, "a/b", 0), STORE_OK);
	assert_int_not_equal(id_of(t, "a/b", &child), id);
	assert_true(child > before);
	assert_int_equal(delete (t, "a/b"), STORE_OK);
	assert_int_equal(create(t, "a/b", 0), STORE_OK);
	(void)id_of(t, "a/b", &after);
	assert_true(after > child);
	trial_reopen(t);
	assert_int_equal(create(t, "new", 0), STORE_OK);
	(void)id_of(t, "new", &child);
	assert_true(child > after);
}

/* Who has it open sees that it is gone; its room is free at once; its bytes go with pruning. */
static void test_deleted(void **state)
{
	struct trial *t = *state;
	struct box_changes changes;
	const struct store_change *told;
	struct quota_usage usage;
	struct box_status status;
	struct prune_job j;
	uint64_t id;
	size_t n;
	bool gone = false;

	assert_int_equal(create(t, "a", 0), STORE_OK);
	for (unsigned i = 0; i < 700; i++)
		(void)trial_append(t, 1, "a", "A: b\r\n\r\n", VIEW_LIT("x"), 0);
	id = trial_box(t, 1, "a", NULL);
	assert_int_equal(delete (t, "a"), STORE_OK);
	n = store_group_changes(t->store, &told);
	for (size_t i = 0; i < n; i++)
		gone |= told[i].kind == CHANGE_MAILBOX_GONE && told[i].mailbox == id;
	assert_true(gone);
	assert_int_equal(box_status(t->reader, 1, id, &t->arena, &status), STORE_NO_MAILBOX);
	assert_int_equal(box_changes(t->reader,
				     &(struct changes_query){.account = 1, .mailbox = id, .since = 1, .max_rows = 10},
				     &t->arena, &changes),
			 STORE_OK);
	assert_true(changes.mailbox_gone);
	assert_int_equal(trial_flags(t, 1, id, (struct uid_range){1, 1}, FLAGS_ADD, STORE_SEEN, NULL),
			 STORE_NO_MAILBOX);
	assert_int_equal(quota_read(t->reader, 1, &usage), STORE_OK);
	assert_int_equal(usage.used.bytes, 0);
	assert_int_equal(trial_rows(t, "content"), 700);
	prune_job_init(&j);
	j.wall_s = (int64_t)1 << 40;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	assert_int_equal(j.ret_messages, 700);
	store_job_fini(&j.job);
	assert_int_equal(trial_rows(t, "content"), 0);
	assert_int_equal(trial_rows(t, "mailbox_count"), 6);
}

static void test_special_use(void **state)
{
	struct trial *t = *state;

	assert_int_equal(create(t, "Bin", FOLDER_TRASH), STORE_OK);
	assert_string_equal(tree(t), "Bin(t) Trash(s)");
	assert_int_equal(create(t, "Odd", FOLDER_SUBSCRIBED), STORE_BAD_REQUEST);
	assert_int_equal(rename_to(t, "Bin", "Old/Bin"), STORE_OK);
	assert_string_equal(tree(t), "Old Old/Bin(t) Trash(s)");
	assert_int_equal(create(t, "Both", FOLDER_TRASH | FOLDER_JUNK), STORE_OK);
	assert_string_equal(tree(t), "Both(jt) Junk(s) Old Old/Bin Trash(s)");
	assert_int_equal(create(t, "Bin", FOLDER_TRASH), STORE_OK);
	assert_string_equal(tree(t), "Bin(t) Both(j) Junk(s) Old Old/Bin Trash(s)");
}

static void test_rename_inbox(void **state)
{
	struct trial *t = *state;
	struct box_status inbox, old;
	uint32_t uidvalidity;
	uint64_t id = id_of(t, "INBOX", &uidvalidity);

	assert_int_equal(create(t, "INBOX/child", 0), STORE_OK);
	for (unsigned i = 0; i < 5; i++)
		(void)trial_append(t, 1, "INBOX", "A: b\r\n\r\n", VIEW_LIT("x"), i == 2 ? STORE_SEEN : 0);
	assert_int_equal(rename_to(t, "INBOX", "Old/mail"), STORE_OK);
	trial_box(t, 1, "INBOX", &inbox);
	trial_box(t, 1, "Old/mail", &old);
	assert_int_equal(inbox.mailbox, id);
	assert_int_equal(inbox.uidvalidity, uidvalidity);
	assert_int_equal(inbox.exists, 0);
	assert_int_equal(inbox.uidnext, 6);
	assert_int_equal(old.exists, 5);
	assert_int_equal(old.unseen, 4);
	assert_string_equal(tree(t), "INBOX/child Old Old/mail");
	assert_int_equal(trial_append(t, 1, "INBOX", "A: b\r\n\r\n", VIEW_LIT("x"), 0), 6);
	assert_int_equal(rename_to(t, "INBOX", "Old/mail"), STORE_EXISTS);
}

static void test_limits(void **state)
{
	struct trial *t = *state;
	char name[STORE_NAME_MAX + 2];

	memset(name, 'n', sizeof name);
	name[STORE_NAME_MAX + 1] = '\0';
	assert_int_equal(create(t, name, 0), STORE_BAD_REQUEST);
	name[STORE_NAME_MAX] = '\0';
	assert_int_equal(create(t, name, 0), STORE_OK);
	assert_int_equal(delete (t, name), STORE_OK);
	memset(name, 'n', sizeof name);
	for (unsigned i = 1; i < 100; i += 2)
		name[i] = '/';
	name[65] = '\0';
	assert_int_equal(create(t, name, 0), STORE_BAD_REQUEST); /* 33 levels */
	/* A child whose name would become too long keeps the whole tree where it is. */
	assert_int_equal(create(t, "p/child", 0), STORE_OK);
	memset(name, 'q', sizeof name);
	name[STORE_NAME_MAX - 2] = '\0';
	assert_int_equal(rename_to(t, "p", name), STORE_BAD_REQUEST);
	assert_string_equal(tree(t), "p p/child");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_tree, start, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_identity, start, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_deleted, start, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_special_use, start, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_rename_inbox, start, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_limits, start, trial_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
