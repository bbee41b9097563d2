/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_SMTP_COMMAND_H
#define POMBO_MAIL_SMTP_COMMAND_H

#include "mail/address.h"
#include "mail/dsn_status.h"

/* One SMTP command line as a struct (RFC 5321 §4.1 and the extensions named below). Syntax only: what is allowed
 * when, and what was offered, is the caller's business. */
enum smtp_verb {
	SMTP_EHLO,
	SMTP_HELO,
	SMTP_MAIL,
	SMTP_RCPT,
	SMTP_DATA,
	SMTP_BDAT, /* RFC 3030 */
	SMTP_RSET,
	SMTP_NOOP,
	SMTP_VRFY,
	SMTP_EXPN,
	SMTP_HELP,
	SMTP_QUIT,
	SMTP_STARTTLS, /* RFC 3207 */
	SMTP_AUTH, /* RFC 4954 */
};

/* Who the client says it is. */
struct smtp_hello {
	struct view name; /* at most ADDRESS_DOMAIN_MAX octets of printable ASCII without blanks */
	bool is_literal; /* an address literal */
	bool
	    is_lenient; /* neither Domain nor address literal as RFC 5321 §4.1.1.1 wants them ("my_pc", text behind it) */
};

enum smtp_path_kind {
	SMTP_PATH_NULL, /* MAIL FROM:<> */
	SMTP_PATH_POSTMASTER, /* RCPT TO:<Postmaster>, in any case, without a domain */
	SMTP_PATH_MAILBOX,
};

/* A source route is checked and dropped (RFC 5321 §3.3, App. C). */
struct smtp_path {
	enum smtp_path_kind kind;
	struct address address; /* of SMTP_PATH_MAILBOX */
};

enum smtp_param {
	SMTP_PARAM_SIZE = 1, /* MAIL, RFC 1870 */
	SMTP_PARAM_BODY = 2, /* MAIL, RFC 6152, RFC 3030 */
	SMTP_PARAM_SMTPUTF8 = 4, /* MAIL, RFC 6531 */
	SMTP_PARAM_RET = 8, /* MAIL, RFC 3461 */
	SMTP_PARAM_ENVID = 16, /* MAIL, RFC 3461 */
	SMTP_PARAM_AUTH = 32, /* MAIL, RFC 4954 §5 */
	SMTP_PARAM_REQUIRETLS = 64, /* MAIL, RFC 8689 */
	SMTP_PARAM_NOTIFY = 128, /* RCPT, RFC 3461 */
	SMTP_PARAM_ORCPT = 256, /* RCPT, RFC 3461, RFC 6533 */
};

enum smtp_body { SMTP_BODY_7BIT, SMTP_BODY_8BITMIME, SMTP_BODY_BINARYMIME };
enum smtp_ret { SMTP_RET_FULL, SMTP_RET_HDRS };
enum smtp_notify { SMTP_NOTIFY_NEVER = 1, SMTP_NOTIFY_SUCCESS = 2, SMTP_NOTIFY_FAILURE = 4, SMTP_NOTIFY_DELAY = 8 };

enum { SMTP_UNKNOWN_PARAMS_MAX = 4, SMTP_ENVID_MAX = 100, SMTP_ORCPT_MAX = 500 };

struct smtp_params {
	unsigned present; /* bits of enum smtp_param; the values below count only where their bit is set */
	uint64_t size_bytes; /* UINT64_MAX when it does not fit */
	enum smtp_body body;
	enum smtp_ret ret;
	struct view envid; /* decoded, printable */
	struct view auth; /* decoded; empty for "<>" */
	unsigned notify; /* bits of enum smtp_notify */
	struct view orcpt_type; /* "rfc822", "utf-8", … */
	struct view orcpt_address; /* decoded, printable; of type utf-8 as it was sent (RFC 6533 §3) */
	/* Keywords that no extension above has, or that belong to the other command: answer 555. */
	size_t unknown_count;
	struct view unknown[SMTP_UNKNOWN_PARAMS_MAX]; /* the first few */
};

struct smtp_command {
	enum smtp_verb verb;
	struct smtp_hello hello; /* EHLO, HELO */
	struct smtp_path path; /* MAIL, RCPT */
	struct smtp_params params; /* MAIL, RCPT */
	struct view text; /* VRFY, EXPN (never empty), HELP, NOOP: the argument as sent */
	uint64_t chunk_bytes; /* BDAT */
	bool is_last; /* BDAT */
	struct view mechanism; /* AUTH, as sent */
	bool has_initial; /* AUTH: there was an initial response */
	struct view initial; /* its base64, alphabet checked; empty for "=" */
};

/* Parses a line without its CRLF (smtp_line gives it). `utf8_ok`: RCPT may hold RFC 6531 addresses, that is, the
 * transaction was begun with SMTPUTF8; for MAIL its own parameter decides. Views point into `line` or `a`.
 * False: `*ret_error` is the reply: 500 unknown command, 501 syntax, 553 UTF-8 where it was not asked for.
 * Unknown parameters are not an error here. */
must_check bool smtp_command_parse(struct view line, bool utf8_ok, struct arena *a, struct smtp_command *ret,
				   struct verdict *ret_error);

/* "MAIL", …; static. */
const char *smtp_verb_name(enum smtp_verb verb);

#endif
