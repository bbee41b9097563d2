/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_MIME_TYPE_H
#define POMBO_CLI_MIME_TYPE_H

#include "base/view.h"

/* The media type of a file, from the end of its name, else from its bytes: text/plain for UTF-8 text, application/octet-stream for
 * the rest. A name that says text does not make text of what is none; a text type means UTF-8. Static. */
const char *mime_type_guess(struct view name, struct view bytes);
/* UTF-8 without control characters other than those that lay out text. */
bool mime_type_is_text(struct view bytes);

#endif
