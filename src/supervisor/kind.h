/* SPDX-License-Identifier: ISC */
#ifndef POMBO_SUPERVISOR_KIND_H
#define POMBO_SUPERVISOR_KIND_H

#include "conf/conf.h"

#include <sys/types.h>

/* The kinds of process there are, in the order of trust: a kind may say of a lower one that it misbehaves. */
enum kind_id {
	KIND_MX,
	KIND_SUBMISSION,
	KIND_IMAP,
	KIND_POP,
	KIND_RELAY,
	KIND_FETCH,
	KIND_DNS,
	KIND_POLICY,
	KIND_AUTH,
	KIND_KEY,
	KIND_STORE,
	KIND_COUNT
};

struct kind {
	const char *name; /* in control.def, the log and `pombo status` */
	const char *role; /* its executable is pombo-ROLE */
	bool is_front; /* talks to clients: ends first, has listeners and the certificate */
	unsigned share; /* processes for 100 % cores, in percent; 0: always one */
	unsigned uid; /* its user id, counted from uid-base; never changes: the store belongs to one */
};

extern const struct kind kind_table[KIND_COUNT];

/* How many processes of the kind there are. */
unsigned kind_processes(enum kind_id kind, const struct conf *conf, unsigned cores);
/* The user id of the kind when started as root. */
uid_t kind_uid(enum kind_id kind, const struct conf *conf);

/* Who talks to whom: every process of the one kind has a socketpair with every process of the other. */
struct kind_edge {
	const char *list;
	enum kind_id from;
	enum kind_id to;
};
extern const struct kind_edge kind_edges[];
extern const size_t kind_edges_n;

struct kind_service {
	const char *name;
	uint16_t port;
	bool tls; /* from the first byte */
	enum kind_id kind;
};
extern const struct kind_service kind_services[];
extern const size_t kind_services_n;
bool kind_service_enabled(const struct kind_service *service, const struct conf *conf);

#endif
