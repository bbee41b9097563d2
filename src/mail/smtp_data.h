/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_SMTP_DATA_H
#define POMBO_MAIL_SMTP_DATA_H

#include "base/mem.h"
#include "base/view.h"

/* Message bytes on their way in (DATA, BDAT) and out (DATA). CRLF alone ends a line (RFC 5321 §2.3.8, §4.1.1.4): a CR
 * without LF, an LF without CR and a NUL are refused, never repaired, so that nobody after us can see another message
 * border than we did. */
enum smtp_data_error {
	SMTP_DATA_OK,
	SMTP_DATA_BARE_CR,
	SMTP_DATA_BARE_LF,
	SMTP_DATA_NUL,
	SMTP_DATA_LINE_TOO_LONG,
};

/* The check alone, for BDAT chunks, which hold no dots to remove (RFC 3030). Not for BODY=BINARYMIME. */
struct smtp_strict {
	size_t max_line; /* octets of a line, CRLF included; 0: no limit */
	size_t line_bytes; /* of the line under way; 0 at the start of one */
	bool after_cr;
};

void smtp_strict_init(struct smtp_strict *s, size_t max_line);
/* The next bytes of the message; any split gives the same answer. After an error the rest means nothing. */
must_check enum smtp_data_error smtp_strict_check(struct smtp_strict *s, struct view bytes);
/* At the end of the message (BDAT LAST): SMTP_DATA_BARE_CR when it ended in one. */
must_check enum smtp_data_error smtp_strict_end(const struct smtp_strict *s);

/* DATA (RFC 5321 §4.5.2): takes away leading dots and finds the line that is one dot. */
enum smtp_data_state { SMTP_DATA_TEXT, SMTP_DATA_DOT, SMTP_DATA_DOT_CR, SMTP_DATA_DISCARD, SMTP_DATA_ENDED };

struct smtp_data {
	struct smtp_strict strict;
	uint64_t size_bytes; /* of the message so far, dots removed; the caller compares it with its limit */
	enum smtp_data_error error; /* not OK once a call said PARSE_BAD; stays */
	enum smtp_data_state state;
	unsigned matched; /* while discarding: how much of CRLF "." CRLF the bytes before hold */
};

/* `max_line`: octets of a line, its CRLF included and a removed dot not; 0: no limit. RFC 5321 §4.5.3.1.6 asks for
 * 1000, but real mail has longer lines. */
void smtp_data_init(struct smtp_data *d, size_t max_line);

/* Sets `*ret_consumed` and `*ret_run` every time: the run (maybe empty) is message text, a view into `in`.
 * MORE: call again with what was not consumed, if any, or with what arrives next.
 * DONE: the message has ended; bytes not consumed are the next command's. Must not be called again.
 * BAD: once; d->error says why. The message is to be refused, but it has an end: go on calling (runs stay empty)
 * until DONE, then reply. */
must_check enum parse smtp_data_next(struct smtp_data *d, struct view in, size_t *ret_consumed, struct view *ret_run);

/* Outgoing: doubles the dot at the start of a line, without copying. The text should be CRLF lines; a dot behind a
 * bare LF is doubled too, so that no receiver can take it for the end. */
struct smtp_stuff {
	bool line_start;
	bool dot_sent;
};

void smtp_stuff_init(struct smtp_stuff *s);
/* The next run to send, a view into `*in`; `*in` moves on, and when it is empty all of it has been given out.
 * Runs may overlap by one dot. */
struct view smtp_stuff_next(struct smtp_stuff *s, struct view *in);
/* What ends the message: "." CRLF, after a CRLF of its own if the text did not end in one. Static. */
struct view smtp_stuff_end(const struct smtp_stuff *s);

#endif
