/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_IMPORT_H
#define POMBO_CLI_IMPORT_H

#include "base/map.h"
#include "cli/mail_client.h"
#include "cli/progress.h"

#include <jansson.h>

/* Messages from elsewhere into an account's folders, each once however often it is asked for.
 *
 * A message's identity in its folder is SHA-256 over how many with the same bytes came before it in this folder of the source, and its
 * bytes (with CRLF). stored keeps it in the commit that appends the message and refuses a second one, so a run that was ended at any
 * moment is continued by the next. What the folder holds already from elsewhere (delivered, or exported from here) is compared by size,
 * then by bytes.
 *
 * What IMAP cannot carry is repaired and reported: line ends become CRLF; a lone CR becomes a line end in the content and a blank in the
 * header; NUL becomes 0x80. Sources are only read. */
struct import_folder {
	char *name;
	uint64_t imported, there, left_out, repaired;
	bool known; /* identities and sizes were asked for */
	struct map identities; /* 16 bytes → import itself */
	struct map sizes; /* size → struct same_size: what was in the folder before */
	struct map seen; /* hash of the bytes → struct count: how many of the source, how many in the folder before */
	struct import_folder *next;
};

struct import {
	const struct cli *c;
	struct mail_client mail;
	struct progress progress;
	struct import_folder *folders;
	json_t *left_out, *repaired; /* {source, folder, why} */
	bool counting; /* the first walk: only adds up progress.total */
	bool stopped; /* the store takes no more now */
	bool dates_of_header; /* INTERNALDATE from Received, not from the file */
	bool maildir, mbox; /* formats to look for */
	uint64_t files; /* looked at that were mail */
	uint64_t max_message;
	uint64_t not_listed; /* left out or repaired, and told in figures only */
};

#define IMPORT_TOO_LARGE "larger than 1 GiB"

struct import_message {
	struct view raw; /* any line ends */
	struct spool *spool; /* the same where it is not NULL */
	struct view uidl;
	struct view key; /* instead of the bytes, for the identity; or empty */
	bool *doubt; /* or NULL: set, and nothing done, when only the bytes say that it is there */
	uint32_t flags;
	const struct view *keywords;
	size_t n_keywords;
	int64_t date_s; /* INT64_MIN: from the header */
	struct view source; /* for the report */
};

/* After import.mail is open. */
void import_init(struct import *im, const struct cli *c, const char *verb);
void import_fini(struct import *im);
/* The folder, made where it is missing; NULL with *ret_status set (0: the name cannot be one here; it is reported). */
struct import_folder *import_open(struct import *im, struct view name, uint32_t special_use, struct view source,
				  int *ret_status);
/* 0 also when the message was left out, which is reported. */
must_check int import_message(struct import *im, struct import_folder *f, const struct import_message *m);
/* A message of the source that was passed over by its key: its bytes count as one of those that the folder holds. */
void import_count(struct import_folder *f, const struct import_message *m);
/* Has a message with this key come before? */
bool import_has_key(struct import_folder *f, struct view key);
void import_left_out(struct import *im, struct import_folder *f, struct view source, const char *why);
void import_repaired(struct import *im, struct import_folder *f, struct view source, const char *why);
/* Prints the report. The exit status: 0; 65 something was left out; 75 stopped, run it again. `r`: what the walk said. */
int import_report(struct import *im, int r);

/* The text as the store takes it, made from pieces of any size; how much had to be changed. */
struct import_text {
	struct spool text;
	uint64_t content; /* where in the source the header ends */
	uint64_t at; /* bytes of the source taken */
	uint64_t crs; /* CRs just before, not yet decided upon */
	uint64_t bare_cr, nul;
};
void import_text_init(struct import_text *t, struct view head); /* `head`: the source's beginning, the header whole */
void import_text_fini(struct import_text *t);
void import_text_add(struct import_text *t, struct view raw);
void import_text_end(struct import_text *t);
/* The date of the topmost Received field, else of Date, else `otherwise`. */
int64_t import_header_date(struct view message, int64_t otherwise);

/* Sources. `fd`: an open folder or file, owned by the caller. */
must_check int import_maildir(struct import *im, int fd, struct view folder, const char *path); /* import_maildir.c */
must_check int import_mbox(struct import *im, int fd, struct view folder, const char *path); /* import_mbox.c */
/* All folders of another server (import_imap.c). */
struct imap_url;
struct imap_client_options;
must_check int import_imap(struct import *im, const struct imap_url *url, struct view password,
			   const struct imap_client_options *options);
/* All that is below `path` (import_tree.c). */
must_check int import_tree(struct import *im, const char *path, struct view folder);

#endif
