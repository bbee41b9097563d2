/* SPDX-License-Identifier: ISC */
#ifndef POMBO_SUPERVISOR_NOTIFY_H
#define POMBO_SUPERVISOR_NOTIFY_H

/* Tells the service manager ("READY=1"), where NOTIFY_SOCKET names one; nothing otherwise. */
void notify_send(const char *state);
/* RELOADING=1 with the time that the protocol wants beside it. */
void notify_reloading(void);

#endif
