/* SPDX-License-Identifier: ISC */
#ifndef POMBO_MAIL_HTTP_RESPONSE_H
#define POMBO_MAIL_HTTP_RESPONSE_H

#include "base/buf.h"
#include "base/mem.h"

/* One HTTP/1.1 response (RFC 9112) as it comes in, in pieces of any size. Pure. */
enum {
	HTTP_LINE_MAX = 8192,
	HTTP_HEADER_MAX = 65536, /* status line, fields, trailers, sizes of chunks; all of them */
	HTTP_TYPE_MAX = 200,
};

enum http_state {
	HTTP_STATUS,
	HTTP_FIELDS,
	HTTP_LENGTH, /* a body of known length */
	HTTP_UNTIL_CLOSE,
	HTTP_CHUNK_SIZE,
	HTTP_CHUNK,
	HTTP_CHUNK_END,
	HTTP_TRAILERS,
	HTTP_COMPLETE,
	HTTP_BROKEN,
};

struct http_response {
	enum http_state state;
	uint16_t status;
	bool chunked, has_length;
	bool too_big; /* HTTP_BROKEN because of the body's length */
	uint64_t left; /* of the body or chunk */
	size_t overhead; /* bytes that are no body */
	struct buf line, content_type, body;
};

void http_response_init(struct http_response *r, size_t max_body);
void http_response_fini(struct http_response *r);
/* DONE: complete, whatever comes after. BAD: not HTTP/1.x, over a limit, or coded in a way we did not ask for. */
enum parse http_response_feed(struct http_response *r, struct view bytes);
/* The server closed: DONE or BAD. */
enum parse http_response_end(struct http_response *r);

#endif
