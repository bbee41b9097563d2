/* SPDX-License-Identifier: ISC */
#ifndef POMBO_SUPERVISOR_SERVER_H
#define POMBO_SUPERVISOR_SERVER_H

#include "ipc/msgs/control_msgs.h"
#include "supervisor/kind.h"
#include "supervisor/listen.h"

#include <sys/types.h>

/* The running server: all its processes and what they are given. Private to src/supervisor. */
struct event_base;
struct event;
struct server;

enum process_state { PROCESS_DOWN, PROCESS_STARTING, PROCESS_READY };

struct process {
	struct server *server;
	enum kind_id kind;
	unsigned index;
	unsigned count; /* of the kind */
	enum process_state state;
	pid_t pid; /* 0 when down */
	struct channel *control;
	struct event *restart; /* the back-off */
	uint32_t backoff_ms;
	uint32_t restarts;
	uint64_t since_ms; /* monotonic */
	int64_t since_us; /* wall clock */
	bool told_to_stop;
	bool reloading; /* told to reload, not ready again yet */
	bool stale; /* was given inputs that are not the newest: reloads when it is ready */
};

enum server_phase { SERVER_STARTING, SERVER_RUNNING, SERVER_STOPPING };

/* What the settings name besides themselves; replaced as a whole by a reload. */
struct server_inputs {
	struct conf *conf;
	struct buf conf_text;
	struct buf cert_pem;
	int key_fd; /* the key of that certificate, wherever a newer one is put meanwhile; -1: none */
	struct listen_set listeners;
};

struct server {
	struct event_base *base;
	char *dir; /* absolute */
	char *role_paths[KIND_COUNT];
	struct server_inputs in;
	int control_fd;
	int store_fd;
	struct process *processes;
	size_t n;
	enum server_phase phase;
	bool all_started;
	int status; /* what supervisor_run() will return */
	uint64_t started_ms;
	int64_t started_us;
	uint64_t stop_asked_ms;
	unsigned stop_stage;
	struct event *stop_timer;
	struct reload *reload; /* under way */
	struct {
		bool asked; /* while the server came up, or while another reload had begun to read */
		struct process *asker;
		pid_t asker_pid;
		uint32_t id;
	} next_reload;
	struct event *signals[4];
};

/* ---- process.c ---- */
/* Forks, executes, and gives the role all but its channels. On failure it is down, and tried again later. */
void process_start(struct process *p);
/* Makes the channels between two processes that both run. */
void process_connect(struct process *p, struct process *q);
/* Everything was given. */
void process_go(struct process *p);
void process_reload(struct process *p);
void process_stop(struct process *p, uint32_t grace_ms);
void process_kill(struct process *p);

/* ---- server.c ---- */
void server_start(struct server *s);
void server_stop(struct server *s, int status);
/* The process is not there: starts it after its back-off. */
void server_try_later(struct process *p);
/* A child ended: looks which. */
void server_reap(struct server *s);
/* From process.c: the role says ready; a message that only the server can answer. */
void server_heard_ready(struct process *p);
void server_heard(struct process *p, uint32_t id, const struct control_msg *m);

/* ---- inputs, reload.c ---- */
/* Reads settings, certificate and key, and (unless check_only) opens the listeners. 0 or a status with `error`. */
must_check int inputs_read(struct server_inputs *in, const char *dir, const struct listen_set *old, bool check_only,
			   struct buf *error);
void inputs_fini(struct server_inputs *in);
/* The file of DNSSEC trust anchors: what trust-anchor names, or Debian's (package dns-root-data); NULL: the setting is no file.
 * Caller frees. */
char *inputs_anchor_path(const struct server_inputs *in, const char *dir);
/* At once, or as soon as the server runs and a reload under way is done (that one may have read the settings before they were
 * changed). Tells `asker` (may be NULL) under `id` when all have taken up the new settings, or why they stay as they were. */
void reload_begin(struct server *s, struct process *asker, uint32_t id);
/* The server has come up. */
void reload_asked_before(struct server *s);
void reload_heard_ready(struct process *p);
/* A process went: nobody waits for it any more. */
void reload_process_gone(struct process *p);

/* ---- unix_socket.c ---- */
/* Never waits: -EAGAIN where the server's backlog is full. A descriptor, or -errno; "" is -ENODEV. */
must_check int unix_socket_connect(const char *path);
/* relayd asks for a connection to the socket of that route; it is answered at once. */
void unix_socket_asked(struct process *p, uint32_t id, struct view route);

/* ---- overview.c ---- */
void overview_begin(struct server *s, struct process *asker, uint32_t id);

#endif
