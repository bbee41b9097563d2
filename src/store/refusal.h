/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_REFUSAL_H
#define POMBO_STORE_REFUSAL_H

#include "store/group.h"

/* What clients were refused, so that somebody whose mail came back can be told why (doc/smtp.md). Best effort: written behind everything else, bounded
 * in number, and nobody waits for it.
 *
 * The same sender, recipient, client network and code within an hour are one row that counts. Ids are given in order and only the oldest rows go, so
 * the ids say how many rows there are. */
enum {
	REFUSAL_ROWS_MAX = 100000,
	REFUSAL_REPEAT_MS = 3600 * 1000,
	REFUSAL_SLICE = 32, /* rows in one commit */
};

struct refusal {
	int64_t first_ms, last_ms;
	uint64_t times;
	uint64_t session; /* of the last */
	uint16_t code;
	struct view status, words; /* "5.1.1", "no such user here" */
	struct view sender, recipient; /* recipient: empty of a refused sender */
	struct view client_ip, client_name, helo, account, tls, listener;
	struct view message_id; /* without brackets, or empty */
	/* By what it is found, made by refusal_keys(); 0: none. */
	uint64_t repeat_key, sender_key, recipient_key, message_key;
};

/* To be called before a row is handed in, once its texts stand. Any thread. */
void refusal_keys(const struct store *s, struct refusal *r);

/* Each row counts `times` refusals of the time from first_ms to last_ms. In slices. */
struct refusal_put_job {
	struct store_job job;
	const struct refusal *rows;
	size_t count;
	uint64_t left_out; /* how many more there were that nobody kept; one row an hour says so */
	int64_t now_ms;
	uint64_t rows_max; /* REFUSAL_ROWS_MAX, unless a test wants fewer */
};
void refusal_put_job_init(struct refusal_put_job *j);

/* Forgets those whose last repeat was before that. In slices. */
struct refusal_prune_job {
	struct store_job job;
	int64_t before_ms;
};
void refusal_prune_job_init(struct refusal_prune_job *j);

/* The next rows behind `after`, oldest first, whose sender, recipient or Message-ID (with or without its angle brackets) is `text`: addresses in any case, domains
 * in Unicode or as A-labels. Left out are those that were last refused before `since_ms`. *ret_more: ask again from *ret_after. Reader. */
must_check enum store_outcome refusal_find(struct store_reader *r, struct view text, uint64_t after, int64_t since_ms,
					   size_t max, struct arena *a, struct refusal *ret, size_t *ret_count,
					   uint64_t *ret_after, bool *ret_more);
/* How many were not kept since then, and from when to when. Reader. */
must_check enum store_outcome refusal_left_out(struct store_reader *r, int64_t since_ms, uint64_t *ret_count,
					       int64_t *ret_first_ms, int64_t *ret_last_ms);

#endif
