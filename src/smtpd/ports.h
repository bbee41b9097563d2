/* SPDX-License-Identifier: ISC */
#ifndef POMBO_SMTPD_PORTS_H
#define POMBO_SMTPD_PORTS_H

#include "smtpd/smtpd.h"

/* The listening sockets of the process, and what is said to connections over the limits. */
struct ports;

struct ports *ports_new(struct smtpd *d, const struct conf *conf);
void ports_free(struct ports **p);
/* New limits. */
void ports_configure(struct ports *p, const struct conf *conf);
/* Takes over `fd`; one that is named again replaces the former. -EINVAL: no service of this role. */
must_check int ports_add(struct ports *p, const char *service, const char *address, uint16_t number, bool tls, int fd);
void ports_remove(struct ports *p, const char *service, const char *address, uint16_t number);
/* Stops accepting on all of them; sessions stay. */
void ports_close(struct ports *p);

#endif
