/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_IMAP_SORT_H
#define POMBO_MAIL_IMAP_SORT_H

#include "mail/imap_search.h"

/* The arguments of SORT and THREAD (RFC 5256 §5, 5957 §5). */
enum imap_sort_key {
	IMAP_SORT_ARRIVAL,
	IMAP_SORT_CC,
	IMAP_SORT_DATE,
	IMAP_SORT_FROM,
	IMAP_SORT_SIZE,
	IMAP_SORT_SUBJECT,
	IMAP_SORT_TO,
	IMAP_SORT_DISPLAYFROM,
	IMAP_SORT_DISPLAYTO,
};

enum { IMAP_SORT_CRITERIA_MAX = 32 };

struct imap_sort {
	struct {
		enum imap_sort_key key;
		bool reverse;
	} criteria[IMAP_SORT_CRITERIA_MAX];
	uint32_t count;
	struct imap_search_program search; /* charset and keys */
};

enum imap_thread_algorithm { IMAP_THREAD_REFERENCES, IMAP_THREAD_ORDEREDSUBJECT };

struct imap_thread {
	enum imap_thread_algorithm algorithm;
	struct imap_search_program search;
};

/* `arg`: the first argument. False: `*ret_error` says why, for the BAD reply. */
must_check bool imap_sort_parse(const struct imap_arg *arg, struct arena *a, struct imap_sort *ret,
				const char **ret_error);
must_check bool imap_thread_parse(const struct imap_arg *arg, struct arena *a, struct imap_thread *ret,
				  const char **ret_error);

#endif
