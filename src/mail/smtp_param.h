/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_SMTP_PARAM_H
#define POMBO_MAIL_SMTP_PARAM_H

#include "mail/smtp_command.h"

/* esmtp-param *(SP esmtp-param), the part of MAIL (`is_mail`) or RCPT behind the path. An empty `text` has none.
 * False: syntax (a value that its extension does not allow, or the same keyword twice) — a 501. Keywords that are not
 * known for this command are counted in `ret->unknown_count`, whatever their value. */
must_check bool smtp_param_parse(struct view text, bool is_mail, struct arena *a, struct smtp_params *ret);

#endif
