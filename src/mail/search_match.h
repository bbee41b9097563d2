/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_SEARCH_MATCH_H
#define POMBO_MAIL_SEARCH_MATCH_H

#include "mail/mime_index.h"

/* Substring search as SEARCH HEADER, BODY and TEXT mean it (RFC 9051 §6.4.4): decoded header values and the decoded
 * text parts of a message, compared folded (charset_fold()). */
enum { SEARCH_KEY_BYTES_MAX = 1024, SEARCH_KEYS_MAX = 64 };

enum search_where { SEARCH_IN_BODY, SEARCH_IN_TEXT }; /* TEXT: the header too */

struct search_key {
	struct view folded;
	enum search_where where;
	bool hit;
};

/* Folds `utf8` into `a`. False: longer than SEARCH_KEY_BYTES_MAX once folded, or the arena is too small. */
must_check bool search_key_init(struct search_key *key, struct view utf8, enum search_where where, struct arena *a);

/* HEADER: does some field `name` of the header block hold the key? An empty key: does the field exist? */
bool search_match_header(struct view header, struct view name, const struct search_key *key);

/* BODY and TEXT for several keys in one pass over a message that is fed in order (as indexed, without prefix):
 * its text parts (transfer encoding undone, charset to UTF-8) and the headers of messages inside it. Sets `hit`.
 * A part in an unknown charset is searched as it stands. Memory does not grow with the message. An empty key hits. */
struct search_scan;
struct search_scan *search_scan_new(const struct mime_index *x, struct search_key *keys, size_t key_count);
/* The same text for somebody else to look at: every piece of folded text that BODY and TEXT are looked for in goes to `sink`, the
 * own header too; a piece begins with the last two bytes of the one before it where they are one text. */
typedef void search_sink_fn(void *ctx, struct view folded);
struct search_scan *search_scan_new_sink(const struct mime_index *x, search_sink_fn *sink, void *ctx);
void search_scan_free(struct search_scan **s);
void search_scan_feed(struct search_scan *s, struct view chunk);
void search_scan_finish(struct search_scan *s);
/* No byte that follows can change anything: all keys hit, or no text part is left. */
bool search_scan_is_settled(const struct search_scan *s);

#endif
