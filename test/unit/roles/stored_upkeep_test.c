/* SPDX-License-Identifier: ISC
 * Files whose rows are gone are removed, however many there are. */
#include "base/clock.h"
#include "base/id.h"
#include "store/content.h"
#include "store/store_private.h"
#include "stored/stored.h"
#include "trial.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FILES = 300, PATIENCE_MS = 20000 };

void notice_changes(struct stored *sd, const struct store_change *changes, size_t n)
{
	(void)sd;
	(void)changes;
	(void)n;
}

static uint64_t make_file(struct trial *t)
{
	uint64_t id = store_next_id(t->store);
	struct content_file *f;

	assert_int_equal(content_create(t->store, id, &f), 0);
	assert_int_equal(content_append(f, VIEW_LIT("x")), 0);
	assert_int_equal(content_sync(f), 0);
	assert_int_equal(content_place(f), 0);
	content_free(&f, true);
	return id;
}

static bool is_there(struct trial *t, uint64_t id)
{
	char text[ID_TEXT_BYTES + 1], path[200];

	id_format(id, text);
	(void)snprintf(path, sizeof path, "%s/content/%02x/%s", t->dir, (unsigned)(id >> 22) % 256, text);
	return access(path, F_OK) == 0;
}

static void turn(struct stored *sd, struct event_base *base)
{
	upkeep_tick(sd);
	(void)event_base_loopexit(base, &(struct timeval){.tv_usec = 1000});
	(void)event_base_dispatch(base);
}

static void many_files(void **state)
{
	struct event_base *base = event_base_new();
	struct stored sd = {0};
	struct trial t;
	uint64_t ids[FILES], until_ms;
	size_t left = FILES;

	(void)state;
	trial_start(&t);
	sd.store = t.store;
	sd.reader_connections = &t.reader;
	assert_int_equal(completions_new(base, &sd.completions), 0);
	assert_int_equal(write_thread_new(&sd, &sd.writer), 0);
	assert_int_equal(pool_new(sd.completions, 1, 100, &sd.readers), 0);
	assert_int_equal(pool_new(sd.completions, 1, 100, &sd.spoolers), 0);
	for (size_t i = 0; i < FILES; i++) {
		ids[i] = make_file(&t);
		assert_true(is_there(&t, ids[i]));
		store_unlink_later(t.store, ids[i]);
	}
	/* A backup has listed them: none goes. */
	sd.backups = 1;
	for (size_t i = 0; i < 20; i++)
		turn(&sd, base);
	for (size_t i = 0; i < FILES; i++)
		assert_true(is_there(&t, ids[i]));
	sd.backups = 0;
	for (until_ms = clock_mono_ms() + PATIENCE_MS; left && clock_mono_ms() < until_ms;) {
		turn(&sd, base);
		while (left && !is_there(&t, ids[FILES - left]))
			left--;
	}
	assert_int_equal(left, 0);
	pool_free(&sd.spoolers);
	pool_free(&sd.readers);
	write_thread_free(&sd.writer);
	(void)event_base_loop(base, EVLOOP_NONBLOCK);
	completions_free(&sd.completions);
	event_base_free(base);
	free(sd.upkeep);
	trial_end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(many_files)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
