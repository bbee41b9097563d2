/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_MAIL_CLIENT_H
#define POMBO_CLI_MAIL_CLIENT_H

#include "cli/spool.h"
#include "cli/store_client.h"
#include "ipc/msgs/mailbox_msgs.h"

/* One account's mailboxes, for its owner's tools: the list `mailbox` spoken with stored, over a channel that it adds for us. Every int
 * here is 0 or an exit status, the error printed, unless said otherwise. */
struct mail_client {
	struct store_client store;
	struct sync_channel channel;
	struct buf payload; /* the next request, encoded with mailbox_put_x */
	uint64_t session;
	char *address; /* the account's, as the store writes it */
};

/* `judging`: messages will be appended. */
must_check int mail_client_open(const struct cli *c, const char *account, bool judging, struct mail_client *ret);
/* The only account's address where nobody says which: heap, or NULL with the error printed and `*ret_status` set. */
char *mail_client_only_account(struct cli *c, int *ret_status);
/* On a store that is open already; mail_client_close() leaves it open. */
must_check int mail_client_attach(struct store_client *store, const char *account, struct mail_client *ret);
void mail_client_detach(struct mail_client *m);
void mail_client_close(struct mail_client *m);

/* Asks what m->payload holds. `ret` may be `failed`; valid until the next call. */
must_check int mail_client_call(struct mail_client *m, bool encoded, uint16_t type, const char *subject,
				struct mailbox_msg *ret);
/* The next answer to the same question. */
must_check int mail_client_next(struct mail_client *m, struct mailbox_msg *ret);
/* The same when it must be `want`: a `failed` answer is an error about `subject`. */
must_check int mail_client_ask(struct mail_client *m, bool encoded, uint16_t type, const char *subject, uint16_t want,
			       struct mailbox_msg *ret);
/* Prints a `failed` answer. Its exit status. */
int mail_client_failed(const struct mailbox_msg *answer, const char *subject);

struct mail_folder {
	uint64_t mailbox; /* 0: only a parent */
	char *name;
	uint32_t attributes; /* as in mailbox.def */
	uint32_t uidvalidity;
};
struct mail_folders {
	struct mail_folder *items;
	size_t n;
};
/* Those that exist, in the order of bytes. */
must_check int mail_client_folders(struct mail_client *m, struct mail_folders *ret);
void mail_folders_fini(struct mail_folders *f);
const struct mail_folder *mail_folders_find(const struct mail_folders *f, struct view name);
/* Makes it, and subscribes to it, where it is not there. `special_use`: an attribute bit or 0. */
must_check int mail_client_make_folder(struct mail_client *m, struct view name, uint32_t special_use, bool *ret_made);

struct mail_row {
	uint32_t uid, flags; /* enum mail_flag */
	int64_t date_s;
	uint64_t size_bytes, message_id;
	char *keywords, *uidl; /* joined by blanks; "" */
};
enum mail_flag { MAIL_SEEN = 1, MAIL_ANSWERED = 2, MAIL_FLAGGED = 4, MAIL_DELETED = 8, MAIL_DRAFT = 16 };
struct mail_rows {
	uint64_t mailbox;
	uint32_t uidvalidity, uidnext;
	struct mail_row *items; /* by UID */
	size_t n;
};
/* Every message of the folder, without its bytes. */
must_check int mail_client_rows(struct mail_client *m, const char *folder, struct mail_rows *ret);
void mail_rows_fini(struct mail_rows *r);

struct mail_append {
	struct view folder, message; /* CRLF */
	struct spool *spool; /* the message where it is not NULL */
	struct view uidl, identity; /* or empty */
	uint32_t flags;
	const struct view *keywords;
	size_t n_keywords;
	int64_t date_s;
	bool ignore_quota;
};
/* Can this be a message's POP3 id (RFC 1939 §7)? */
bool mail_client_is_uidl(struct view id);
/* `ret`: appended, or failed. */
must_check int mail_client_append(struct mail_client *m, const struct mail_append *a, struct mailbox_msg *ret);
/* Appends the whole message to `out`. */
must_check int mail_client_message(struct mail_client *m, uint64_t mailbox, uint32_t uid, uint64_t size_bytes,
				   struct buf *out);
/* Bytes of it from `offset` on, one or more; valid until the next call. */
must_check int mail_client_piece(struct mail_client *m, uint64_t mailbox, uint32_t uid, uint64_t offset,
				 struct view *ret);

#endif
