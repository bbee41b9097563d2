/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_DSN_STATUS_H
#define POMBO_MAIL_DSN_STATUS_H

#include "base/buf.h"
#include "base/mem.h"

/* Enhanced status code, class.subject.detail (RFC 3463 §2, registry of RFC 5248). class 0: none. */
struct dsn_status {
	uint8_t class; /* 2, 4 or 5 */
	uint16_t subject; /* 0..999 */
	uint16_t detail; /* 0..999 */
};

enum verdict_class {
	VERDICT_DONE = 2,
	VERDICT_GO_ON = 3, /* 334, 354: more is expected of the client; never with an enhanced code */
	VERDICT_TEMPORARY = 4,
	VERDICT_PERMANENT = 5,
};

/* A mail outcome: made where it is decided, carried unchanged to the SMTP reply, the log and the bounce. */
struct verdict {
	enum verdict_class class;
	uint16_t code; /* SMTP reply code, RFC 5321 §4.2.3 */
	struct dsn_status enhanced;
	struct view text; /* "\n" between lines, none at the end; owned by whoever made the verdict */
};

/* VERDICT(550, 5, 1, 1, "No such mailbox"); VERDICT_INIT is the same for static tables. */
#define VERDICT_INIT(reply_code, enh_class, enh_subject, enh_detail, literal)                                          \
	{                                                                                                              \
		(enum verdict_class)((reply_code) / 100), (reply_code), {(enh_class), (enh_subject), (enh_detail)},    \
		{                                                                                                      \
			(literal), sizeof(literal) - 1                                                                 \
		}                                                                                                      \
	}
#define VERDICT(...) ((struct verdict)VERDICT_INIT(__VA_ARGS__))

/* "5.1.1", nothing else, no leading zeros. */
must_check bool dsn_status_parse(struct view text, struct dsn_status *ret);
/* A status at the start of a reply's text: `*ret_rest` is what follows it and its blanks. */
must_check bool dsn_status_split(struct view text, struct dsn_status *ret, struct view *ret_rest);
/* Appends "5.1.1"; nothing for class 0. */
void dsn_status_format(struct buf *out, struct dsn_status status);
bool dsn_status_eq(struct dsn_status a, struct dsn_status b);
/* What stands for a bare SMTP code: its class with ".0.0"; class 0 for codes outside 2xx, 4xx, 5xx. */
struct dsn_status dsn_status_of_code(unsigned code);
/* What the registry says it means, in a few words for people; NULL when not registered. The class does not matter. */
const char *dsn_status_meaning(struct dsn_status status);

/* True when code, class and enhanced code agree (RFC 2034 §4) and the text holds no control character but "\n". */
bool verdict_valid(const struct verdict *v);
/* The reply, CRLF included: one line per line of text (RFC 5321 §4.2.1), the enhanced code on each (RFC 2034 §4),
 * no line over 512 octets. A control character becomes "?", as do bytes above 127 unless `utf8` (RFC 6531 §3.4). */
void verdict_format_reply(struct buf *out, const struct verdict *v, bool utf8);

#endif
