/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_QUEUE_H
#define POMBO_CLI_QUEUE_H

#include "cli/store_client.h"

struct conf;

/* `pombo queue list`, for mailq. An exit status. */
int queue_list(struct cli *c);

/* pombo.conf, which tells which route each would take, and whether anything is sent; NULL: it cannot be read, the queue is told of all the same. */
struct conf *queue_read_conf(const struct cli *c);
/* Recipients that wait, of this message and later ones, behind this recipient of it. `ret` is valid until the next question. */
must_check int queue_page(struct store_client *s, uint64_t message, struct view after_recipient, struct admin_msg *ret);

/* queue_now.c: what a recipient waits for. */
enum { QUEUE_WAITING, QUEUE_SENDING, QUEUE_HELD, QUEUE_ENDED }; /* admin.def */
extern const char *const queue_states[];
/* When it is tried next, in a word or two: "in 59s". */
void queue_put_next(const struct admin_queued *q, int64_t now_s, struct buf *out);
/* The same as a sentence: "waits: tried 2 times; next attempt 2026-01-31T12:00:00Z". */
void queue_put_now(const struct admin_queued *q, struct buf *out);
/* "3d2h", "5h10m", "12m", "8s" */
void queue_put_span(int64_t seconds, struct buf *out);
/* Why nothing is sent at all, whatever waits; NULL: it is. `conf` may be NULL. */
const char *queue_why_stopped(const struct store_client *s, const struct conf *conf);

#endif
