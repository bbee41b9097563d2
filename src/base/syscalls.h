/* SPDX-License-Identifier: ISC */
#ifndef POMBO_BASE_SYSCALLS_H
#define POMBO_BASE_SYSCALLS_H

#include "base/sandbox.h"

/* Loads the profile's seccomp filter into all threads. no_new_privs must be set. 0 or -errno. */
must_check int syscalls_filter(enum sandbox_profile profile);

#endif
