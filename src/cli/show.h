/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_SHOW_H
#define POMBO_CLI_SHOW_H

#include "base/buf.h"
#include "base/mem.h"

#include <jansson.h>

/* How sizes, times and others' text look, for people and in JSON. */

/* "50M" → bytes (K, M, G, T: powers of 1024; "B" may follow); "none" → 0. */
must_check bool show_parse_size(const char *text, uint64_t *ret);
void show_size(uint64_t bytes, struct buf *out); /* "1.5 MiB" */
void show_time(int64_t wall_s, struct buf *out); /* RFC 3339, "never" for 0 */
void show_span(int64_t seconds, struct buf *out); /* "3 d 4 h", the two largest units */
const char *show_noun(uint64_t n, const char *one, const char *many); /* the word that goes with the number */
/* Text of unknown origin, fit for one line of a terminal: line ends and tabs become blanks, other control characters, those that turn the direction of text and
 * what is no UTF-8 "?". */
void show_clean(struct view text, struct buf *out);

/* The same on standard output, filled up with blanks to so many characters. */
void show_column(struct view text, size_t columns);
/* The same, and cut there. */
void show_cut_column(struct view text, size_t columns);
/* The last of a line that has so many columns already, and the line's end: cut where a terminal's line ends, elsewhere whole. */
void show_rest(struct view text, size_t used);
/* Of a From field, decoded: the name before the address, or the address. */
struct view show_sender(struct view from);

/* Values for JSON documents. */
json_t *show_json_text(struct view text); /* what is no UTF-8 becomes U+FFFD */
json_t *show_json_time(int64_t wall_s); /* null for 0 */
/* Prints the document and frees it. 0. */
int show_json(json_t *document);

#endif
