/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_MIME_INDEX_H
#define POMBO_MAIL_MIME_INDEX_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"

/* The MIME structure of one message (RFC 2045, 2046): a tree of parts with their places in the message, and the
 * IMAP texts ENVELOPE and BODYSTRUCTURE, rendered once. A message is indexed when it arrives; the encoded index is
 * kept beside it and everything IMAP asks later is answered from it.
 *
 * Any bytes are a message: nothing here can fail on what a message holds. What is over a limit is treated as a leaf.
 * A line ends at LF, with or without CR before it. All offsets count from the first byte that was fed, which is the
 * first byte of the header block (a per-recipient prefix in front of it is the caller's: see imap_section.h). */

enum { MIME_NONE = 0xffffffff }; /* no such part */

enum mime_kind {
	MIME_LEAF,
	MIME_MULTIPART, /* children are its parts; none when the boundary is never met. One that says no boundary is text/plain. */
	MIME_MESSAGE, /* message/rfc822 or message/global: exactly one child, the message inside */
};

enum mime_encoding { MIME_7BIT, MIME_8BIT, MIME_BINARY, MIME_QUOTED_PRINTABLE, MIME_BASE64, MIME_UNKNOWN_ENCODING };

struct mime_param {
	struct view name; /* as written; "name*" for an RFC 2231 value, which stays encoded; continuations joined */
	struct view value; /* unquoted */
};

struct mime_params {
	struct mime_param *at;
	size_t count;
};

/* What only a parsed index has; a decoded one does not (BODYSTRUCTURE text holds it all). Empty views: absent. */
struct mime_details {
	struct mime_params params; /* of Content-Type, charset included */
	struct view disposition;
	struct mime_params disposition_params;
	struct view encoding, id, description, md5, location;
	struct view *languages;
	size_t language_count;
	struct view envelope; /* IMAP text; only of a message's root part */
};

struct mime_part {
	uint32_t parent, first_child, next_sibling; /* indexes into parts, or MIME_NONE */
	uint32_t depth; /* 0: the root */
	enum mime_kind kind;
	enum mime_encoding encoding;
	/* The header block with its blank line, then at once the body. The CRLF before a boundary is in neither. */
	uint64_t header_off, header_bytes;
	uint64_t body_off, body_bytes;
	uint64_t body_lines; /* line ends in the body */
	struct view type, subtype; /* as written; "text" and "plain" where missing or broken */
	struct view charset; /* as written; empty where there is none */
	const struct mime_details *details; /* NULL in a decoded index */
};

struct mime_index {
	uint64_t bytes, lines; /* of the whole message */
	struct mime_part *parts; /* parents before children, in the order of the message; parts[0] is the root */
	uint32_t part_count; /* >= 1 */
	bool limited; /* something was over a limit */
	bool
	    loose_boundary; /* a boundary line has more behind it: who wants the line to be just that sees other parts. Not stored */
	struct view envelope; /* "(…)", IMAP text, may hold literals */
	struct view bodystructure;
};

struct mime_limits {
	uint32_t depth; /* of the tree; deeper multiparts and messages are leaves */
	uint32_t parts;
	size_t kept_header_bytes; /* of one part: what of its header is kept for parsing; the rest is as if absent */
	size_t index_bytes; /* memory for the whole index */
};

/* 100 deep, 10,000 parts, 256 KiB of header fields, 8 MiB in all (rendered texts not counted). */
extern const struct mime_limits mime_limits_default;

/* One parser serves one message after the other and keeps its memory between them, up to a small bound. */
struct mime_parser;
struct mime_parser *mime_parser_new(const struct mime_limits *limits);
void mime_parser_free(struct mime_parser **p);
/* Starts a new message; what mime_parser_finish() gave before is gone. */
void mime_parser_reset(struct mime_parser *p);
/* Before the first bytes: the message's own header has that many, though no empty line may stand there. */
void mime_parser_set_header(struct mime_parser *p, uint64_t bytes);
/* The next bytes of the message, cut anywhere. Memory does not grow with the size of bodies. */
void mime_parser_feed(struct mime_parser *p, struct view chunk);
/* The message is over. The index lives in the parser until reset or free. */
const struct mime_index *mime_parser_finish(struct mime_parser *p);
/* reset, feed, finish. */
const struct mime_index *mime_index_parse(struct mime_parser *p, struct view message);

/* The index as bytes to store: versioned, compact, without pointers. Errors: out->overflow. */
void mime_index_encode(const struct mime_index *x, struct buf *out);

/* The encoded index of the same message with `bytes` bytes of header fields, `lines` lines, put in front. False: not an index. */
must_check bool mime_index_grow(struct view encoded, uint64_t bytes, uint64_t lines, struct buf *out);

/* Only the front of an encoded index, without reading the parts: what FETCH of many messages needs. */
struct mime_index_head {
	uint64_t bytes, lines;
	struct view envelope, bodystructure; /* into `encoded` */
};
must_check bool mime_index_peek(struct view encoded, struct mime_index_head *ret);
/* Appends a front that mime_index_peek() reads, with only the texts asked for (the other one is empty) and without parts.
 * False: `encoded` is not an index, or `out` is full. */
must_check bool mime_index_trim(struct view encoded, bool envelope, bool bodystructure, struct buf *out);

/* False when `encoded` is not a whole index of a known version, or the arena is too small. On true every part lies
 * inside the message and inside its parent, and the tree is a tree. Views point into `encoded`. */
must_check bool mime_index_decode(struct view encoded, struct arena *a, struct mime_index *ret);

/* NULL for MIME_NONE. */
const struct mime_part *mime_index_part(const struct mime_index *x, uint32_t at);
/* ASCII case ignored; a NULL subtype means any. */
bool mime_part_is(const struct mime_part *part, const char *type, const char *subtype);

#endif
