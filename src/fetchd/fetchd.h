/* SPDX-License-Identifier: ISC */
#ifndef POMBO_FETCHD_FETCHD_H
#define POMBO_FETCHD_FETCHD_H

#include "base/buf.h"
#include "mail/https_url.h"

/* What the parts of this process share. One thread. */
struct channel;
struct event_base;
struct tls_client;

struct fetchd {
	struct event_base *base;
	struct channel *dns; /* NULL while dnsd is away */
	struct tls_client *tls;
	uint16_t port; /* where a URL says none */
	unsigned at_work;
	uint64_t done;
};

/* ---- fetch.c ---- */
struct fetch;
struct fetch_request {
	struct https_url url; /* copied */
	bool is_post;
	struct view content_type, body; /* of a POST; copied */
	size_t max_bytes;
	uint32_t deadline_ms;
};
struct fetch_result {
	bool failed;
	enum fetch_failure why;
	struct view text; /* failed: for people */
	uint16_t status;
	struct view content_type, body;
};
/* Called once, from the loop; the fetch is gone already, the result lives during the call. */
typedef void fetch_fn(void *ctx, const struct fetch_result *result);
struct fetch *fetch_new(struct fetchd *f, const struct fetch_request *r, fetch_fn *fn, void *ctx);
void fetch_cancel(struct fetch **f);

/* ---- fetchd.c ---- */
/* Answers one process (ipc/msgs/fetch.def; `peer` of enum fetch_peer) until it hangs up. Takes over `fd`. */
void fetchd_serve(struct fetchd *f, int fd, unsigned peer);

#endif
