/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_READ_H
#define POMBO_CLI_READ_H

#include "cli/mail_client.h"

#include <jansson.h>

/* Mail on a terminal. Whatever a message holds, what is printed of it is harmless there: control characters, those that change the
 * direction of text, and what is no UTF-8 become "?". */
struct reading {
	struct cli *c;
	struct mail_client mail;
	char *folder;
	uint64_t mailbox; /* the folder's */
	uint32_t exists;
	unsigned limit; /* of a list; 0: none */
};

/* Opens the folder. */
must_check int reading_open(struct reading *rd, const char *folder);

/* ---- read_list.c ---- */
/* Words as typed ("from:bob", "unread", "invoice") into an IMAP search program. */
must_check int search_program(char *const *words, size_t n, struct buf *out);
/* The last rd->limit messages (of those that the words find), oldest first. */
must_check int reading_list(struct reading *rd, char *const *words, size_t n);
/* "3", "3:7", "3,5:9". Heap. */
must_check int reading_ranges(const char *text, struct mailbox_range **ret, uint32_t *ret_n);

/* ---- read_show.c ---- */
struct mail_text {
	struct buf whole; /* the message's bytes */
	struct buf text; /* what of it can be read, UTF-8, not yet made harmless */
	json_t *attachments; /* {name, type, size} */
};
/* Reads and decodes one message. */
must_check int reading_text(struct reading *rd, uint32_t uid, struct mail_text *ret);
void mail_text_fini(struct mail_text *t);
/* Prints it; sets \Seen. `raw`: the bytes as they are, not made harmless. */
must_check int reading_show(struct reading *rd, uint32_t uid, bool raw);
/* Appends `text`, lines kept, everything else harmless. */
void show_lines(struct view text, struct buf *out);
/* Appends what an HTML text says. */
void html_text(struct view html, struct buf *out);

/* ---- read_file.c: answer, file, delete ---- */
must_check int reading_flag(struct reading *rd, const struct mailbox_range *ranges, uint32_t n, uint32_t flags,
			    bool on);
must_check int reading_move(struct reading *rd, const struct mailbox_range *ranges, uint32_t n, const char *target,
			    uint64_t *ret_moved);
/* To Trash; from Trash for good (undelete still finds it). */
must_check int reading_delete(struct reading *rd, const struct mailbox_range *ranges, uint32_t n, uint64_t *ret_n);
/* `text` of the reply, any line ends. */
must_check int reading_reply(struct reading *rd, uint32_t uid, bool all, struct view text);
/* "On …, … wrote:" and the quoted text: what an editor begins with. */
must_check int reading_quote(struct reading *rd, uint32_t uid, struct buf *out);

/* ---- read_talk.c ---- */
must_check int reading_talk(struct reading *rd, char *const *words, size_t n);

#endif
