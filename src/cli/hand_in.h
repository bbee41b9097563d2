/* SPDX-License-Identifier: ISC */
#ifndef POMBO_CLI_HAND_IN_H
#define POMBO_CLI_HAND_IN_H

#include "cli/addressee.h"
#include "cli/cli.h"

/* Gives a message to the server that runs on this machine's data folder: as its operator, without login. */
struct hand_in {
	struct view sender; /* as in MAIL FROM; empty: the null path */
	const struct addressees *recipients; /* at least one */
	struct view message; /* CRLF */
};

/* 0: it is kept, under that name. Or an exit status, the error printed; CLI_NOT_RUNNING when no server runs. */
must_check int hand_in(const struct cli *c, const struct hand_in *m, uint64_t *ret_id);
/* The domain of addresses without one: of ours the one that was there first. Appends it; nothing when there is none. */
must_check int hand_in_default_domain(const struct cli *c, struct buf *ret);

#endif
