/* SPDX-License-Identifier: ISC
 * Fills the queue of a store that nobody serves: MESSAGES of 4 KiB with RECIPIENTS each, over DOMAINS that are address literals 127.1.x.y.
 *
 *     queue_fill STORE MESSAGES RECIPIENTS DOMAINS
 *
 * Every recipient of a message is in another domain, as long as there are enough of them: each is a job of its own, the dearest case. */
#include "base/clock.h"
#include "store/deliver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GROUP = 10, RECIPIENTS_MAX = 1000, TEXT_MAX = 64 };

struct fill {
	struct store *store;
	size_t recipients, domains;
	char header[900], index[700], content[3100], prefix[350];
	char addresses[GROUP][RECIPIENTS_MAX][TEXT_MAX];
	struct deliver_remote remotes[GROUP][RECIPIENTS_MAX];
};

static void die(const char *what)
{
	(void)fprintf(stderr, "queue_fill: %s\n", what);
	exit(1);
}

static void fill_remotes(struct fill *f, size_t slot, size_t message)
{
	for (size_t i = 0; i < f->recipients; i++) {
		size_t domain = (message * f->recipients + i) % f->domains;
		char *text = f->addresses[slot][i];
		struct view address;

		(void)snprintf(text, TEXT_MAX, "u%zu@[127.1.%zu.%zu]", i, domain / 250, domain % 250 + 1);
		address = view_from_cstr(text);
		f->remotes[slot][i] = (struct deliver_remote){.address = address, .orcpt = VIEW_EMPTY};
		(void)view_cut(address, '@', &(struct view){0}, &f->remotes[slot][i].domain);
	}
}

static void fill_job(struct fill *f, struct deliver_job *j, size_t slot, size_t message)
{
	fill_remotes(f, slot, message);
	deliver_job_init(j);
	j->wall_s = clock_wall_s();
	j->remotes = f->remotes[slot];
	j->remote_count = f->recipients;
	j->remote_prefix = view_from(f->prefix, sizeof f->prefix);
	j->sender = VIEW_LIT("sender@load.test");
	j->envid = VIEW_EMPTY;
	j->message = (struct new_message){
	    .id = store_next_id(f->store),
	    .header = view_from(f->header, sizeof f->header),
	    .content = view_from(f->content, sizeof f->content),
	    .index = view_from(f->index, sizeof f->index),
	    .sent_s = j->wall_s,
	};
}

static void run(struct fill *f, size_t messages)
{
	struct deliver_job jobs[GROUP];
	struct store_job *list[GROUP];

	for (size_t done = 0; done < messages; done += GROUP) {
		for (size_t i = 0; i < GROUP; i++) {
			fill_job(f, &jobs[i], i, done + i);
			list[i] = &jobs[i].job;
		}
		if (store_group_run(f->store, list, GROUP) < 0 || store_between_groups(f->store) < 0)
			die(store_fatal_text(f->store));
		for (size_t i = 0; i < GROUP; i++) {
			while (list[i]->state != JOB_FINISHED)
				if (store_group_run(f->store, &list[i], 1) < 0)
					die(store_fatal_text(f->store));
			if (list[i]->outcome != STORE_OK)
				die(store_outcome_name(list[i]->outcome));
			store_job_fini(list[i]);
		}
	}
}

/* "Field: xxx…", lines of 70. */
static void fill_text(char *p, size_t n, const char *field)
{
	memset(p, 'x', n);
	memcpy(p, field, strlen(field));
	for (size_t at = 70; at + 3 < n; at += 70)
		memcpy(p + at, "\r\n ", 3);
	memcpy(p + n - 2, "\r\n", 2);
}

int main(int argc, char **argv)
{
	static struct fill f;
	struct store_options o = {0};
	const char *why;

	if (argc != 5)
		die("usage: queue_fill STORE MESSAGES RECIPIENTS DOMAINS");
	o.dir = argv[1];
	f.recipients = (size_t)strtoul(argv[3], NULL, 10);
	f.domains = (size_t)strtoul(argv[4], NULL, 10);
	if (f.recipients == 0 || f.recipients > RECIPIENTS_MAX || f.domains == 0)
		die("1 to 1,000 recipients, 1 domain at least");
	fill_text(f.header, sizeof f.header, "Subject: ");
	memcpy(f.header + sizeof f.header - 4, "\r\n\r\n", 4);
	fill_text(f.prefix, sizeof f.prefix, "Received: ");
	fill_text(f.content, sizeof f.content, "text ");
	if (store_open(&o, &f.store, &why) < 0)
		die(why);
	run(&f, (size_t)strtoul(argv[2], NULL, 10));
	store_close(&f.store);
	return 0;
}
