/* SPDX-License-Identifier: ISC
 * HTTP/1.1 responses, line by line and chunk by chunk (RFC 9112). */
#include "mail/http_response.h"

enum { BODY_LEFT_MAX = 1 << 30 };

void http_response_init(struct http_response *r, size_t max_body)
{
	*r = (struct http_response){.state = HTTP_STATUS,
				    .line = BUF_INIT(HTTP_LINE_MAX),
				    .content_type = BUF_INIT(HTTP_TYPE_MAX),
				    .body = BUF_INIT(max_body)};
}

void http_response_fini(struct http_response *r)
{
	buf_fini(&r->line);
	buf_fini(&r->content_type);
	buf_fini(&r->body);
}

/* ---- lines ---- */

/* status-line = "HTTP/1." DIGIT SP 3DIGIT SP [reason]; the last blank is often left out */
static enum http_state on_status(struct http_response *r, struct view line)
{
	uint32_t status;

	if (!view_starts_with(line, VIEW_LIT("HTTP/1.")) || line.n < 12 || !ascii_is_digit(line.p[7]) ||
	    line.p[8] != ' ' || (line.n > 12 && line.p[12] != ' ') ||
	    !view_to_u32(view_sub(line, 9, 3), 599, &status) || status < 100)
		return HTTP_BROKEN;
	r->status = (uint16_t)status;
	return HTTP_FIELDS;
}

static bool is_token(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] <= 0x20 || v.p[i] >= 0x7f || view_find_char(VIEW_LIT("()<>@,;:\\\"/[]?={}"), v.p[i]) < 17)
			return false;
	return v.n > 0;
}

static bool take_length(struct http_response *r, struct view value)
{
	uint64_t n;

	if (!view_to_u64(value, BODY_LEFT_MAX, &n) || (r->has_length && r->left != n))
		return false;
	r->has_length = true;
	r->left = n;
	return true;
}

static bool take_transfer_coding(struct http_response *r, struct view value)
{
	bool first = !r->chunked;

	r->chunked = true;
	return first && view_eq_lit_nocase(value, "chunked");
}

static bool take_content_coding(struct http_response *r, struct view value)
{
	(void)r;
	return view_eq_lit_nocase(value, "identity");
}

static bool take_type(struct http_response *r, struct view value)
{
	buf_reset(&r->content_type);
	buf_append_view(&r->content_type, view_sub(value, 0, HTTP_TYPE_MAX));
	return true;
}

static const struct {
	const char *name;
	bool (*take)(struct http_response *r, struct view value);
} fields[] = {
    {"content-length", take_length},
    {"transfer-encoding", take_transfer_coding},
    {"content-encoding", take_content_coding},
    {"content-type", take_type},
};

/* An interim response (1xx) is followed by the real one. */
static enum http_state after_fields(struct http_response *r)
{
	bool interim = r->status < 200;

	if (interim && r->status != 101) {
		r->chunked = r->has_length = false;
		return HTTP_STATUS;
	}
	if (interim || (r->chunked && r->has_length)) /* RFC 9112 §6.3: smuggling */
		return HTTP_BROKEN;
	if (r->status == 204 || r->status == 304)
		return HTTP_COMPLETE;
	if (r->chunked)
		return HTTP_CHUNK_SIZE;
	if (!r->has_length)
		return HTTP_UNTIL_CLOSE;
	r->too_big = r->left > r->body.max;
	if (r->too_big)
		return HTTP_BROKEN;
	return r->left ? HTTP_LENGTH : HTTP_COMPLETE;
}

static enum http_state on_field(struct http_response *r, struct view line)
{
	struct view name, value;

	if (line.n == 0)
		return after_fields(r);
	if (!view_cut(line, ':', &name, &value) || !is_token(name) || view_has_nul(value))
		return HTTP_BROKEN;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (view_eq_lit_nocase(name, fields[i].name) && !fields[i].take(r, view_trim(value)))
			return HTTP_BROKEN;
	return HTTP_FIELDS;
}

static int hex_digit(char c)
{
	c = ascii_lower(c);
	return ascii_is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* chunk = chunk-size [chunk-ext] CRLF */
static enum http_state on_chunk_size(struct http_response *r, struct view line)
{
	uint64_t n = 0;
	size_t i = 0;

	for (; i < line.n && hex_digit(line.p[i]) >= 0; i++) {
		n = n * 16 + (uint64_t)hex_digit(line.p[i]);
		if (n > BODY_LEFT_MAX)
			return HTTP_BROKEN;
	}
	if (i == 0 || (i < line.n && line.p[i] != ';' && line.p[i] != ' ' && line.p[i] != '\t'))
		return HTTP_BROKEN;
	r->left = n;
	return n ? HTTP_CHUNK : HTTP_TRAILERS;
}

static enum http_state on_chunk_end(struct http_response *r, struct view line)
{
	(void)r;
	return line.n ? HTTP_BROKEN : HTTP_CHUNK_SIZE;
}

static enum http_state on_trailer(struct http_response *r, struct view line)
{
	(void)r;
	return line.n ? HTTP_TRAILERS : HTTP_COMPLETE;
}

static enum http_state on_line(struct http_response *r, struct view line)
{
	switch (r->state) {
	case HTTP_STATUS:
		return on_status(r, line);
	case HTTP_FIELDS:
		return on_field(r, line);
	case HTTP_CHUNK_SIZE:
		return on_chunk_size(r, line);
	case HTTP_CHUNK_END:
		return on_chunk_end(r, line);
	case HTTP_TRAILERS:
		return on_trailer(r, line);
	case HTTP_LENGTH:
	case HTTP_UNTIL_CLOSE:
	case HTTP_CHUNK:
	case HTTP_COMPLETE:
	case HTTP_BROKEN:
		break;
	}
	return HTTP_BROKEN;
}

/* ---- bytes ---- */

/* Up to the end of a line; it may have begun in an earlier piece. */
static size_t feed_line(struct http_response *r, struct view bytes)
{
	size_t at = view_find_char(bytes, '\n');
	size_t n = at < bytes.n ? at + 1 : at;
	struct view line;

	r->overhead += n;
	buf_append_view(&r->line, view_sub(bytes, 0, at));
	if (r->line.overflow || r->overhead > HTTP_HEADER_MAX) {
		r->state = HTTP_BROKEN;
	} else if (at < bytes.n) {
		line = r->line.n ? buf_view(&r->line) : VIEW_EMPTY;
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		r->state = on_line(r, line);
		buf_reset(&r->line);
	}
	return n;
}

static size_t feed_body(struct http_response *r, struct view bytes)
{
	struct view part = r->state == HTTP_UNTIL_CLOSE ? bytes : view_sub(bytes, 0, (size_t)r->left);

	buf_append_view(&r->body, part);
	if (r->body.overflow) {
		r->too_big = true;
		r->state = HTTP_BROKEN;
		return part.n;
	}
	if (r->state == HTTP_UNTIL_CLOSE)
		return part.n;
	r->left -= part.n;
	if (r->left == 0)
		r->state = r->state == HTTP_CHUNK ? HTTP_CHUNK_END : HTTP_COMPLETE;
	return part.n;
}

static bool is_body(enum http_state state)
{
	return state == HTTP_LENGTH || state == HTTP_CHUNK || state == HTTP_UNTIL_CLOSE;
}

static enum parse parse_of(enum http_state state)
{
	return state == HTTP_COMPLETE ? PARSE_DONE : state == HTTP_BROKEN ? PARSE_BAD : PARSE_MORE;
}

enum parse http_response_feed(struct http_response *r, struct view bytes)
{
	while (bytes.n && parse_of(r->state) == PARSE_MORE) {
		size_t n = is_body(r->state) ? feed_body(r, bytes) : feed_line(r, bytes);

		bytes = view_sub(bytes, n, bytes.n);
	}
	return parse_of(r->state);
}

enum parse http_response_end(struct http_response *r)
{
	if (r->state != HTTP_COMPLETE)
		r->state = r->state == HTTP_UNTIL_CLOSE ? HTTP_COMPLETE : HTTP_BROKEN;
	return parse_of(r->state);
}
