/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_MIME_FIELD_H
#define POMBO_MAIL_MIME_FIELD_H

#include "mail/mime_index.h"

/* Values of the MIME header fields (RFC 2045 §5.1, 2183 §2, 2231 §3): tokens, quoted strings, comments and folding.
 * Lenient where mail programs are: 8-bit bytes and odd characters in tokens are taken. Results live in `a` or point
 * into `value`; at most MIME_PARAMS_MAX parameters are kept. */
enum { MIME_PARAMS_MAX = 64 };

/* False (nothing written) when `value` is not "type/subtype". */
must_check bool mime_field_type(struct view value, struct arena *a, struct view *ret_type, struct view *ret_subtype,
				struct mime_params *ret_params);
/* Content-Disposition: "attachment; filename=x". False when there is no token. */
must_check bool mime_field_disposition(struct view value, struct arena *a, struct view *ret_disposition,
				       struct mime_params *ret_params);
/* The token of Content-Transfer-Encoding; empty when there is none, or when it is none we know and more than a token
 * stands there ("8 bit"). */
struct view mime_field_token(struct view value, struct arena *a);
enum mime_encoding mime_field_encoding(struct view token);
/* Content-Language: "en, de" (RFC 3282). At most MIME_PARAMS_MAX; the array lives in `a`. */
size_t mime_field_languages(struct view value, struct arena *a, struct view **ret);
/* Text as it stands, unfolded (RFC 5322 §2.2.3) and trimmed. */
struct view mime_field_text(struct view value, struct arena *a);

/* Parameter `name` (ASCII case ignored), or NULL; its value, or an empty view. */
const struct mime_param *mime_params_find(const struct mime_params *params, const char *name);
struct view mime_params_get(const struct mime_params *params, const char *name);
/* Appends what it says, as UTF-8: the value with charset and language (RFC 2231 §4) where there is one, else the plain one, in which many
 * programs write encoded-words. Nothing when there is none. */
void mime_params_text(const struct mime_params *params, const char *name, struct buf *out);

#endif
