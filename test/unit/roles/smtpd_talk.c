/* SPDX-License-Identifier: ISC
 * Dialogues with the rig's sessions. */
#include "smtpd_talk.h"

#include <string.h>

void talk(struct rig *r, size_t client, const struct exchange *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_string_equal(rig_say(r, client, list[i].say), list[i].hear);
}

bool has_prefix(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

size_t greeted(struct rig *r)
{
	size_t client = rig_connect(r);

	assert_true(has_prefix(rig_say(r, client, "EHLO client.example.net\r\n"), "250-mx.example.org\r\n250-SIZE"));
	return client;
}

size_t addressed(struct rig *r)
{
	size_t client = greeted(r);

	TALK(r, client, {"MAIL FROM:<a@example.net>\r\n", SENDER_OK}, {"RCPT TO:<u@example.org>\r\n", RCPT_OK});
	return client;
}

const char *text_of(struct rig *r, size_t message)
{
	assert_true(message < r->message_count);
	return buf_cstr(&r->messages[message].text);
}
