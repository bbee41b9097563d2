/* SPDX-License-Identifier: ISC */
#ifndef POMBO_IPC_ROLE_H
#define POMBO_IPC_ROLE_H

#include "conf/conf.h"
#include "ipc/channel.h"

/* The skeleton of every role's main(): talks to the supervisor over fd 3 (msgs/control.def), gathers settings,
 * channels, listeners and files, applies the sandbox, then runs the loop. A role is its table of callbacks:
 *
 *     int main(void) { static const struct role_spec spec = {…}; return role_run(&spec); }
 *
 * Order: setup (conf parsed) → prepare() [may still open files, load libraries, start threads] → sandbox →
 * on_listener/on_channel/on_file/on_certificate for each given → start() → ready → loop. On reload: on_config, then the
 * certificates/files/listeners anew, then reloaded(). */
struct role; /* the process's one role */

enum role_sandbox {
	SANDBOX_NET, /* read/write/accept on inherited sockets; no open, socket, connect, bind, exec, ptrace, process_vm_* */
	SANDBOX_PURE, /* channels and passed fds only */
	SANDBOX_STORE, /* files beneath its own folder (Landlock), threads; no socket, connect, accept except the inherited control socket */
};

struct role_spec {
	const char *name; /* "smtpd" */
	enum role_sandbox sandbox;
	/* Each may be NULL. int results: 0 or negative errno; an error ends the process with a log line. */
	int (*prepare)(struct role *r);
	int (*on_listener)(struct role *r, const char *service, const char *address, uint16_t port, bool tls, int fd);
	/* A listener that a reload no longer names. */
	void (*on_listener_gone)(struct role *r, const char *service, const char *address, uint16_t port);
	/* `list` is smtp, auth, …; `peer` the kind of process at the other end; the role makes a channel or sync_channel of fd. */
	int (*on_channel)(struct role *r, const char *list, const char *peer, unsigned index, int fd);
	int (*on_file)(struct role *r, const char *name, int fd);
	int (*on_certificate)(struct role *r, struct view pem);
	int (*start)(struct role *r);
	int (*reloaded)(struct role *r); /* settings changed: role_conf() is the new one */
	/* Finish what is under way; call role_finished() when nothing is left. Without this callback: at once. */
	void (*stop)(struct role *r, uint32_t grace_ms);
	void (*count)(struct role *r, uint64_t *ret_sessions, uint64_t *ret_accepted, uint64_t *ret_messages,
		      uint64_t *ret_in_flight);
	/* stored only: answers to role_ask_overview / role_ask_reload. */
	void (*overview)(struct role *r, struct view json);
	void (*reload_done)(struct role *r, bool ok, struct view text);
};

int role_run(const struct role_spec *spec);

struct event_base *role_base(struct role *r);
const struct conf *role_conf(const struct role *r);
const char *role_kind(const struct role *r); /* "mx", "submission", "imap", "pop", "store", "policy", "auth", "key" */
unsigned role_index(const struct role *r);
unsigned role_count(const struct role *r);
bool role_first_start(const struct role *r); /* false after a crash of this role */
bool role_stopping(const struct role *r);
void role_finished(struct role *r);
bool role_ask_overview(struct role *r);
bool role_ask_reload(struct role *r);
/* The role's own state. */
void role_set_state(struct role *r, void *state);
void *role_state(const struct role *r);

#endif
