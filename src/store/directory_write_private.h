/* SPDX-License-Identifier: ISC */
#ifndef POMBO_STORE_DIRECTORY_WRITE_PRIVATE_H
#define POMBO_STORE_DIRECTORY_WRITE_PRIVATE_H

#include "store/writer.h"

enum domain_kind { DOMAIN_NONE, DOMAIN_REAL, DOMAIN_ALIAS };
must_check int directory_domain_kind(struct writer *w, struct view domain, enum domain_kind *ret);
/* 0: no such account. */
must_check int directory_account_id(struct writer *w, struct view address, uint64_t *ret);

#endif
