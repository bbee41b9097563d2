/* SPDX-License-Identifier: ISC
 * What the supervisor gave a role, kept until it is told to start. */
#include "ipc/given.h"

#include <stdlib.h>
#include <string.h>

enum { PEM_MAX = 256 * 1024 };

static void given_free(struct given *g)
{
	free(g->name);
	free(g->other);
	fd_close(&g->fd);
	buf_fini(&g->pem);
}

static bool fill(struct given *g, const struct control_msg *m)
{
	struct view name = VIEW_EMPTY, other = VIEW_EMPTY;

	switch (m->type) {
	case CONTROL_CERTIFICATE:
		g->kind = GIVEN_CERTIFICATE;
		buf_append_view(&g->pem, m->certificate.pem);
		break;
	case CONTROL_FILE:
		g->kind = GIVEN_FILE;
		name = m->file.name;
		g->fd = m->file.fd;
		break;
	case CONTROL_FOLDER:
		g->kind = GIVEN_FOLDER;
		name = m->folder.path;
		g->fd = m->folder.fd;
		break;
	case CONTROL_LISTENER:
		g->kind = GIVEN_LISTENER;
		name = m->listener.service;
		other = m->listener.address;
		g->port = m->listener.port;
		g->tls = m->listener.tls;
		g->fd = m->listener.fd;
		break;
	case CONTROL_CHANNEL:
		g->kind = GIVEN_CHANNEL;
		name = m->channel.list;
		other = m->channel.peer;
		g->index = m->channel.index;
		g->fd = m->channel.fd;
		break;
	case CONTROL_SETUP:
	case CONTROL_START:
	case CONTROL_RELOAD:
	case CONTROL_STOP:
	case CONTROL_STATUS_ASK:
	case CONTROL_READY:
	case CONTROL_PEER_ODD:
	case CONTROL_STATUS:
	case CONTROL_OVERVIEW_ASK:
	case CONTROL_OVERVIEW:
	case CONTROL_RELOAD_ASK:
	case CONTROL_RELOAD_DONE:
	case CONTROL_CONNECT_ASK:
	case CONTROL_CONNECTED:
	case CONTROL_NOT_CONNECTED:
		return false;
	}
	g->name = view_to_cstr(name);
	g->other = view_to_cstr(other);
	return g->name && g->other;
}

bool given_add(struct given_list *l, struct control_msg *m)
{
	struct given g = {.fd = -1, .pem = BUF_INIT(PEM_MAX)};

	if (l->n == GIVEN_MAX) {
		control_close_fds(m);
		return false;
	}
	if (!fill(&g, m)) {
		given_free(&g);
		return false;
	}
	l->items = xrealloc(l->items, (l->n + 1) * sizeof *l->items);
	l->items[l->n++] = g;
	return true;
}

struct given *given_find_listener(const struct given_list *l, const struct given *like)
{
	for (size_t i = 0; i < l->n; i++) {
		struct given *g = &l->items[i];

		if (g->kind == GIVEN_LISTENER && g->port == like->port && strcmp(g->name, like->name) == 0 &&
		    strcmp(g->other, like->other) == 0)
			return g;
	}
	return NULL;
}

void given_fini(struct given_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		given_free(&l->items[i]);
	free(l->items);
	*l = (struct given_list){NULL, 0};
}
