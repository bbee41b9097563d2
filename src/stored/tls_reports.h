/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORED_TLS_REPORTS_H
#define POMBO_STORED_TLS_REPORTS_H

#include "stored/stored.h"

/* Sends what is to be reported of days that are over; once a second. */
void tls_reports_tick(struct stored *sd);

#endif
