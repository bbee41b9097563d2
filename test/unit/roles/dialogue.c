/* SPDX-License-Identifier: ISC
 * Dialogues with the rig's sessions. */
#include "dialogue.h"

#include <sys/socket.h>

void talk(struct rig *r, size_t client, const struct exchange *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_string_equal(wire_say(&r->wire, client, list[i].say), list[i].hear);
}

void send_until_stuck(struct rig *r, size_t client, struct view bytes)
{
	for (unsigned stuck = 0; stuck < 3;) {
		ssize_t n = send(r->wire.clients[client], bytes.p, bytes.n, MSG_NOSIGNAL);

		stuck = n < 0 ? stuck + 1 : 0;
		wire_turn(&r->wire);
	}
}

void test_gone_while_logging_in(void **state)
{
	struct rig r;
	size_t c;

	(void)state;
	rig_open(&r, "");
	r.store.late = true;
	c = rig_connect(&r, true);
	(void)wire_say(&r.wire, c, rig_role.login);
	assert_int_equal(r.store.session_count, 1);
	assert_int_not_equal(r.store.sessions[0].id, 0);
	conn_close(TAILQ_FIRST(&r.front->conns)); /* as when the connection was reset */
	wire_hang_up(&r.wire, c);
	while (r.front->session_count)
		wire_turn(&r.wire);
	box_store_give_session(&r.store);
	wire_turn(&r.wire);
	assert_int_equal(r.store.sessions[0].id, 0);
	rig_close(&r);
}
