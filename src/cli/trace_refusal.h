/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_TRACE_REFUSAL_H
#define POMBO_CLI_TRACE_REFUSAL_H

#include "base/id.h"
#include "cli/store_client.h"

#include <jansson.h>

/* What clients were refused, as `pombo trace` shows it. */

/* One, ready to be shown. */
struct trace_refusal {
	int64_t first_ms;
	char head[ID_TEXT_BYTES + 64]; /* proven: a fixed text and an id */
	struct buf line;
	json_t *json; /* in place of both, where it is to be JSON */
};
void trace_refusal_fini(struct trace_refusal *r);

/* Refusals that came too fast to be kept. */
struct trace_left_out {
	uint64_t count;
	int64_t first_ms, last_ms;
};
void trace_left_out_format(const struct trace_left_out *l, struct buf *out);
json_t *trace_left_out_json(const struct trace_left_out *l);

/* A page of what the server has, in order. Zeroed before the first call. */
struct trace_refusals {
	struct trace_refusal page[100];
	size_t at, count;
	uint64_t after;
	bool asked, more;
	struct trace_left_out left_out; /* once asked */
};
/* The next one that began before `before_ms`. -1: *ret is it, the caller's; 0: there is none; else an exit status, the error printed. */
must_check int trace_refusals_next(struct trace_refusals *x, struct store_client *s, const char *text, int64_t since_ms,
				   int64_t before_ms, bool json, struct trace_refusal *ret);
void trace_refusals_fini(struct trace_refusals *x);

/* What others said is shown as plain text behind `before`, and not at any length: `--json` has all of it. Nothing for an empty text. */
void trace_put(struct buf *line, const char *before, struct view text);

#endif
