/* SPDX-License-Identifier: ISC */
#ifndef POMBO_BASE_LOG_H
#define POMBO_BASE_LOG_H

#include "base/view.h"

/* One event a line on stderr, as logfmt or JSON: time, level, role, event, then key=value fields.
 * Values are quoted and escaped here, so a peer's bytes cannot forge a line. Lines over 4 KiB are cut.
 *
 *     struct log_line l;
 *     log_begin(&l, LOG_LEVEL_INFO, "accepted");
 *     log_str(&l, "id", id);
 *     log_u64(&l, "size", size_bytes);
 *     log_end(&l);
 */
enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

enum { LOG_LINE_MAX = 4096 };

struct log_line {
	bool enabled;
	size_t n;
	char bytes[LOG_LINE_MAX]; /* proven: log.c cuts what is longer */
};

/* `role` must outlive the process. Before this call: role "pombo", INFO, logfmt. */
void log_init(const char *role, enum log_level min_level, enum log_format format);
void log_set(enum log_level min_level, enum log_format format);
bool log_enabled(enum log_level level);

void log_begin(struct log_line *l, enum log_level level, const char *event);
void log_str(struct log_line *l, const char *key, struct view value);
void log_cstr(struct log_line *l, const char *key, const char *value);
void log_u64(struct log_line *l, const char *key, uint64_t value);
void log_i64(struct log_line *l, const char *key, int64_t value);
void log_errno(struct log_line *l, int error); /* error=strerror(|error|) */
void log_end(struct log_line *l); /* writes the line whole */

/* An event with at most one text field "message" (may be NULL). */
void log_event(enum log_level level, const char *event, const char *message);

#endif
