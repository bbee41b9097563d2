/* SPDX-License-Identifier: ISC */
#ifndef POMBO_POPD_POPD_H
#define POMBO_POPD_POPD_H

#include "front/front.h"

/* The process: a front end that speaks POP3. The role (main.c) and the tests put it together. */
void popd_init(struct front *f, struct event_base *base, unsigned index, const struct conf *conf);
void popd_configure(struct front *f, const struct conf *conf);
/* What a stream of this protocol is allowed. */
extern const struct stream_limits popd_stream_limits;

#endif
