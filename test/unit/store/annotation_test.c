/* SPDX-License-Identifier: ISC
 * Annotations: what stays, goes and is refused. */
#include "trial.h"

#include "store/annotation.h"
#include "store/folder.h"

#include <stdio.h>
#include <stdlib.h>

static int start(void **state)
{
	struct trial *t = malloc(sizeof *t);

	trial_start(t);
	trial_domain(t, "example.org");
	(void)trial_account(t, "a@example.org", 0);
	(void)trial_account(t, "b@example.org", 0);
	*state = t;
	return 0;
}

static enum store_outcome annotate(struct trial *t, const char *name, const struct annotation_change *changes, size_t n)
{
	struct annotate_job j;
	enum store_outcome outcome;

	annotate_job_init(&j);
	j.account = 1;
	j.name = trial_text(name);
	j.changes = changes;
	j.count = n;
	outcome = trial_run(t, &j.job);
	store_job_fini(&j.job);
	return outcome;
}

static enum store_outcome set(struct trial *t, const char *name, const char *entry, const char *value)
{
	struct annotation_change c = {trial_text(entry), value ? trial_text(value) : VIEW_EMPTY, !value};

	return annotate(t, name, &c, 1);
}

/* "entry=value entry=value" by pages of two. */
static const char *all(struct trial *t, uint64_t account, const char *name)
{
	struct buf out = BUF_INIT(10000);
	struct view after = VIEW_EMPTY;
	struct annotations page;
	const char *text;

	do {
		if (annotation_list(t->reader, account, trial_text(name), after, 2, 1000, &t->arena, &page) != STORE_OK)
			return "no mailbox";
		for (size_t i = 0; i < page.count; i++) {
			after = page.at[i].entry;
			buf_printf(&out, "%s%.*s=%.*s", out.n ? " " : "", VIEW_FMT(after), VIEW_FMT(page.at[i].value));
		}
	} while (page.more);
	text = arena_cstr(&t->arena, buf_view(&out));
	buf_fini(&out);
	return text;
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

static enum store_outcome delete_folder(struct trial *t, const char *name)
{
	struct folder_delete_job j;
	enum store_outcome outcome;

	folder_delete_job_init(&j);
	j.account = 1;
	j.name = trial_text(name);
	outcome = trial_run(t, &j.job);
	store_job_fini(&j.job);
	return outcome;
}

static enum store_outcome create(struct trial *t, const char *name)
{
	struct folder_create_job j;
	enum store_outcome outcome;

	folder_create_job_init(&j);
	j.account = 1;
	j.name = trial_text(name);
	outcome = trial_run(t, &j.job);
	store_job_fini(&j.job);
	return outcome;
}

static void test_values(void **state)
{
	struct trial *t = *state;

	assert_int_equal(set(t, "INBOX", "/private/comment", "one"), STORE_OK);
	assert_int_equal(set(t, "INBOX", "/shared/comment", "two"), STORE_OK);
	assert_int_equal(set(t, "INBOX", "/private/a", "three"), STORE_OK);
	assert_int_equal(set(t, "", "/shared/comment", "mine"), STORE_OK);
	assert_int_equal(set(t, "Nowhere", "/shared/comment", "x"), STORE_NO_MAILBOX);
	assert_string_equal(all(t, 1, "INBOX"), "/private/a=three /private/comment=one /shared/comment=two");
	assert_string_equal(all(t, 1, ""), "/shared/comment=mine");
	assert_string_equal(all(t, 2, "INBOX"), "");
	assert_string_equal(all(t, 2, ""), "");
	assert_string_equal(all(t, 1, "Nowhere"), "no mailbox");
	assert_int_equal(set(t, "INBOX", "/private/comment", "again"), STORE_OK);
	assert_int_equal(set(t, "INBOX", "/private/a", NULL), STORE_OK);
	assert_int_equal(set(t, "INBOX", "/private/never", NULL), STORE_OK);
	trial_reopen(t);
	assert_string_equal(all(t, 1, "INBOX"), "/private/comment=again /shared/comment=two");
}

static void test_follow_the_mailbox(void **state)
{
	struct trial *t = *state;

	assert_int_equal(create(t, "a/b"), STORE_OK);
	assert_int_equal(set(t, "a/b", "/private/comment", "b"), STORE_OK);
	assert_int_equal(rename_to(t, "a", "z"), STORE_OK);
	assert_string_equal(all(t, 1, "z/b"), "/private/comment=b");
	assert_int_equal(delete_folder(t, "z/b"), STORE_OK);
	assert_int_equal(create(t, "z/b"), STORE_OK);
	assert_string_equal(all(t, 1, "z/b"), "");
	assert_int_equal(set(t, "INBOX", "/private/comment", "in"), STORE_OK);
	assert_int_equal(rename_to(t, "INBOX", "old"), STORE_OK);
	assert_string_equal(all(t, 1, "INBOX"), "/private/comment=in");
	assert_string_equal(all(t, 1, "old"), "/private/comment=in");
	/* \Noselect names have some too, until something else has the name. */
	assert_int_equal(delete_folder(t, "z"), STORE_OK);
	assert_int_equal(set(t, "z", "/private/comment", "z"), STORE_OK);
	assert_string_equal(all(t, 1, "z"), "/private/comment=z");
	assert_int_equal(delete_folder(t, "z/b"), STORE_OK);
	assert_string_equal(all(t, 1, "z"), "no mailbox");
	/* That of the deleted one stays as long as it could be brought back. */
	assert_int_equal(trial_rows(t, "annotation"), 3);
}

static void test_limits(void **state)
{
	static char big[ANNOTATION_VALUE_MAX + 1];
	struct trial *t = *state;
	struct annotation_change changes[2] = {{VIEW_LIT("/private/x"), VIEW_LIT("x"), false},
					       {VIEW_LIT("/private/y"), view_from(big, sizeof big), false}};
	char entry[32];

	assert_int_equal(annotate(t, "INBOX", changes, 2), STORE_TOO_BIG);
	assert_string_equal(all(t, 1, "INBOX"), "");
	for (unsigned i = 0; i < ANNOTATIONS_MAX; i++) {
		(void)snprintf(entry, sizeof entry, "/private/%u", i);
		assert_int_equal(set(t, "INBOX", entry, "v"), STORE_OK);
	}
	assert_int_equal(set(t, "INBOX", "/private/more", "v"), STORE_LIMIT);
	assert_int_equal(set(t, "INBOX", "/private/1", "w"), STORE_OK);
	assert_int_equal(set(t, "INBOX", "/private/1", NULL), STORE_OK);
	assert_int_equal(set(t, "INBOX", "/private/more", "v"), STORE_OK);
	assert_int_equal(set(t, "Sent", "/private/more", "v"), STORE_OK);
}

static void test_bytes_of_all(void **state)
{
	static char value[ANNOTATION_VALUE_MAX];
	struct trial *t = *state;
	struct annotation_change c = {.value = view_from(value, sizeof value)};
	static const char *const boxes[] = {"", "INBOX", "Sent", "Trash"};
	enum store_outcome outcome = STORE_OK;
	unsigned n = 0;
	char entry[32];

	for (; outcome == STORE_OK && n < 400; n++) {
		(void)snprintf(entry, sizeof entry, "/private/%u", n);
		c.entry = view_from_cstr(entry);
		outcome = annotate(t, boxes[n / 90 % 4], &c, 1);
	}
	assert_int_equal(outcome, STORE_LIMIT);
	assert_int_equal(n, ANNOTATIONS_BYTES_MAX / ANNOTATION_VALUE_MAX + 1);
}

/* INBOX stays with its own when it is renamed: what is copied counts. */
static void test_inbox_is_renamed_within_the_limit(void **state)
{
	static char value[ANNOTATION_VALUE_MAX];
	struct trial *t = *state;
	struct annotation_change c = {.value = view_from(value, sizeof value)};
	char entry[32];

	for (unsigned n = 0; n < 90; n++) {
		(void)snprintf(entry, sizeof entry, "/private/%u", n);
		c.entry = view_from_cstr(entry);
		assert_int_equal(annotate(t, "INBOX", &c, 1), STORE_OK);
	}
	assert_int_equal(rename_to(t, "INBOX", "one"), STORE_OK);
	assert_int_equal(rename_to(t, "INBOX", "two"), STORE_LIMIT);
	assert_string_equal(all(t, 1, "two"), "no mailbox");
}

static void test_little_space(void **state)
{
	const struct store_settings settings = {.disk_reserve_bytes = UINT64_MAX};
	struct trial *t = *state;

	assert_int_equal(set(t, "INBOX", "/private/comment", "in"), STORE_OK);
	assert_int_equal(create(t, "a"), STORE_OK);
	store_set(t->store, &settings);
	assert_int_equal(set(t, "INBOX", "/private/more", "in"), STORE_NO_SPACE);
	assert_int_equal(create(t, "b"), STORE_NO_SPACE);
	assert_int_equal(rename_to(t, "INBOX", "b"), STORE_NO_SPACE);
	assert_int_equal(rename_to(t, "a", "b"), STORE_OK);
	assert_int_equal(set(t, "INBOX", "/private/comment", NULL), STORE_OK);
	assert_int_equal(rename_to(t, "INBOX", "c"), STORE_OK);
	assert_int_equal(delete_folder(t, "b"), STORE_OK);
}

static void test_special_use(void **state)
{
	struct trial *t = *state;
	struct annotate_job j;
	struct annotations page;

	annotate_job_init(&j);
	j.account = 1;
	j.name = VIEW_LIT("INBOX");
	j.sets_special_use = true;
	j.special_use = FOLDER_SENT | FOLDER_JUNK;
	assert_int_equal(trial_run(t, &j.job), STORE_OK);
	store_job_fini(&j.job);
	assert_int_equal(annotation_list(t->reader, 1, VIEW_LIT("INBOX"), VIEW_EMPTY, 1, 1, &t->arena, &page),
			 STORE_OK);
	assert_int_equal(page.special_use, FOLDER_SENT | FOLDER_JUNK);
	assert_int_equal(annotation_list(t->reader, 1, VIEW_LIT("Sent"), VIEW_EMPTY, 1, 1, &t->arena, &page), STORE_OK);
	assert_int_equal(page.special_use, 0);
	annotate_job_init(&j);
	j.account = 1;
	j.sets_special_use = true;
	assert_int_equal(trial_run(t, &j.job), STORE_NOT_ALLOWED);
	store_job_fini(&j.job);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_values, start, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_follow_the_mailbox, start, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_limits, start, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_bytes_of_all, start, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_inbox_is_renamed_within_the_limit, start, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_little_space, start, trial_teardown),
	    cmocka_unit_test_setup_teardown(test_special_use, start, trial_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
