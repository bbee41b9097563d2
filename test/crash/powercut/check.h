/* SPDX-License-Identifier: ISC */
#ifndef POMBO_TEST_POWERCUT_CHECK_H
#define POMBO_TEST_POWERCUT_CHECK_H

#include "ledger.h"

/* Opens the store in `dir` as it was left by a cut before op `at`, and looks whether every promise given before was kept, and whether
 * it goes on working. False: `why` says what is wrong. */
bool check_store(const char *dir, const struct ledger *l, uint32_t at, struct buf *why);

#endif
