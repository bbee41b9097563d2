/* SPDX-License-Identifier: ISC */
#ifndef POMBO_TEST_IMAPD_RIG_H
#define POMBO_TEST_IMAPD_RIG_H

#include "imapd/session.h"
#include "rig.h"

struct imapd *rig_imapd(const struct rig *r);
/* rig_login() with INBOX selected. */
size_t rig_select(struct rig *r);

#endif
