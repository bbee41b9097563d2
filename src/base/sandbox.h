/* SPDX-License-Identifier: ISC */
#ifndef POMBO_BASE_SANDBOX_H
#define POMBO_BASE_SANDBOX_H

#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What a role may ask of the kernel once it serves others: three fences, each enough on its own for most of what it denies.
 * An own user id without capabilities (started as root); Landlock: no file, no port, no abstract socket, no signal
 * beyond what the profile names; seccomp: a list of system calls. What a library may try in passing (open, stat, clone) gets
 * an error; what only an intruder would try (exec, socket, connect, ptrace, mount …) ends the process. */
enum sandbox_profile {
	/* read/write/accept on inherited sockets, which stay as they are; no open, socket, connect, bind, exec, ptrace, process_vm_* */
	SANDBOX_NET,
	SANDBOX_PURE, /* channels and passed fds only */
	SANDBOX_STORE, /* files beneath its own folder, threads; no socket, connect, bind; accept on the inherited control socket */
	SANDBOX_OUT, /* asks other machines: TCP sockets of its own; no listen, accept, no other kind of socket */
	SANDBOX_DNS, /* SANDBOX_OUT, and UDP */
	SANDBOX_THREADS, /* SANDBOX_PURE, and threads, which choose the core they run on */
};

struct sandbox_options {
	enum sandbox_profile profile;
	int folder; /* SANDBOX_STORE: the one folder, open; -1 otherwise */
	uid_t uid; /* user and group id to take when root; 0: stay */
	bool landlock_required; /* refuse to start on a kernel without it */
	uint64_t open_files_max; /* RLIMIT_NOFILE, as far as the hard limit allows; 0: leave it */
	/* SANDBOX_OUT, SANDBOX_DNS: the TCP ports it may connect to, where the kernel's Landlock knows ports (Linux 6.7); none: any. */
	const uint16_t *connect_ports;
	size_t n_connect_ports;
};

/* Closes every descriptor from `from` on. */
void sandbox_close_fds_from(unsigned from);
/* The kernel kills this process when its parent dies. */
void sandbox_die_with_parent(void);
/* Before any thread was started: some of it covers the calling thread and those it starts later only. 0, or -errno with what
 * failed in `ret_what`; then the process must not serve.
 *
 * SANDBOX_STORE makes the folder the current directory and, as root, the root directory: `ret_rooted` says so; its path is
 * then "/", whatever the folders above it allow. */
must_check int sandbox_enter(const struct sandbox_options *o, bool *ret_rooted, const char **ret_what);

#endif
